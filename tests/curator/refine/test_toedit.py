from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curator.errors import RecipeError
from curator.evaluate.token_odds import encode, token_odds
from curator.identity import id_matrix
from curator.refine.refiner import refined
from curator.refine.toedit import ToEdit, _Places
from curator.stage import Corpus, Site
from curator.testing import documents
from tests.support.trained import trained_run

VERSES = ["the cat sat on the mat and the dog sat on the log", "one two three four five six seven"]
TEXTS = [f"{VERSES[n % 2]} {VERSES[(n + 1) % 2]} {n}" for n in range(12)]


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("prior")
    return str(trained_run(TEXTS * 20, folder, steps=60, context=64))


def edited(prior: str, texts: list[str] = TEXTS, **settings: Any) -> tuple[Any, Any]:
    refiner = ToEdit(model=prior, **({"threshold": 0.9} | settings))
    table = documents(texts)
    return refined(refiner, refiner.load(Site()), table, name="toedit"), table


def odds_of(prior: str, text: str, k: int = 8) -> tuple[Any, Any]:
    opened = ToEdit(model=prior).load(Site())
    offsets, ids = encode(opened.model, [text])
    found = token_odds(opened.model, offsets, ids, context=64, candidates=k, above=0.9)
    return opened, found


def test_only_tokens_that_the_model_is_sure_of_are_replaced_by_its_own_candidates(prior: str):
    made, table = edited(prior, beta=4.0)

    assert made.children.num_rows
    for row, text in zip(
        made.children["row"].to_pylist(), made.children["text"].to_pylist(), strict=True
    ):
        opened, odds = odds_of(prior, table["text"][row].as_py())
        after = [opened.model.first_token, *opened.model.tokenizer.encode(text).ids]
        if len(after) != len(odds.ids):
            continue  # the edited text is cut into other tokens
        changed = np.flatnonzero(np.array(after) != odds.ids)
        assert set(changed) <= set(odds.sites.tolist())
        for place in changed:
            at = odds.sites.tolist().index(place)
            assert after[place] in odds.candidates[at]


