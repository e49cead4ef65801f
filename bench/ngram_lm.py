"""Our n-gram model and KenLM, side by side in one run: the same words, estimated and asked by both.

    python -m bench.ngram_lm REFERENCE.jsonl[.zst] TEXT.jsonl[.zst] ... [--order 5]
        [--prune 0 0 1] [--reference-mb 16] [--text-mb 4] [--peer-venvs /tmp/peers]

Both learn from the first `--reference-mb` of REFERENCE, then score up to `--text-mb` of every other
file. Seconds are of CPU, one thread. Ours go from text to perplexity: normalized, cut into words,
looked up. KenLM is given what comes out of that, words parted by spaces, and only looks up: its
Python module has no part for the rest. MB are of the original text for both.

Three comparisons of perplexities, document by document, as ratios ours / KenLM's: both estimated
and asked by their own side (lmplz, then kenlm.Model); our estimate asked by both (written as ARPA);
and lmplz's estimate asked by both (read from ARPA). Then with CCNet as it is, SentencePiece pieces
in place of our words and Python around KenLM: how the ranks agree, how much of the head (the lowest
30 %) is the same, and its speed from text to perplexity. Without lmplz (`bench.lmplz` says what it
needs) only the second comparison is made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.filters import read_lines
from bench.lmplz import KENLM, estimated, lmplz
from bench.peer import ask_peer, peer_python
from curator.score.arpa import read_arpa, write_arpa
from curator.score.bands import HEAD
from curator.score.heldout import spearman
from curator.score.ngram_lm import NgramModel, perplexity
from curator.text.lm_stream import spelled_lines
from curator.text.lm_table import Tally

ROUNDS = 3
SHARES = (0.0, 0.01, 0.5, 0.99, 1.0)
Answer = TypeVar("Answer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--prune", type=int, nargs="*", default=[])
    parser.add_argument("--reference-mb", type=float, default=16.0)
    parser.add_argument("--text-mb", type=float, default=4.0)
    parser.add_argument("--peer-venvs", type=Path, default=Path("/tmp/peers"))
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    python = peer_python(asked.peer_venvs / "kenlm", [KENLM, "sentencepiece==0.2.1"])
    program = lmplz(asked.peer_venvs / "lmplz")
    reference = column(asked.reference, asked.reference_mb * 1e6)
    texts = {path.name.split(".")[0]: column(path, asked.text_mb * 1e6) for path in asked.texts}
    warm_up(asked.order)
    with tempfile.TemporaryDirectory() as folder:
        compare(reference, texts, asked, Path(folder), python, program)


def compare(
    reference: pa.Array,
    texts: dict[str, pa.Array],
    asked: argparse.Namespace,
    folder: Path,
    python: Path,
    program: Path | None,
) -> None:
    order, prune = asked.order, asked.prune
    seconds, model = timed(lambda: NgramModel.trained([reference], order=order, prune=prune))
    size = megabytes(reference)
    print(f"reference: {size:.1f} MB, {model.about['tokens']:,} words, n-grams by order")
    print(f"  {model.about['ngrams']}, discounts {model.about['discounts']}")
    print(f"estimated by us in {seconds:.1f} s ({size / seconds:.1f} MB/s)")
    write_arpa(model, folder / "ours.arpa")
    back = None
    if program:
        spelled = "\n".join(spelled_lines(reference).to_pylist())
        (folder / "reference.txt").write_text(f"{spelled}\n")
        arpa = folder / "lmplz.arpa"
        peer_seconds = estimated(program, folder / "reference.txt", arpa, order, prune)
        print(
            f"by lmplz, given the words, in {peer_seconds:.1f} s ({size / peer_seconds:.1f} MB/s)"
        )
        back = read_arpa(arpa)
        same = back.about["ngrams"] == model.about["ngrams"]
        print(f"  as many n-grams of each order: {same}")
    for name, text in texts.items():
        one_text(name, text, model, back, folder, python)
        if program:
            with_ccnet(reference, text, perplexity(model.tally(text)), folder, python, program)


def one_text(
    name: str,
    text: pa.Array,
    model: NgramModel,
    back: NgramModel | None,
    folder: Path,
    python: Path,
) -> None:
    """Print speeds and ratios on one file."""
    size = megabytes(text)
    seconds, told = min(
        (timed(lambda: model.tally(text)) for _ in range(ROUNDS)), key=lambda o: o[0]
    )
    given = folder / "text.json"
    given.write_text(json.dumps(spelled_lines(text).to_pylist()))
    ours = ask_peer(python, "kenlm_score.py", str(folder / "ours.arpa"), str(given), str(ROUNDS))
    unknown = told.unknown.sum() / max(told.words.sum(), 1)
    print(f"\n{name}: {len(text):,} documents, {size:.1f} MB, {unknown:.1%} of words unknown")
    peer_speed = size / ours["seconds"]
    print(f"  MB/s a core: ours {size / seconds:.1f}, KenLM given the words {peer_speed:.1f}")
    print(f"  perplexity: median {np.nanmedian(perplexity(told)):.1f}")
    if back:
        own = ask_peer(python, "kenlm_score.py", str(folder / "lmplz.arpa"), str(given), "1")
        show("estimate and query", told, own["sums"])
        show("query, lmplz's ARPA", back.tally(text), own["sums"])
    show("query, our ARPA", told, ours["sums"])


def with_ccnet(
    reference: pa.Array,
    text: pa.Array,
    ours: NDArray[np.float64],
    folder: Path,
    python: Path,
    program: Path,
) -> None:
    """Print how our perplexities of words rank documents, beside CCNet's of pieces."""
    given = [folder / "plain.json", folder / "plain-text.json"]
    for path, texts in zip(given, (reference, text), strict=True):
        path.write_text(json.dumps(texts.to_pylist()))
    told = ask_peer(python, "ccnet_score.py", *map(str, given), str(folder), str(program))
    theirs = np.array(told["perplexities"], np.float64)
    both = ~np.isnan(ours) & ~np.isnan(theirs)
    ours, theirs = ours[both], theirs[both]
    heads = [one < np.percentile(one, HEAD) for one in (ours, theirs)]
    same = (heads[0] & heads[1]).sum() / max(heads[1].sum(), 1)
    print(f"  CCNet's pieces: {megabytes(text) / told['seconds']:.2f} MB/s from text, ", end="")
    print(f"ranks agree {spearman(ours, theirs):.3f} (Spearman), heads share {same:.1%}")


