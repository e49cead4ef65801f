from __future__ import annotations

import itertools
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curator.errors import BudgetError, LedgerError, PluginError, RecipeError
from curator.identity import document_ids
from curator.mix import load
from curator.mix.draw import draw
from curator.mix.export import export_text, export_tokens
from curator.mix.mds import write_mds
from curator.mix.spec import MixSpec
from curator.mix.tokens import write_tokens
from curator.schema import SELECTION
from curator.train.loader import open_mixture
from tests.support.mixtures import encoded

BOS = 1


def encode(texts):
    """One token a letter, its code point, after BOS."""
    parts = [np.array([BOS, *map(ord, text)], dtype=np.uint32) for text in texts.to_pylist()]
    offsets = np.cumsum([0, *map(len, parts)])
    return offsets, np.concatenate(parts)


def corpus():
    """Return two shards of twelve documents; one text is there twice."""
    texts = [f"text {'é' * i} {i}" for i in range(12)]
    texts[7] = texts[2]
    sources = ["a" if i % 3 else "b" for i in range(12)]
    sources[7] = sources[2]
    ids = [document_ids(s, pa.array([t]))[0].as_py() for s, t in zip(sources, texts, strict=True)]
    table = pa.table(
        {
            "doc_id": pa.array(ids, pa.binary(16)),
            "source": sources,
            "text": pa.array(texts, pa.large_string()),
            "license": [None, "MIT"] * 6,
        }
    )
    return [table[:5], table[5:]]


def chosen(tables):
    rows = {}
    for row in pa.concat_tables(tables).to_pylist():
        cost = {"tokens": len(row["text"]) + 1, "copies": 1, "key": 0.0}
        rows[row["doc_id"]] = {"doc_id": row["doc_id"], "source": row["source"], **cost}
    return pa.Table.from_pylist(list(rows.values())[1:], schema=SELECTION)


@pytest.fixture
def drawn():
    return draw(chosen(corpus()), MixSpec(max_epochs=3), 300, seed=2)


def written(drawn, out, **changed):
    settings = {"tokenizer_digest": "tok", "vocab_size": 256, "bos_id": BOS, **changed}
    return write_tokens(drawn, encoded(corpus(), drawn, encode), out, **settings)


@pytest.mark.parametrize(("vocab_size", "dtype"), [(256, "uint16"), (70_000, "uint32")])
def test_a_token_folder_reads_back_as_the_texts_in_draw_order(drawn, tmp_path, vocab_size, dtype):
    notes = written(drawn, tmp_path / "m", vocab_size=vocab_size)
    mixture = load(tmp_path / "m")

    texts = {row["doc_id"]: row["text"] for row in pa.concat_tables(corpus()).to_pylist()}
    found = [(doc_id, "".join(map(chr, tokens[1:]))) for doc_id, tokens in mixture]
    assert found == [(i, texts[i]) for i in drawn.table["doc_id"].to_pylist()]
    assert all(tokens[0] == BOS for _, tokens in mixture)
    assert mixture.tokens.dtype == np.dtype(dtype)
    assert notes["n_tokens"] == len(mixture.tokens) == drawn.tokens
    assert notes["sources"]["a"]["tokens"] + notes["sources"]["b"]["tokens"] == drawn.tokens
    assert notes["draw_hash"] == drawn.draw_hash("tok")
    assert notes["manifest_hash"] == drawn.manifest_hash("tok")


def test_the_trainer_opens_the_folder(drawn, tmp_path):
    written(drawn, tmp_path / "m")
    opened = open_mixture(tmp_path / "m")
    assert opened.n_tokens == drawn.tokens
    assert opened.bos_id == BOS


