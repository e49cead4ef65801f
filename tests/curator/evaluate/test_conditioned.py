"""Tags before texts: neither bits nor bytes of theirs, before every window, never expected."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError, ShardError
from curator.evaluate.bits import bits_per_byte
from curator.evaluate.conditioned import conditioned, forget_tags, prefix_of, refuse_tags
from curator.evaluate.generated import GENERATED, bad_rate, generate
from curator.identity import document_ids
from curator.text.stretches import Trait
from curator.train.checkpoint import load_model
from curator.train.sample import Sampling
from curator.train.tokenizer import encode, load_tokenizer, tag_ids, tag_text
from tests.support.trained import trained_run

CALM = "calm words go on and on. "
LOUD = "LOUD WORDS GO ON. "


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a small run that has read calm text behind one tag and loud text behind another."""
    texts = [tag_text("good") + CALM * 3, tag_text("bad") + LOUD * 3] * 20
    folder = tmp_path_factory.mktemp("tagged")
    return trained_run(texts, folder, steps=150, tags=("good", "bad"))


def documents(texts, source="web"):
    column = pa.array(texts, pa.large_string())
    ids = document_ids(source, column)
    return pa.table({"doc_id": ids, "source": [source] * len(texts), "text": column})


def measured(run, texts, **settings):
    table = bits_per_byte(run, documents(texts), run / "tokenizer.json", **settings)
    return table["bits"].to_numpy(), table["bytes"].to_numpy()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(9, 20), st.integers(0, 3))
def test_every_token_is_scored_once_and_every_window_begins_with_its_prefix(lengths, context, size):
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    ids = np.arange(100, 100 + offsets[-1])
    prefixes = [np.arange(size) - 10 * (row + 1) for row in range(len(lengths))]

    found = conditioned(offsets, ids, prefixes, context)

    firsts = ids[offsets[:-1]]
    assert sorted(found.ids[found.wanted]) == sorted(set(ids.tolist()) - set(firsts.tolist()))
    for number, (low, high) in enumerate(pairwise(found.offsets)):
        window, document = found.ids[low:high], found.document[number]
        assert len(window) - 1 <= context
        led = int(window[0] == firsts[document])
        assert window[led : led + size].tolist() == prefixes[document].tolist()


def test_bits_are_those_of_the_text_behind_the_prefix_among_texts_only(run):
    text = "calm words."
    tokenizer, model = load_tokenizer(run / "tokenizer.json"), load_model(run)
    good, _ = tag_ids(tokenizer).values()
    ids = encode(tokenizer, pa.array([text]))[1].astype(np.int64)
    read = torch.from_numpy(np.r_[ids[:1], good, ids[1:]])[None]
    with torch.no_grad():
        raw = model.head(model(read))[0, 1:-1, :good].double()
    capped = 15 * raw / (raw.square() + 225).sqrt()
    wanted = -torch.log_softmax(capped, 1)[range(len(ids) - 1), ids[1:]].sum() / np.log(2)

    bits, size = measured(run, [text], prefix=["good"])

    assert bits[0] == pytest.approx(float(wanted), rel=1e-4)
    assert size[0] == len(text)


def test_a_model_told_what_text_is_like_needs_fewer_bits(run):
    told = measured(run, [CALM, LOUD], prefix=["good"])[0]
    other = measured(run, [CALM, LOUD], prefix=["bad"])[0]

    assert told[0] < other[0] - 5
    assert told[1] > other[1] + 5


def test_long_texts_are_told_in_every_window(run):
    told, other = (measured(run, [CALM * 12], prefix=[tag])[0][0] for tag in ("good", "bad"))

    assert told < other


def test_tags_are_not_expected_whatever_the_model_says(run):
    model, tokenizer = load_model(run), load_tokenizer(run / "tokenizer.json")
    size = tokenizer.get_vocab_size()

    forget_tags(model, tokenizer)

    assert len(model.head.weight) == size - 2
    assert len(model.embedding.weight) >= size


def test_the_source_of_a_document_may_be_its_tag(run):
    tokenizer = load_tokenizer(run / "tokenizer.json")

    assert prefix_of(tokenizer, ["{source}"], "good").tolist() == [tag_ids(tokenizer)["good"]]
    with pytest.raises(RecipeError, match=r"no tags \['web'\]"):
        prefix_of(tokenizer, ["{source}"], "web")


def test_text_that_spells_a_tag_is_not_measured(run):
    tokenizer = load_tokenizer(run / "tokenizer.json")

    with pytest.raises(RecipeError, match="1 of the texts"):
        refuse_tags(tokenizer, pa.array([f"a {tag_text('bad')} b", "fine"]))


def test_a_prefix_leaves_half_of_the_context():
    with pytest.raises(RecipeError, match="leave half"):
        conditioned(np.array([0, 5]), np.arange(5), [np.arange(8)], 16)


def written(run, prefix, *, temperature=0.7, seed=0):
    how = Sampling(max_tokens=24, temperature=temperature, top_p=0.9, seed=seed)
    return generate(
        run, run / "tokenizer.json", 64, how, Trait("capitals"), by="sentence", above=0.9,
        prefix=prefix,
    )  # fmt: skip


def test_what_is_asked_for_is_written(run):
    good, bad = (written(run, [tag]) for tag in ("good", "bad"))

    assert good.schema == GENERATED
    assert bad_rate(good) < 0.2 < 0.8 < bad_rate(bad)
    assert not any("<|tag:" in text for text in good["text"].to_pylist())


def test_the_same_texts_are_written_again(run):
    one, again = (written(run, ["good"], temperature=2.0) for _ in range(2))

    assert one.equals(again)
    assert not one.equals(written(run, ["good"], temperature=2.0, seed=1))


def test_texts_without_a_visible_character_have_no_rate():
    none = pa.table(
        {"text": [" "], "finish": ["stop"], "tokens": [1], "stretches": [0], "bad": [0]},
        schema=GENERATED,
    )

    with pytest.raises(ShardError, match="none has a visible"):
        bad_rate(none)


def test_before_every_sentence_bits_are_those_of_text_and_of_where_sentences_end(run):
    tokenizer, model = load_tokenizer(run / "tokenizer.json"), load_model(run)
    tags = list(tag_ids(tokenizer).values())
    parts = ["calm words.", " calm words go on."]
    ids = encode(tokenizer, pa.array([tag_text("good").join(["", *parts])]))[1].astype(np.int64)
    with torch.no_grad():
        raw = model.head(model(torch.from_numpy(ids[:-1])[None]))[0].double()
    logs = torch.log_softmax(15 * raw / (raw.square() + 225).sqrt(), 1) / np.log(2)
    wanted = 0.0
    for place, token in enumerate(ids[1:].tolist()):
        if token not in tags:
            wanted -= float(logs[place, token])
        elif place:
            wanted -= float(torch.logsumexp(logs[place, tags] * np.log(2), 0) / np.log(2))

    bits, size = measured(run, ["".join(parts)], prefix=["good"], by="sentence")

    assert bits[0] == pytest.approx(wanted, rel=1e-4)
    assert size[0] == len("".join(parts))


def test_what_is_written_has_tags_where_the_model_puts_them_and_none_in_the_text(run):
    how = Sampling(max_tokens=40, temperature=0.7, top_p=0.9)
    found = generate(
        run, run / "tokenizer.json", 32, how, Trait("capitals"), by="sentence", above=0.9,
        prefix=["good"], everywhere=True,
    )  # fmt: skip

    assert not any("<|tag:" in text for text in found["text"].to_pylist())
    assert bad_rate(found) < 0.2
