"""Every step of cleaning and deduplication together: one outcome on any engine, in any files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.ledger import Store
from curator.recipe import Recipe
from curator.shards import read_shard
from curator.testing import tiny_encoder
from pipelines.curate import Curated, curate

WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ro", "ti") for b in "abcdefghijklm"]


def sentence(rng: random.Random, n: int = 12) -> str:
    return " ".join(rng.choices(WORDS, k=n)).capitalize() + "."


def documents(n: int = 60) -> list[dict]:
    """Pages with something for each step to find."""
    rng = random.Random(5)
    passage = " ".join(sentence(rng) for _ in range(8))
    footer = "All of this stands under every page of the site and nobody reads it twice."
    made = []
    for number in range(n):
        text = "\n".join(" ".join(sentence(rng) for _ in range(4)) for _ in range(5))
        if number % 6 == 0:
            text += "\n" + passage  # repeated word for word
        if number % 5 == 0:
            text += f"\nWrite to somebody{number}@kalomi.net about it, or don't."
        if number % 7 == 0:
            text += "\nItâ€™s a cafÃ©, they said, and it was one of the better ones."
        made.append(
            {"text": f"{text}\n\n{footer}", "url": f"https://site{number % 4}.example/{number}"}
        )
    for number in range(0, n, 4):
        original = made[number]["text"]
        made.append({"text": original})  # an exact copy
        cut = original.partition("\n\n")[0].rsplit(" ", 3)[0]
        made.append({"text": cut})  # a near one, contained
    rng.shuffle(made)
    return made


def write(folder: Path, files: int) -> Path:
    folder.mkdir()
    pages = documents()
    for number in range(files):
        lines = "".join(json.dumps(page) + "\n" for page in pages[number::files])
        (folder / f"{number}.jsonl").write_text(lines)
    (folder / "blocked").write_text("site3.example\n")
    return folder


def recipe_of(folder: Path, encoder: Path) -> Recipe:
    corpus = {
        "ingest": [{"reader": "jsonl", "source": "web", "files": str(folder / "*.jsonl")}],
        "clean": {
            "encoding": "repair",
            "urls": {"lists": [str(folder / "blocked")]},
            "language": None,
            "rules": ["gopher_repetition", "fineweb"],
            "lines": {"edit": "boilerplate", "max_removed": 0.5},
            "pii": {"email": "mask"},
        },
        "dedup": {
            "exact": True,
            "paragraphs": {"unit": "paragraph", "least_words": 8},
            "minhash": {"threshold": 0.8},
            "substring": {"k": 30},
            "semantic": {"encoder": str(encoder), "eps": 0.002},
            "max_source_loss": None,
        },
    }
    return Recipe.model_validate({"name": "every", "corpus": corpus})


def run(folder: Path, store: Path, encoder: Path, engine) -> tuple[Curated, Driver]:
    driver = Driver(Store(store), engine, quiet=True)
    made = curate(recipe_of(folder, encoder), driver)
    engine.close()
    return made, driver


def kept(made: Curated) -> set[str]:
    pool = made.pool
    texts = set()
    for shard, decision in zip(pool.corpus.shards, pool.alive.shards, strict=True):
        keep = read_shard(decision, ("keep",))["keep"].to_pylist()
        text = read_shard(shard, ("text",))["text"].to_pylist()
        texts |= {one for one, stays in zip(text, keep, strict=True) if stays}
    return texts


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory, encoder):
    """The outcome of one worker on one file."""
    folder = tmp_path_factory.mktemp("alone")
    return run(write(folder / "in", 1), folder / "store", encoder, Inline(1))


def test_every_step_finds_what_was_planted_for_it(alone):
    made, driver = alone
    texts = kept(made)
    dropped = {step.artifact.name: sum(step.artifact.dropped.values()) for step in driver.steps}

    assert dropped["clean.urls"] > 0
    assert dropped["dedup.exact"] > 0
    assert dropped["dedup.minhash"] + dropped["dedup.substring"] > 0
    assert not any("@kalomi.net" in text for text in texts)
    assert any("<email>" in text for text in texts)
    assert not any("Ã" in text for text in texts)
    assert sum("nobody reads it twice" in text for text in texts) <= 1
    for step in driver.steps:
        artifact = step.artifact
        assert artifact.rows_in == artifact.rows_out + sum(artifact.dropped.values())


def test_the_texts_that_stay_do_not_depend_on_how_the_input_is_cut(alone, encoder, tmp_path):
    made, _ = run(write(tmp_path / "in", 5), tmp_path / "store", encoder, Inline(2))

    assert kept(made) == kept(alone[0])


@pytest.mark.ray
def test_ray_writes_the_same_bytes(encoder, tmp_path, ray_session):
    from curator.engine.on_ray import OnRay

    folder = write(tmp_path / "in", 3)
    _, inline = run(folder, tmp_path / "inline", encoder, Inline(1))
    _, on_ray = run(folder, tmp_path / "ray", encoder, OnRay(2))

    mine = {a.name: (a.id, a.digest) for _, a in inline.store.artifacts()}
    assert mine == {a.name: (a.id, a.digest) for _, a in on_ray.store.artifacts()}
    assert len(mine) > 20
