"""Hold a scorer to the contract, and the awkward documents and tiny models to do it with.

For authors of plug-ins and for our own tests alike. What is checked is what makes a scorer safe
to shard: its scores depend on the document and the settings, and on nothing else.
"""

from __future__ import annotations

import dataclasses
import itertools
import pickle
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curator.engine.shuffle import in_order
from curator.errors import PluginError
from curator.identity import document_ids, fingerprint, id_matrix, uniform
from curator.registry import AnyScorer
from curator.schema import DOCUMENT, conform, field_note, places_of, score_field
from curator.shards import read_shard, write_shard
from curator.stage import Corpus, FittedScorer, Scorer, Site, Work

_UNSCORED = 0.1  # share of documents without the score of an earlier entry

_SENTENCES = (
    "The river rose after three days of rain and the lower road was closed.",
    "Her sister keeps bees, sells the honey on Saturdays and gives away the wax.",
    "A prime number has exactly two divisors, one and itself.",
    "He could not say why the old map showed a lake where there was none.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "The committee met twice, agreed on nothing and published the minutes.",
    "Iron rusts faster near the sea because salt helps the current flow.",
    "def area(width, height): return width * height",
)


def check_scorer(
    scorer: AnyScorer,
    *,
    corpora: Mapping[str, Corpus] | None = None,
    site: Site | None = None,
    whole: Collection[str] = (),
) -> pa.Table:
    """Return the scores of `awkward_documents`, having held `scorer` to the contract.

    Checked: it is a frozen dataclass that survives pickling with its identity; every column says
    its unit and which way is better; scores are the same twice, wherever the table is cut and
    whatever its order; an empty table is scored; no NaN. A fitted scorer is also fitted twice, the
    second time from corpora cut into other shards, and must score the same. What it reads beside
    the corpus is made; columns of earlier scores are numbers by chance, some of them null. A
    wide scorer sees all documents as one partition, and is not cut.

    Args:
        scorer: an instance, with settings small enough for a test.
        corpora: by role, what a scorer learns from; made-up sentences if not given.
        site: where to run; one thread of the CPU if not given.
        whole: columns of earlier scores that are whole numbers, 0 to 9: numbers of groups, say.

    Raises:
        PluginError: the first breach found, with what was wanted.
    """
    _check_declaration(scorer)
    check_pickling(scorer, where=f"scorer {scorer.name}")
    place = site or Site()
    with tempfile.TemporaryDirectory(prefix="curator-check-") as folder:
        beside = _sites_beside(scorer, Path(folder))
        table = _with_beside(scorer, awkward_documents(), beside, whole)
        sites = [place]
        if getattr(scorer, "learns_from", ()) and place.fitted is None:
            sites = _fit_twice(scorer, corpora or {}, place, Path(folder), whole)
        model = scorer.load(sites[0])
        scores = _scored(scorer, model, table)
        _check_invariance(scorer, model, table, scores)
        if len(sites) > 1:
            again = _scored(scorer, scorer.load(sites[1]), table)
            _same(scorer, scores, again, "fitting again from the same documents in other shards")
    return scores


def awkward_documents() -> pa.Table:
    """Return documents that have broken scorers before, as a `DOCUMENT` table.

    Empty, blank, one letter 10,000 times, no spaces, CJK, right to left, emoji, combining marks,
    control characters, HTML, words that look like labels or special tokens, and plain prose.
    """
    return documents(
        [
            *_SENTENCES,
            "",
            " ",
            "\n\n\n",
            "\t\r\n\x0b\x0c",
            "a" * 10_000,
            "x",
            "\x00",
            "nul\x00in the middle\x01\x02\x7f",
            "自然语言处理是人工智能的一个重要方向。" * 20,
            "日本語のテキストには空白がない。",
            "مرحبا بالعالم שלום עולם",
            "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 n\u0303 \u200b\ufeff",
            "<html><body onload='x()'><p>Hello&nbsp;<b>you</b></p><script>1</script></body></html>",
            "__label__good __label__bad </s> <s> <|endoftext|> [MASK]",
            "one line\rof\u2028several\u0085kinds\nof break",
            "1 2 3 4 5 6 7 8 9 0 " * 50,
            " ".join(_SENTENCES),
            "\n".join(_SENTENCES * 12),
        ]
    )


def documents(texts: Sequence[str], *, source: str = "test") -> pa.Table:
    """Return `texts` as a `DOCUMENT` table of one source, with their real ids."""
    column = pa.array(texts, pa.large_string())
    table = pa.table(
        {
            "doc_id": document_ids(source, column),
            "source": pa.array([source] * len(texts), pa.string()),
            "origin": pa.array([f"{source}#{row}" for row in range(len(texts))], pa.string()),
            "text": column,
        }
    )
    return conform(table, DOCUMENT)


