"""Our reading of a saved model answers as fastText does, on hostile text too."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curator.errors import PluginError
from curator.score.fasttext_model import read_model
from curator.testing import awkward_documents, example_texts

WORDS = [
    "proof",
    "lemma",
    "buy",
    "cheap",
    "caf\u00e9",
    "\u4e2d\u6587",
    "</s>",
    "__label__b",
    "a\u00a0b",
    "\U0001f642",
]
HOSTILE = st.lists(
    st.one_of(st.sampled_from([*WORDS, " ", "\t", "\r", "\v", "\f", "\0"]), st.text(max_size=20)),
    max_size=30,
).map(lambda parts: "".join(parts).replace("\n", " "))


def trained(folder: Path, labels: int = 2, **settings: Any) -> Path:
    """Return the file of a small model of so many labels, trained on made-up and awkward words."""
    lines = [
        f"__label__{'abcde'[label]} {text} {WORDS[row % len(WORDS)]}"
        for label in range(labels)
        for row, text in enumerate(example_texts(f"class {label}", 30))
    ]
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    given = {"dim": 5, "epoch": 10, "wordNgrams": 2, "bucket": 300, "thread": 1, "verbose": 0}
    model = fasttext.train_supervised(str(folder / "lines.txt"), **(given | settings))
    model.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("model"))


def agree(path: Path, texts: list[str]) -> None:
    """Hold every text that has words to fastText's own answer."""
    model, other = read_model(path), fasttext.load_model(str(path))
    found = model.probabilities(pa.array(texts, pa.large_string()))
    for text, ours in zip(texts, found, strict=True):
        if np.isnan(ours).any():
            continue
        names, values = other.predict(text, k=-1)
        theirs = dict(zip(names, values.tolist(), strict=True))
        assert ours == pytest.approx([theirs[name] for name in model.labels], abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(st.lists(HOSTILE, min_size=1, max_size=6))
@example(
    ["proof </s> buy cheap", "__label__b buy", "__label__zz buy", "buy\0cheap", "\u2028", "</s>"]
)
def test_hostile_text_is_answered_as_by_fasttext(path: Path, texts: list[str]):
    agree(path, texts)


@pytest.mark.parametrize(
    "settings",
    [
        {"labels": 2, "wordNgrams": 1},
        {"labels": 2, "wordNgrams": 4, "bucket": 17},
        {"labels": 3},
        {"labels": 5, "minCount": 4},
        {"labels": 1},
    ],
)
def test_other_shapes_are_answered_as_by_fasttext(tmp_path: Path, settings: dict):
    texts = [text.replace("\n", " ") for text in awkward_documents()["text"].to_pylist()]
    agree(trained(tmp_path, **settings), texts)


def test_probabilities_of_real_prose_do_not_depend_on_the_batch(path: Path):
    model, texts = read_model(path), awkward_documents()["text"]
    whole = model.probabilities(texts)
    alone = np.concatenate([model.probabilities(texts.slice(row, 1)) for row in range(len(texts))])

    np.testing.assert_array_equal(whole, alone)


@pytest.mark.parametrize("text", ["", "  ", "\t\r\v\f\0\n", "__label__b", "</s> proof"])
def test_a_text_without_words_has_no_answer(path: Path, text: str):
    assert np.isnan(read_model(path).probabilities(pa.array([text]))).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "hs"}, "loss 'hs'; wanted supervised"),
        ({"loss": "ova"}, "loss 'ova'"),
        ({"minn": 2, "maxn": 4}, "sub-words of up to 4; train with `maxn=0`"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path: Path, settings: dict, message: str):
    with pytest.raises(PluginError, match=message):
        read_model(trained(tmp_path, **settings))


def test_a_quantized_model_is_refused(tmp_path: Path):
    model = fasttext.load_model(str(trained(tmp_path)))
    model.quantize(str(tmp_path / "lines.txt"), thread=1, verbose=0)
    model.save_model(str(tmp_path / "model.ftz"))

    with pytest.raises(PluginError, match="is quantized"):
        read_model(tmp_path / "model.ftz")


def test_a_file_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"something else altogether")
    (tmp_path / "empty").write_bytes(b"")

    with pytest.raises(PluginError, match=r"wanted a model\.bin of fastText 0\.9"):
        read_model(tmp_path / "x")
    with pytest.raises(PluginError, match="ends after 0 bytes"):
        read_model(tmp_path / "empty")


@pytest.mark.parametrize(("ngrams", "buckets"), [(0, 300), (-1, 300), (1 << 30, 300), (2, -1)])
def test_ngrams_that_no_text_has_are_refused_before_room_is_made_for_them(
    path: Path, tmp_path: Path, ngrams: int, buckets: int
):
    content = bytearray(path.read_bytes())
    struct.pack_into("<i", content, 8 + 4 * 5, ngrams)
    struct.pack_into("<i", content, 8 + 4 * 8, buckets)
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(PluginError, match=f"n-grams of up to {ngrams} words in {buckets} buckets"):
        read_model(tmp_path / "model.bin")


def test_a_dictionary_without_ends_is_read_in_memory_of_its_own_size(path: Path, tmp_path: Path):
    entries = struct.pack("<iiiqq", 1 << 30, (1 << 30) - 2, 2, 0, -1)
    (tmp_path / "model.bin").write_bytes(path.read_bytes()[:64] + entries + b"a" * 100_000)
    tracemalloc.start()
    with pytest.raises(PluginError, match="ends after"):
        read_model(tmp_path / "model.bin")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10_000_000


def test_every_part_cut_from_the_end_is_refused(path: Path, tmp_path: Path):
    content = path.read_bytes()
    for stop in np.linspace(1, len(content) - 1, 40).astype(int):
        (tmp_path / "cut").write_bytes(content[:stop])
        with pytest.raises(PluginError, match="ends after"):
            read_model(tmp_path / "cut")


def test_sizes_that_do_not_agree_are_refused(path: Path, tmp_path: Path):
    content = bytearray(path.read_bytes())
    content[8 + 48 + 8 : 8 + 48 + 8 + 4] = struct.pack("<i", 7)  # entries: words + labels
    (tmp_path / "odd").write_bytes(content)

    with pytest.raises(PluginError, match="has 7 entries for"):
        read_model(tmp_path / "odd")