def test_drawing_keeps_to_the_softmax_of_the_candidates_over_beta(prior: str):
    opened, odds = odds_of(prior, TEXTS[0])
    beta = 3.0
    refiner = ToEdit(model=prior, threshold=0.9, beta=beta)
    n = 4000
    counts = np.zeros(odds.candidates.shape)
    for seed in range(n // 100):
        names = id_matrix(documents([f"{seed} {each}" for each in range(100)])["doc_id"])
        for name in names:
            places = _Places.of(odds.offsets, name[None])
            drawn = refiner._drawn(opened, odds, places.names[odds.sites])
            counts += odds.candidates == drawn[:, None]
    odds_SK = np.exp(odds.candidate_nats / beta) * opened.whole[odds.candidates]
    expected = odds_SK / odds_SK.sum(axis=1, keepdims=True)

    # Four standard deviations of a share of 4,000 draws.
    np.testing.assert_allclose(counts / n, expected, atol=4 * 0.5 / np.sqrt(n))


def test_an_edit_does_not_depend_on_what_stands_beside_it(prior: str):
    together, _ = edited(prior, beta=4.0)
    texts = dict(
        zip(*(together.children[name].to_pylist() for name in ("row", "text")), strict=True)
    )

    for row, text in enumerate(TEXTS):
        alone, _ = edited(prior, [text], beta=4.0)
        assert alone.children["text"].to_pylist() == ([texts[row]] if row in texts else [])


def test_another_seed_makes_other_edits(prior: str):
    first, second = (edited(prior, beta=4.0, seed=seed)[0].children for seed in (0, 1))

    assert first["text"].to_pylist() != second["text"].to_pylist()


def test_filtering_only_deletes_what_is_unlikely(prior: str):
    made, table = edited(prior, strategy="filtering", low=0.4)
    surprising = table["text"][made.children["row"][0].as_py()].as_py()

    assert made.children.num_rows
    for row, text in zip(
        made.children["row"].to_pylist(), made.children["text"].to_pylist(), strict=True
    ):
        before = iter(table["text"][row].as_py())
        assert all(letter in before for letter in text)  # in order, nothing new
    _, odds = odds_of(prior, surprising)
    gone = (np.exp(odds.nats) < 0.4) & (np.arange(len(odds.ids)) > 1)
    assert json.loads(made.children["about"][0].as_py())["changed"] == int(gone.sum())


def test_dropping_and_revising_do_both(prior: str):
    both, _ = edited(prior, strategy="low_drop_up_revise", low=0.4, beta=4.0)
    about = [json.loads(one) for one in both.children["about"].to_pylist()]
    revised, _ = edited(prior, beta=4.0)

    assert sum(one["sites"] for one in about) > sum(
        json.loads(one)["sites"] for one in revised.children["about"].to_pylist()
    )


def test_what_no_edit_changes_is_no_child_and_stays(prior: str):
    made, table = edited(prior, threshold=1.0)

    assert made.children.num_rows == 0
    assert made.outcome["keep"].to_pylist() == [True] * table.num_rows
    assert made.outcome["reason"].null_count == table.num_rows


def test_a_document_beyond_the_context_is_kept_or_cut_only_if_told(prior: str):
    long = " ".join(TEXTS)
    windows, _ = edited(prior, [long], beta=6.0)
    kept, _ = edited(prior, [long], beta=6.0, longer="keep")
    cut, _ = edited(prior, [long], beta=6.0, longer="truncate")

    assert len(windows.children["text"][0].as_py()) > 0.9 * len(long)
    assert kept.children.num_rows == 0
    assert kept.outcome["reason"].to_pylist() == ["toedit.long"]
    assert len(cut.children["text"][0].as_py()) < 0.9 * len(long)


@pytest.mark.parametrize("text", ["", "\u00e9t\u00e9 \u65e5\u672c \U0001f600", "<s> </s>", "\x00"])
def test_odd_texts_are_edited_as_text_or_stay(prior: str, text: str):
    made, _ = edited(prior, [text], threshold=0.0001, beta=50.0)

    assert all("\ufffd" not in child for child in made.children["text"].to_pylist())


def fitted(prior: str, tmp_path: Path, **settings: Any) -> dict[str, Any]:
    class Held(Corpus):
        def tables(self, columns: Any) -> Any:
            yield documents(TEXTS).select(list(columns))

    ToEdit(model=prior, **settings).fit({"raw": Held(())}, tmp_path, Site())
    return json.loads((tmp_path / "report.json").read_text())


def test_rates_of_a_sample_are_told_before_anything_is_edited(prior: str, tmp_path: Path):
    report = fitted(prior, tmp_path, threshold=0.9, beta=4.0)
    made, _ = edited(prior, beta=4.0)
    about = [json.loads(one) for one in made.children["about"].to_pylist()]

    assert report["documents"] == len(TEXTS)
    assert report["changed"] == sum(one["changed"] for one in about)
    assert report["changed_share"] == report["changed"] / report["tokens"]
    assert report["sites"] >= report["changed"]


def test_an_edit_that_changes_next_to_nothing_is_refused(prior: str, tmp_path: Path):
    with pytest.raises(
        RecipeError, match=r"0\.000% of .* tokens change .* shows nothing of editing"
    ):
        fitted(prior, tmp_path, threshold=1.0)

    assert fitted(prior, tmp_path, threshold=1.0, least_changed=0.0)["changed"] == 0


@pytest.mark.parametrize("strategy", ["up_revise", "low_drop_up_revise", "filtering"])
def test_a_placebo_changes_as_much_at_places_by_chance(prior: str, tmp_path: Path, strategy: str):
    settings = {"threshold": 0.9, "beta": 4.0, "strategy": strategy, "low": 0.4}
    report = fitted(prior, tmp_path, **settings)
    refiner = ToEdit(model=prior, placebo=True, **settings)
    many = documents([f"{text} {n}" for n in range(20) for text in TEXTS])
    model = refiner.load(Site(fitted=tmp_path))
    edits = refiner._edits(model, many)
    plain = ToEdit(model=prior, **settings)._edits(model._replace(rates=None), many)
    share = edits.changed.sum() / edits.tokens.sum()

    assert share == pytest.approx(report["changed_share"], rel=0.2)
    assert edits.texts != plain.texts
    assert edits.deleted.sum() / edits.tokens.sum() == pytest.approx(
        report["deleted_share"], rel=0.3
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": ""}, "model is missing"),
        ({"threshold": 0.0}, "threshold=0.0; wanted above 0"),
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"low": 0.0}, "low=0.0"),
        ({"candidates": 1}, "wanted 2 or more to draw from"),
        ({"beta": 0.0}, "beta=0.0; wanted above 0"),
        ({"beta": -1.0}, "beta=-1.0"),
        ({"context": 1}, "context=1"),
        ({"documents": 0}, "documents=0"),
        ({"least_changed": 1.0}, "least_changed=1.0"),
    ],
)
def test_settings_that_edit_nothing_or_nonsense_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        ToEdit(**({"model": "m"} | settings))


@pytest.mark.gpu
def test_a_gpu_edits_as_the_cpu_does(prior: str):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    refiner = ToEdit(model=prior, threshold=0.9, beta=4.0)
    here, there = (
        refiner.refine(refiner.load(Site(device=device)), documents(TEXTS)).children
        for device in ("cpu", "cuda")
    )
    same = sum(
        one == other
        for one, other in zip(here["text"].to_pylist(), there["text"].to_pylist(), strict=True)
    )

    assert same >= 0.9 * len(TEXTS)  # odds at the threshold may fall on either side of it