def show(what: str, told: Tally, sums: list[float]) -> None:
    """Print how the ratios of perplexities spread over documents."""
    theirs = perplexity(told._replace(log10=np.array(sums)))
    ratios = (perplexity(told) / theirs)[told.words > 0]
    spread = " ".join(f"{value:.7f}" for value in np.quantile(ratios, SHARES))
    print(f"  ratio, {what}: {spread} (least, 1 %, median, 99 %, most)")


def column(path: Path, size: float) -> pa.Array:
    """The first documents of a file, about `size` bytes of them."""
    found, total = [], 0
    for line in read_lines(path):
        found.append(json.loads(line)["text"])
        total += len(found[-1].encode())
        if total > size:
            break
    return pa.array(found, pa.large_string())


def warm_up(order: int) -> None:
    """Have the kernels compiled."""
    text = pa.array(["some words\nof a text"], pa.large_string())
    NgramModel.trained([text], order=order).tally(text)


def megabytes(texts: pa.Array) -> float:
    return sum(len(text.as_py().encode()) for text in texts) / 1e6


def timed(work: Callable[[], Answer]) -> tuple[float, Answer]:
    """CPU seconds, and what came out."""
    begun = time.process_time()
    answer = work()
    return time.process_time() - begun, answer


if __name__ == "__main__":
    main()