def test_the_order_in_which_shards_come_does_not_change_a_byte(drawn, tmp_path):
    written(drawn, tmp_path / "one")
    settings = {"tokenizer_digest": "tok", "vocab_size": 256, "bos_id": BOS}
    backwards = encoded([table[::-1] for table in corpus()[::-1]], drawn, encode)
    write_tokens(drawn, backwards, tmp_path / "two", **settings)
    for name in ("tokens.bin", "index.arrow", "mixture.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_missing_changed_and_badly_encoded_documents_are_refused(drawn, tmp_path):
    settings = {"tokenizer_digest": "tok", "vocab_size": 256, "bos_id": BOS}

    def write(tables, encode=encode, **changed):
        parts = encoded(tables, drawn, encode)
        write_tokens(drawn, parts, tmp_path / "m", **{**settings, **changed})

    with pytest.raises(LedgerError, match="not in the corpus"):
        write(corpus()[:1])
    with pytest.raises(LedgerError, match="was counted with"):
        write(
            corpus(),
            lambda texts: encode(
                pa.compute.utf8_rtrim_whitespace(pa.compute.replace_substring(texts, "text", "txt"))
            ),
        )
    with pytest.raises(PluginError, match="BOS"):
        write(corpus(), bos_id=2)
    with pytest.raises(PluginError, match="vocabulary"):
        write(corpus(), vocab_size=100)
    with pytest.raises(LedgerError, match="no token folder"):
        load(tmp_path / "m")
    with pytest.raises(BudgetError, match="no documents"):
        write_tokens(draw(chosen(corpus())[:0], MixSpec()), [], tmp_path / "e", **settings)


def test_a_truncated_folder_is_noticed(drawn, tmp_path):
    written(drawn, tmp_path / "m")
    whole = (tmp_path / "m" / "tokens.bin").read_bytes()
    (tmp_path / "m" / "tokens.bin").write_bytes(whole[:-2])
    with pytest.raises(LedgerError, match="export the mixture again"):
        load(tmp_path / "m")


@pytest.mark.parametrize("form", ["jsonl", "jsonl.zst", "parquet", "hf"])
def test_text_formats_hold_each_chosen_document_once_with_its_epochs(form, drawn, tmp_path):
    out = export_text(corpus(), drawn.selection, form, tmp_path / "out", epochs=drawn.epochs)
    rows = read(form, out)
    wanted = dict(zip(drawn.selection["doc_id"].to_pylist(), drawn.epochs.tolist(), strict=True))
    assert {bytes.fromhex(row["doc_id"]): row["epochs"] for row in rows} == wanted
    assert len(rows) == len(wanted)
    texts = {r["doc_id"]: r for r in pa.concat_tables(corpus()).to_pylist()}
    for row in rows:
        source = texts[bytes.fromhex(row["doc_id"])]
        assert row["text"] == source["text"]
        assert row["source"] == source["source"]


def read(form, out):
    if form == "parquet":
        return pq.read_table(out / "documents.parquet").to_pylist()
    if form == "hf":
        import datasets

        return list(datasets.load_from_disk(str(out)))
    raw = (out / f"documents.{form}").read_bytes()
    if form == "jsonl.zst":
        raw = zstandard.ZstdDecompressor().stream_reader(raw).read()
    return [json.loads(line) for line in raw.splitlines()]


@pytest.mark.parametrize(("vocab_size", "code", "dtype"), [(256, 8, "<u2"), (70_000, 4, "<i4")])
def test_megatron_files_read_back_by_their_documented_layout(
    drawn, tmp_path, vocab_size, code, dtype
):
    written(drawn, tmp_path / "m", vocab_size=vocab_size)
    out = export_tokens(tmp_path / "m", "megatron", tmp_path / "out")

    index = (out / "mixture.idx").read_bytes()
    version, found_code, sequences, bounds = struct.unpack_from("<QBQQ", index, 9)
    assert (index[:9], version, found_code) == (b"MMIDIDX\x00\x00", 1, code)
    assert (sequences, bounds) == (drawn.table.num_rows, drawn.table.num_rows + 1)
    at = 34
    sizes = np.frombuffer(index, "<i4", sequences, at)
    pointers = np.frombuffer(index, "<i8", sequences, at + sizes.nbytes)
    ends = np.frombuffer(index, "<i8", bounds, at + sizes.nbytes + pointers.nbytes)
    assert at + sizes.nbytes + pointers.nbytes + ends.nbytes == len(index)
    assert ends.tolist() == list(range(bounds))
    raw = (out / "mixture.bin").read_bytes()
    for (_, tokens), size, pointer in zip(load(tmp_path / "m"), sizes, pointers, strict=True):
        assert np.frombuffer(raw, dtype, size, pointer).tolist() == tokens.tolist()


@pytest.mark.parametrize("vocab_size", [256, 70_000])
@pytest.mark.parametrize("shard_bytes", [600, 1 << 20])
def test_mds_shards_read_back_by_their_documented_layout(drawn, tmp_path, vocab_size, shard_bytes):
    notes = written(drawn, tmp_path / "m", vocab_size=vocab_size)
    mixture = load(tmp_path / "m")
    (tmp_path / "out").mkdir()
    write_mds(mixture, tmp_path / "out", shard_bytes=shard_bytes)

    found = []
    for shard in json.loads((tmp_path / "out" / "index.json").read_text())["shards"]:
        raw = (tmp_path / "out" / shard["raw_data"]["basename"]).read_bytes()
        assert len(raw) == shard["raw_data"]["bytes"]
        assert len(raw) <= shard_bytes or shard["samples"] == 1
        bounds = np.frombuffer(raw, "<u4", shard["samples"] + 1, 4)
        assert json.loads(raw[4 + bounds.nbytes : bounds[0]])["column_names"] == [
            "doc_id", "source", "tokens"
        ]  # fmt: skip
        for low, high in itertools.pairwise(bounds):
            sizes = struct.unpack_from("<III", raw, low)
            assert low + 12 + sum(sizes) == high
            ends = low + 12 + np.cumsum([0, *sizes])
            doc_id, source, array = (raw[a:b] for a, b in itertools.pairwise(ends))
            axis, length = struct.unpack_from("<BI", array)
            tokens = np.frombuffer(array, notes["dtype"], offset=5)
            assert (axis, length) == (6, len(tokens))
            found.append((bytes.fromhex(doc_id.decode()), source.decode(), tokens.tolist()))
    sources = mixture.index["source"].to_pylist()
    wanted = [(i, s, t.tolist()) for (i, t), s in zip(mixture, sources, strict=True)]
    assert found == wanted


def test_a_copied_token_folder_is_the_same(drawn, tmp_path):
    written(drawn, tmp_path / "m")
    out = export_tokens(tmp_path / "m", "tokens", tmp_path / "out")
    assert load(out).notes == load(tmp_path / "m").notes


def test_unknown_formats_and_full_folders_are_refused(drawn, tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'jsonl'"):
        export_text(corpus(), drawn.selection, "json", tmp_path / "out")
    with pytest.raises(RecipeError, match="did you mean 'tokens'"):
        export_tokens(tmp_path, "token", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(RecipeError, match="there already"):
        export_text(corpus(), drawn.selection, "jsonl", tmp_path / "full")


def test_an_interrupted_export_leaves_nothing(drawn, tmp_path):
    with pytest.raises(LedgerError, match="not in the corpus"):
        export_text(corpus()[:1], drawn.selection, "jsonl", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
