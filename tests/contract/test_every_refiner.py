"""Every installed refiner keeps the contract that makes it safe to run block by block."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curator.errors import PluginError
from curator.generate.asking import Request
from curator.generate.client import Client
from curator.refine.finding import REFINERS, make_refiner
from curator.refine.middo import AXES
from curator.refine.testing import check_refiner
from curator.refine.writing import Writing
from curator.testing import awkward_documents, corpus, example_texts, tiny_language_model
from tests.support.refiners import Broken, Echo, Shout
from tests.support.trained import trained_run
from tests.support.writers import Scripted


def writer(folder: Path) -> dict[str, Any]:
    return {"model": "smollm2-135m-instruct"}


def programs(folder: Path) -> dict[str, Any]:
    line = {"doc_id": "0" * 32, "chunks": [[0, 1, "keep_chunk()"]]}
    (folder / "programs.jsonl").write_text(json.dumps(line) + "\n")
    return {"programs": str(folder / "programs.jsonl")}


# Settings without which a refiner cannot be made, or is too slow for a test.
SMALL: dict[str, Callable[[Path], dict[str, Any]]] = {
    **dict.fromkeys(("cosmopedia", "instruct", "middo", "prox_model", "wrap"), writer),
    "markers": lambda _: {"length_edges": [100, 1000]},
    "nemotron_cc": lambda folder: {**writer(folder), "tasks": ["diverse_qa"]},
    "prox_replay": programs,
    "sample": lambda folder: {"models": [small_run(folder)], "max_tokens": 8},
    "tinyhelen": lambda folder: {**writer(folder), "most_words": 100},
    "toedit": lambda folder: {
        "model": str(tiny_language_model(folder / "model")),
        "threshold": 0.001,
        "documents": 4,
    },
}

# Middo's diagnoses are flags, not scores of any value.
FLAGS = [float(row % 3 == 0) for row in range(awkward_documents().num_rows)]


def small_run(folder: Path) -> str:
    return str(trained_run(example_texts("raw"), folder / "run"))


def scripted(request: Request) -> str:
    """Answer as a model might that was asked for any of the forms."""
    words = " ".join(request.prompt.split()[-40:])
    return f"EDITED: It is so. {words} <end>\n<QUE> What? <ANS> {words} </END>\nkeep_chunk()"


@pytest.mark.parametrize("name", REFINERS.names())
def test_every_installed_refiner_keeps_the_contract(name, tmp_path, monkeypatch):
    settings = SMALL.get(name, lambda _: {})(tmp_path)
    monkeypatch.setattr(Writing, "load", lambda *_: Client(Scripted(scripted)))

    refiner = make_refiner({"use": name, **settings})
    lines = ["\n".join(example_texts("raw", 40)[at:]) for at in range(30)]
    corpora = {role: corpus(tmp_path / role, lines) for role in refiner.learns_from}

    columns = dict.fromkeys(AXES, FLAGS) if name in {"drop_flagged", "middo"} else None
    check_refiner(refiner, corpora=corpora, columns=columns)


@pytest.mark.parametrize("refiner", [Shout(), Echo(times=1)])
def test_refiners_of_the_tests_keep_it_too(refiner):
    assert check_refiner(refiner).children.num_rows


@pytest.mark.parametrize("how", ["outcomes", "row", "twice", "unsaid"])
def test_breaches_are_found(how):
    with pytest.raises(PluginError, match="refiner broken"):
        check_refiner(Broken(how))
