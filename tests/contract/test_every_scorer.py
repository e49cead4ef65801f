"""Every installed scorer keeps the contract that makes it safe to shard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curator.errors import PluginError
from curator.registry import make_scorer, scorer_names
from curator.testing import check_scorer, example_texts, tiny_encoder, tiny_language_model
from tests.support.compared_runs import runs
from tests.support.judges import short_prompt
from tests.support.trained import trained_run


def tiny_models(folder: Path, count: int) -> list[str]:
    return [str(tiny_language_model(folder / f"model-{n}", seed=n)) for n in range(count)]


def small_run(folder: Path) -> str:
    return str(trained_run(example_texts("raw"), folder / "run"))


# Settings that make a scorer small enough for a test; a scorer that needs none is not listed.
SMALL: dict[str, Callable[[Path], dict[str, Any]]] = {
    "classifier": lambda _: {"dimensions": 8, "buckets": 1000},
    "buckets": lambda _: {"of": "quality", "buckets": 3},
    "distill": lambda _: {
        "of": "labels",
        "positives": 0.5,
        "dimensions": 8,
        "buckets": 1000,
        "least_positives": 1,
        "least_auc": 0.0,
    },
    "judge": lambda folder: {
        "model": str(tiny_language_model(folder / "model")),
        "prompt": short_prompt(folder),
        "max_characters": 12,
        "least_mass": 0.0,
    },
    "pairs": lambda folder: {
        "model": str(tiny_language_model(folder / "model")),
        "prompt": short_prompt(folder, "pair"),
        "max_characters": 8,
        "rounds": 1,
        "least_mass": 0.0,
        "confidence": 0.0,
    },
    "add_one_in": lambda folder: {
        "model": str(tiny_language_model(folder / "model", context=256)),
        "prompt": short_prompt(folder, "choice"),
        "max_characters": 8,
        "least_mass": 0.0,
        "take": 8,
        "parts": 2,
        "seeds": 2,
        "context": 2,
        "options": 3,
    },
    "era": lambda _: {
        "bins": {"early": [1800, 1899]},
        "dates": "authorship",
        "missing": "null",
        "least_documents": 0,
    },
    "ngram_perplexity": lambda _: {
        "least_reference_words": 100,
        "least_documents": 5,
        "min_characters": 1,
    },
    "perplexity": lambda folder: {
        "model": str(tiny_language_model(folder)),
        "context": 64,
        "stride": 32,
    },
    "losses": lambda folder: {"models": tiny_models(folder, 2), "documents": 20, "context": 64},
    "concordance": lambda folder: {
        "models": tiny_models(folder, 4),
        "context": 64,
        "least_enrichment": 0.0,
    },
    "correlation": lambda folder: {"models": tiny_models(folder, 8), "context": 64, "rate": 0.3},
    "metadata": lambda folder: {
        "model": str(tiny_language_model(folder / "model", context=1024)),
        "chat": False,
        "choices": ["en", "de"],
        "columns": [],
        "opening": 8,
        "batch": 2,
        "documents": 4,
        "audit": 0,
    },
    "coverage_gap": lambda folder: {"encoder": str(tiny_encoder(folder)), "dimensions": 2},
    "similarity": lambda folder: {"encoder": str(tiny_encoder(folder))},
    "best_rank": lambda folder: {"encoder": str(tiny_encoder(folder)), "share": 1.0},
    "novelty": lambda folder: {"encoder": str(tiny_encoder(folder))},
    "submodular": lambda folder: {"encoder": str(tiny_encoder(folder))},
    "prototypes": lambda folder: {"encoder": str(tiny_encoder(folder)), "of": "novelty"},
    "diffusion": lambda folder: {
        "encoder": str(tiny_encoder(folder)),
        "clusters": 3,
        "neighbors": 3,
    },
    "divergence": lambda folder: {"models": tiny_models(folder, 2), "context": 64},
    "ideal": lambda folder: {
        "encoder": str(tiny_encoder(folder)),
        "documents": 5,
        "neighbors": 3,
        "sets": 1000,
    },
    "influence": lambda folder: {
        "model": small_run(folder),
        "documents": None,
        "audit": 4,
        "least_documents": 2,
        "least_reliability": -1.0,
    },
    "less": lambda folder: {"models": [small_run(folder)], "dimensions": 64},
    "trak": lambda folder: {"models": [small_run(folder)], "dimensions": 16},
    "clusters": lambda folder: {"encoder": str(tiny_encoder(folder))},
    "optidel_text": lambda folder: {"models": list(runs(folder))},
    "sensitivity": lambda folder: {
        "features": "vectors",
        "encoder": str(tiny_encoder(folder)),
        "ridge": 1e-3,
    },
    "lasso_relevance": lambda folder: {
        "features": "vectors",
        "encoder": str(tiny_encoder(folder)),
        "least_targets": 1,
        "folds": 2,
    },
    "tarot": lambda folder: {
        "features": "vectors",
        "encoder": str(tiny_encoder(folder)),
        "share": 0.5,
    },
    "got_d": lambda folder: {
        "encoder": str(tiny_encoder(folder)),
        "least_targets": 10,
        "iterate": True,
        "chunks": 2,
    },
    "novel_best": lambda folder: {"encoder": str(tiny_encoder(folder)), "of": ["letters"]},
}


# Columns of earlier scores that number something.
WHOLE = {"paser": ("diffusion",)}


@pytest.mark.parametrize("name", scorer_names())
def test_every_installed_scorer_keeps_the_contract(name: str, tmp_path: Path):
    settings = SMALL.get(name, lambda _: {})(tmp_path)
    scores = check_scorer(make_scorer({"use": name, **settings}), whole=WHOLE.get(name, ()))

    assert scores.num_rows > 20


def test_the_built_in_scorers_are_installed():
    built_in = {"letters", "classifier", "ngrams", "perplexity", "similarity"}

    assert built_in <= set(scorer_names())


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("Counting", "changing the order of rows changed|cutting the table"),
        ("Averaging", "cutting the table at row 1 changed"),
        ("Remembering", "scoring again changed"),
        ("Dropping", "return one row a document"),
        ("Unitless", "does not say its unit"),
        ("Growing", "identity changed by pickling"),
        ("NotANumber", "NaN"),
    ],
)
def test_a_breach_is_named(fault: str, message: str):
    with pytest.raises(PluginError, match=message):
        check_scorer(make_scorer({"use": f"tests.support.faulty_scorers:{fault}"}))
