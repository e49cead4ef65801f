"""What a document's influence costs to first order and by the exact step, and whether they agree.

    python -m bench.influence [--corpora ../shared/data/corpora] [--audit 200] [--long 20]

Trains the proxy `probe` on 200,000 tokens of real text in several sources (of the embedded corpus
where the folder is not there), keeps its state, and probes documents that it has not seen for
target text of one source, in one process and one thread. Printed, for references of 8,000 and
100,000 tokens and documents of at most 128 and 256 tokens: CPU milliseconds a document of either
way and their ratio; Spearman of the two at a tenth of the learning rate, at the rate itself, and
without the preconditioner. The exact step reads its reference in float32; in bfloat16 too for
comparison.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from bench.draws import read_texts
from curator.identity import document_ids, id_matrix
from curator.influence.first_order import (
    Direction,
    direction,
    first_order,
    reference_gradient,
    step_slopes,
)
from curator.influence.one_step import OneStep
from curator.influence.rows import Rows, Tokens, document_tokens, item_tokens, reference_rows
from curator.influence.state import State, open_state
from curator.ingest.installed import InstalledReader
from curator.mix.draw import draw
from curator.mix.spec import MixSpec
from curator.mix.tokens import Encoded, write_tokens
from curator.schema import SELECTION
from curator.score.heldout import spearman
from curator.train.loop import train
from curator.train.proxy import find_proxy
from curator.train.tokenizer import bos_id, digest, encode, load_tokenizer, train_bpe

FOLDERS = (
    "books", "web_text", "encyclopedia", "math", "code", "reviews", "law", "synthetic_simple",
)  # fmt: skip
CHARACTERS = 3000  # of a document
SOURCE = 1_400_000  # characters of a source
ITEM = 900  # characters of an item of the reference: within a context of 256 tokens
VOCABULARY = 2048
REFERENCES = (8192, 102_400)
PILOT = 64
Texts = Mapping[str, list[str]]


def main() -> None:
    asked = arguments()
    torch.set_num_threads(1)
    texts = texts_of(asked.corpora)
    target = asked.target if asked.target in texts else next(iter(texts))
    print(f"{len(texts)} sources, target {target!r}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        state, tokenizer = trained(Path(folder), texts, asked.tokens)
        # Neither was trained on.
        rest = list(itertools.chain.from_iterable(_dealt(texts, 0.5, 0.7)))
        items = item_tokens(tokenizer, _column(_items(texts[target])))
        for longest in (128, 256):
            documents = document_tokens(tokenizer, _column(rest), longest)
            for size in REFERENCES:
                number = asked.audit if size == REFERENCES[0] else asked.long
                told(state, items, documents, size, longest, number)


def told(
    state: State, items: Tokens, documents: Tokens, size: int, longest: int, number: int
) -> None:
    """Print one reference size and one length of documents."""
    reached = np.cumsum(items.targets)
    rows = reference_rows(_first(items, int(np.searchsorted(reached, size)) + 1), 256)
    tokens = int(sum(float(batch.weights.sum()) for batch in rows))
    pilot, rest = _first(documents, PILOT), _from(documents, PILOT)
    several, audited = _first(rest, 1000), _first(rest, number)
    begun = time.process_time()
    gradient = reference_gradient(state.model, rows)
    slopes = step_slopes(state, pilot)
    once = time.process_time() - begun
    u = direction(state, gradient, scale=0.1, slopes=slopes)
    quick, cheap = timed(lambda: first_order(state.model, [u], several, longest)[:, 0], several)
    exact, dear = timed(lambda: stepped(state, rows, audited, 0.1), audited)
    ours = quick[: len(exact)]
    print(
        f"reference {tokens:,} tokens, documents of {audited.targets.mean():.0f} tokens "
        f"(at most {longest}), {len(exact)} audited\n"
        f"  exact step   {dear:9.2f} ms a document\n"
        f"  first order  {cheap:9.2f} ms a document, and {once:.1f} s once: {dear / cheap:.0f}x\n"
        f"  Spearman at a tenth of the rate {spearman(ours, exact):.4f}",
        flush=True,
    )
    if size == REFERENCES[0]:
        compared(state, rows, audited, exact, gradient, u, longest)


def compared(
    state: State,
    rows: Sequence[Rows],
    audited: Tokens,
    exact: NDArray[np.float64],
    gradient: Any,
    u: Direction,
    longest: int,
) -> None:
    """Print what the exact probe says at the training rate and in bfloat16, and the ablations."""
    full = stepped(state, rows, audited, 1.0)
    ways = {
        "first order": u,
        "  v alone": direction(state, gradient, scale=0.1),
        "  no preconditioner": direction(state, gradient, precondition=False),
    }
    for name, way in ways.items():
        found = first_order(state.model, [way], audited, longest)[:, 0]
        print(
            f"  {name:20} rate/10 {spearman(found, exact):.4f}   rate {spearman(found, full):.4f}"
        )
    print(f"  exact at rate/10 with exact at the rate {spearman(exact, full):.4f}")
    print(f"  helpful at rate/10 {(exact > 0).mean():.1%}, at the rate {(full > 0).mean():.1%}")
    coarse, cost = timed(lambda: stepped(state, rows, audited, 0.1, "bfloat16"), audited)
    print(
        f"  exact, reference in bfloat16: {cost:.2f} ms, Spearman with float32 "
        f"{spearman(coarse, exact):.4f}",
        flush=True,
    )


def stepped(
    state: State, rows: Sequence[Rows], documents: Tokens, scale: float, precision: str = "float32"
) -> NDArray[np.float64]:
    """Return the exact probes."""
    return OneStep(state, [rows], scale=scale, precision=precision)(documents)[:, 0]


def timed(probe: Any, documents: Tokens) -> tuple[NDArray[np.float64], float]:
    """Return what a probe gives, and CPU milliseconds a document."""
    begun = time.process_time()
    found = probe()
    return found, 1e3 * (time.process_time() - begun) / (len(documents.offsets) - 1)


def trained(folder: Path, texts: Texts, tokens: int) -> tuple[State, Any]:
    """Return the state of a probe trained on the first half of every source, and its tokenizer."""
    train_texts = [(name, text) for name, part in texts.items() for text in part[: len(part) // 2]]
    path = train_bpe([pa.array([text for _, text in train_texts])], VOCABULARY, folder)
    tokenizer = load_tokenizer(path)
    ids = pa.concat_arrays([document_ids(name, _column([text])) for name, text in train_texts])
    matrix = id_matrix(ids)
    _, first = np.unique(matrix, axis=0, return_index=True)
    offsets, encoded = encode(tokenizer, _column([train_texts[row][1] for row in first]))
    columns = {
        "doc_id": ids.take(pa.array(first)).cast(pa.binary(16)),
        "source": pa.array([train_texts[row][0] for row in first], pa.string()),
        "tokens": pa.array(np.diff(offsets).astype(np.uint32)),
        "copies": pa.array(np.ones(len(first), np.uint32)),
        "key": pa.array(np.zeros(len(first))),
    }
    drawn = draw(pa.table(columns, schema=SELECTION), MixSpec())
    (folder / "mixture").mkdir()
    (folder / "mixture" / "tokenizer.json").write_bytes(path.read_bytes())
    write_tokens(
        drawn, [Encoded(matrix[first], offsets, encoded)], folder / "mixture",
        tokenizer_digest=digest(path), vocab_size=VOCABULARY, bos_id=bos_id(tokenizer),
    )  # fmt: skip
    proxy = find_proxy("probe")
    out = folder / "run"
    record = train(
        folder / "mixture", proxy, tokens=tokens, seed=1, order_seed=1, out=out, as_trunk=True
    )
    print(f"probe trained on {record.tokens:,} tokens to a loss of {record.final_loss:.3f}")
    return open_state(out), tokenizer


def texts_of(corpora: Path) -> Texts:
    """Return pieces of `CHARACTERS` of every source, in its own order."""
    if corpora.is_dir():
        return {name: list(_pieces(read_texts(corpora / name))) for name in FOLDERS}
    reader = InstalledReader(max_bytes=SOURCE)
    return {
        unit.pieces[0].label: list(
            _pieces(t for b in reader.documents(unit) for t in b.documents["text"].to_pylist())
        )
        for unit in reader.plan()
    }


def _pieces(texts: Iterator[str]) -> Iterator[str]:
    """Yield pieces of texts, four of each at most, until there are `SOURCE` characters."""
    size = 0
    for text in texts:
        for begin in range(0, min(len(text), 4 * CHARACTERS), CHARACTERS):
            piece = text[begin : begin + CHARACTERS]
            if len(piece) >= 200:
                size += len(piece)
                yield piece
        if size >= SOURCE:
            return


def _items(texts: Sequence[str]) -> list[str]:
    """Return the last pieces of the target in items, the rest of a piece left out."""
    return [
        text[begin : begin + ITEM]
        for text in texts[int(0.7 * len(texts)) :]
        for begin in range(0, max(1, len(text) - ITEM), ITEM)
    ]


def _dealt(texts: Texts, begin: float, end: float) -> Iterator[list[str]]:
    """Yield a text of every source in turn, from one share of its texts to another."""
    parts = [part[int(begin * len(part)) : int(end * len(part))] for part in texts.values()]
    for row in itertools.zip_longest(*parts):
        yield [text for text in row if text is not None]


def _first(tokens: Tokens, number: int) -> Tokens:
    last = tokens.offsets[min(number, len(tokens.offsets) - 1)]
    return Tokens(tokens.offsets[: number + 1], tokens.ids[:last], tokens.counted[:last])


def _from(tokens: Tokens, number: int) -> Tokens:
    begin = tokens.offsets[number]
    return Tokens(tokens.offsets[number:] - begin, tokens.ids[begin:], tokens.counted[begin:])


def _column(texts: Sequence[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--corpora", type=Path, default=Path("../shared/data/corpora"))
    parser.add_argument("--target", default="books", help="source that is the reference")
    parser.add_argument("--tokens", type=int, default=200_000, help="that the probe is trained on")
    parser.add_argument("--audit", type=int, default=200, help="exact steps at 8,000 tokens")
    parser.add_argument("--long", type=int, default=20, help="exact steps at 100,000 tokens")
    return parser.parse_args()


if __name__ == "__main__":
    main()