def corpus(folder: Path, texts: Sequence[str], *, source: str = "test", shards: int = 1) -> Corpus:
    """Return `texts` written into `folder` as a corpus of so many shards."""
    return _written(folder, documents(texts, source=source), source, shards)


def example_texts(role: str, count: int = 40) -> list[str]:
    """Return `count` made-up texts that other roles' texts can be told from, always the same."""
    chance = np.random.default_rng([ord(letter) for letter in role])
    words = np.array(sorted({word for text in _SENTENCES for word in text.split()}))
    favored = chance.permutation(words)[: len(words) // 2]
    return [" ".join(chance.choice(favored, size=30)) + f" {row}." for row in range(count)]


def tiny_encoder(folder: Path) -> Path:
    """Return `folder` holding static word vectors (8 dimensions) and their tokenizer."""
    from safetensors.numpy import save_file

    tokenizer = _tiny_tokenizer()
    size = tokenizer.get_vocab_size()
    vectors = np.random.default_rng(0).normal(size=(size, 8)).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": vectors}, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def tiny_language_model(
    folder: Path, *, seed: int = 0, uniform: bool = False, context: int = 64
) -> Path:
    """Return `folder` holding a random Llama of about 20,000 parameters in transformers' format.

    Args:
        folder: made if absent.
        seed: of the weights.
        uniform: every next token equally likely: the model whose bits can be counted by hand.
        context: tokens that it reads.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = _tiny_tokenizer()
    shape = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=context,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(shape)
    if uniform:
        torch.nn.init.zeros_(model.lm_head.weight)
    model.save_pretrained(folder)
    fast: Any = PreTrainedTokenizerFast  # its constructor has no types
    fast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>").save_pretrained(folder)
    return folder


def _tiny_tokenizer() -> Any:
    """Return a byte-level BPE tokenizer of 288 tokens: 1 special, 256 bytes, the rest merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=288,
        special_tokens=["<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    return tokenizer


def _check_declaration(scorer: AnyScorer) -> None:
    kind = type(scorer)
    where = f"scorer {getattr(scorer, 'name', kind.__name__)}"
    faults = []
    if not dataclasses.is_dataclass(kind) or not kind.__dataclass_params__.frozen:
        faults.append(f"{kind.__name__} is not a frozen dataclass; decorate it so")
    if not getattr(scorer, "name", ""):
        faults.append(f"{kind.__name__} has no `name`")
    if isinstance(scorer, FittedScorer) and not getattr(scorer, "learns_from", ()):
        faults.append("a FittedScorer names the roles it learns from in `learns_from`")
    if not len(scorer.writes):
        faults.append("`writes` is empty; wanted at least one column, the score first")
    for field in scorer.writes:
        if not field_note(field, "unit") or not field_note(field, "better"):
            faults.append(f"column {field.name!r} does not say its unit; make it by `score_field`")
        if not field.nullable:
            faults.append(f"column {field.name!r} forbids null; dropped documents have no score")
    if faults:
        raise PluginError("; ".join(faults), where=where)


def check_pickling(work: Work, *, where: str) -> None:
    """Return only if a piece of work keeps its identity on the way to a worker.

    Raises:
        PluginError: it does not.
    """
    before = fingerprint(work.identity())
    copy = pickle.loads(pickle.dumps(work))  # our own bytes, of a moment ago
    if fingerprint(copy.identity()) != before or fingerprint(work.identity()) != before:
        raise PluginError(
            "its identity changed by pickling; keep settings in fields and models in `load`",
            where=where,
        )


def _scored(scorer: AnyScorer, model: Any, table: pa.Table) -> pa.Table:
    """Return what the engine would make of the documents of one shard."""
    read = table.select(list(dict.fromkeys((*scorer.reads, "doc_id", "source"))))
    if isinstance(scorer, Scorer):
        return scorer.process(model, read)
    numbered = read.append_column("row", pa.array(np.arange(table.num_rows, dtype=np.uint64)))
    told = scorer.reduce(in_order(scorer.emit(model, numbered)))
    rows = told["row"].to_numpy().astype(np.int64)
    home = told.select(scorer.writes.names).take(places_of(rows, table.num_rows))
    return conform(home, scorer.writes, where=f"scorer {scorer.name}")


def _check_invariance(scorer: AnyScorer, model: Any, table: pa.Table, scores: pa.Table) -> None:
    rows = table.num_rows
    _same(scorer, scores, _scored(scorer, model, table), "scoring again")
    for cut in (1, rows // 2, rows - 1) if isinstance(scorer, Scorer) else ():
        halves = [table.slice(0, cut), table.slice(cut)]
        parts = [_scored(scorer, model, half) for half in halves]
        _same(scorer, scores, pa.concat_tables(parts), f"cutting the table at row {cut}")
    chunked = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    _same(scorer, scores, _scored(scorer, model, chunked), "cutting its columns")
    order = pa.array(np.random.default_rng(0).permutation(rows))
    permuted = _scored(scorer, model, table.take(order))
    _same(scorer, scores.take(order), permuted, "changing the order of rows")
    if _scored(scorer, model, table.slice(0, 0)).num_rows:
        raise PluginError("an empty table got scores", where=f"scorer {scorer.name}")


def _same(scorer: AnyScorer, expected: pa.Table, found: pa.Table, deed: str) -> None:
    for name in expected.column_names:
        if expected[name].combine_chunks().equals(found[name].combine_chunks()):
            continue
        pairs = zip(expected[name].to_pylist(), found[name].to_pylist(), strict=True)
        row, (old, new) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        raise PluginError(
            f"{deed} changed {name!r} of row {row} from {old!r} to {new!r}; a score may depend on "
            "its document and the settings only (a model's score is rounded to a grid)",
            where=f"scorer {scorer.name}",
        )


def _fit_twice(
    scorer: Any,
    given: Mapping[str, Corpus],
    site: Site,
    folder: Path,
    whole: Collection[str] = (),
) -> list[Site]:
    corpora = {
        role: given.get(role) or corpus(folder / "as given" / role, example_texts(role))
        for role in scorer.learns_from
    }
    recut = {role: _recut(one, folder / "recut" / role) for role, one in corpora.items()}
    sites = []
    for name, examples in (("once", corpora), ("again", recut)):
        out = folder / name
        out.mkdir()
        read = {
            role: one
            if one.beside
            else _with_sidecars(scorer, one, out.parent / f"{name}-{role}", whole)
            for role, one in examples.items()
        }
        scorer.fit(read, out, site)
        sites.append(dataclasses.replace(site, fitted=out))
    return sites


def _with_sidecars(
    scorer: AnyScorer, corpus: Corpus, folder: Path, whole: Collection[str]
) -> Corpus:
    """Return a corpus with what a scorer reads beside it in sidecars, shard by shard."""
    tables = list(corpus.tables(read_shard(corpus.shards[0]).column_names))
    sites = _sites_beside(scorer, folder)
    beside = [_with_beside(scorer, table, sites, whole) for table in tables]
    names = [name for name in beside[0].column_names if name not in tables[0].column_names]
    if not names:
        return corpus
    shards = [
        write_shard(table.select(names), folder / f"beside-{n}.arrow", name=f"beside-{n}")
        for n, table in enumerate(beside)
    ]
    return dataclasses.replace(corpus, beside=(tuple(shards),))


def _sites_beside(scorer: AnyScorer, folder: Path) -> list[Site]:
    """Return where each stage runs that a scorer reads beside the corpus, fitted if need be."""
    return [
        _fit_twice(stage, {}, Site(), folder / f"beside-{number}")[0]
        if isinstance(stage, FittedScorer)
        else Site()
        for number, stage in enumerate(scorer.beside)
    ]


def _with_beside(
    scorer: AnyScorer, table: pa.Table, sites: Sequence[Site], whole: Collection[str]
) -> pa.Table:
    """Return documents with the columns that a scorer reads beside them."""
    for stage, site in zip(scorer.beside, sites, strict=True):
        made = stage.process(stage.load(site), table)
        for name in made.column_names:
            table = table.append_column(made.schema.field(name), made[name])
    chance = uniform(id_matrix(table["doc_id"]), "curator.testing", 0)
    for name in (name for name in scorer.reads if name not in table.column_names):
        found = np.floor(10 * chance) if name in whole else chance
        values = pa.array(found.astype(np.float32), mask=chance < _UNSCORED)
        table = table.append_column(score_field(name, unit="chance"), values)
    return table


def _recut(whole: Corpus, folder: Path) -> Corpus:
    """Return the same documents in three shards, last first."""
    table = pa.concat_tables(list(whole.tables(("doc_id", "source", "origin", "text"))))
    backwards = table.take(pa.array(np.arange(table.num_rows)[::-1]))
    return _written(folder, conform(backwards, DOCUMENT), "recut", 3)


def _written(folder: Path, table: pa.Table, name: str, shards: int) -> Corpus:
    bounds = np.linspace(0, table.num_rows, shards + 1).astype(int).tolist()
    return Corpus(
        tuple(
            write_shard(table.slice(a, b - a), folder / f"{name}-{i}.arrow", name=f"{name}-{i}")
            for i, (a, b) in enumerate(itertools.pairwise(bounds))
        )
    )
