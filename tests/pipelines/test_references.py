"""A new corpus is compared with what finished runs kept."""

from __future__ import annotations

import json
import shutil

import pytest

from curator.engine.run import Inline
from curator.errors import RecipeError
from curator.ledger import Store
from curator.shards import read_shard
from pipelines.check import checked
from pipelines.copying import copies_of
from pipelines.explaining import explain_document
from pipelines.looking import open_view, verification_of
from pipelines.references import open_references
from pipelines.running import execute
from pipelines.tidying import collect_garbage

DEDUP = {"exact": True, "minhash": {"threshold": 0.8}}
MORE = " and fifteen more words at the end that the old page did not have: a b c"


def words(seed: int, n: int = 120) -> str:
    return " ".join(f"w{(seed * 7919 + i * i * 31 + i) % 5000}" for i in range(n))


def write(folder, texts: list[str]):
    folder.mkdir()
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "a.jsonl").write_text(lines)
    return folder / "a.jsonl"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """An old crawl, and a new one compared with it."""
    folder = tmp_path_factory.mktemp("crawls")
    old = [words(n) for n in range(12)]
    near = old[3].replace("w", "w", 1).rsplit(" ", 2)[0]  # two words shorter: contained in old[3]
    longer = old[4] + MORE
    new = [words(n) for n in range(50, 58)] + [old[2], old[2].upper(), near, longer]
    first = run(folder, write(folder / "a", old), "old")
    second = run(folder, write(folder / "b", new), "new", against=[str(first)])
    return folder, first, second


def run(folder, files, name: str, **dedup):
    return run_corpus(folder, files, name, {"dedup": {**DEDUP, **dedup}})


def run_corpus(folder, files, name: str, corpus):
    reader = {"reader": "jsonl", "source": "web", "files": str(files)}
    content = {"name": name, "corpus": {"ingest": [reader], **corpus}}
    store = Store(folder / "store")
    execute(checked(content, "trial"), store, Inline(1), folder / name, quiet=True)
    return folder / name


def kept_texts(made, folder) -> list[str]:
    view = open_view(str(made), folder)
    texts = []
    for document, decision in zip(view.corpus.shards, view.decisions[-1].shards, strict=True):
        keep = read_shard(decision)["keep"].to_pylist()
        texts += [
            t for t, k in zip(read_shard(document)["text"].to_pylist(), keep, strict=True) if k
        ]
    return texts


def test_copies_of_what_an_earlier_run_kept_go_and_new_documents_stay(runs):
    folder, _, second = runs

    kept = kept_texts(second, folder)

    fresh = {words(n) for n in range(50, 58)}
    assert fresh <= set(kept)
    # The longer version is not contained in the old one, so it stays.
    assert [text for text in kept if text not in fresh] == [words(4) + MORE]


def test_a_removal_names_the_old_document(runs):
    folder, first, second = runs
    view, old = open_view(str(second), folder), open_view(str(first), folder)
    ids = {i for shard in old.corpus.shards for i in read_shard(shard)["doc_id"].to_pylist()}

    named = [
        i
        for decision in view.decisions
        if decision.name.startswith("dedup.")
        for shard in decision.shards
        for i in read_shard(shard)["kept_id"].to_pylist()
        if i is not None
    ]

    assert len(named) == 3
    assert set(named) <= ids
    dropped = next(
        row["doc_id"].hex()
        for document, decision in zip(view.corpus.shards, view.decisions[0].shards, strict=True)
        for row, said in zip(
            read_shard(document).to_pylist(), read_shard(decision).to_pylist(), strict=True
        )
        if said["kept_id"] is not None
    )
    assert explain_document(dropped, second).summary["copies"]["kept_id"] in {i.hex() for i in ids}


def test_a_third_crawl_reads_nothing_of_the_first_for_candidates_again(runs):
    folder, first, _ = runs
    emitted = folder / "store" / "shards" / "dedup.minhash.bands.emit"
    before = {path.name for path in emitted.rglob("*.json")}

    third = write(folder / "c", [words(n) for n in range(90, 99)])
    run(folder, third, "third", against=[str(first)])

    assert len({path.name for path in emitted.rglob("*.json")} - before) == 1  # the new shard's


def test_a_copy_of_what_one_of_two_earlier_runs_kept_goes_whatever_the_other_kept(tmp_path):
    page = [f"x{n}" for n in range(206)]
    may, june = " ".join(page), " ".join([*page[3:], "q1"])
    new = " ".join([*page[12:], "q1", "q2"])  # 0.950 like June's, 0.931 like May's
    settings = {"exact": False, "minhash": {"threshold": 0.94, "containment": 0.9}}
    old = [
        run(tmp_path, write(tmp_path / name[0], [text]), name, **settings)
        for name, text in (("may", may), ("june", june))
    ]

    fresh = write(tmp_path / "n", [new, words(1)])
    settings |= {"against": [str(path) for path in old], "max_source_loss": None}

    assert kept_texts(run(tmp_path, fresh, "new", **settings), tmp_path) == [words(1)]


@pytest.mark.parametrize("step", ["exact", "minhash"])
def test_a_copy_of_what_an_earlier_run_kept_in_part_goes(tmp_path, step):
    menu = "the same long line of links at the top of each page of the site, word for word"
    files = write(tmp_path / "a", [f"{menu}\n{words(n)}" for n in range(4)])
    settings = {"exact": step == "exact", "paragraphs": {}, "max_source_loss": None}
    settings |= {"minhash": None} if step == "exact" else {}
    old = run(tmp_path, files, "old", **settings)
    assert sum(menu in text for text in kept_texts(old, tmp_path)) == 1

    again = run(tmp_path, files, "again", **settings, against=[str(old)])

    assert kept_texts(again, tmp_path) == []


@pytest.mark.parametrize("dedup", [{}, {"dedup": {}}])
def test_what_an_earlier_run_held_out_is_not_wanted_back(tmp_path, dedup):
    files = write(tmp_path / "a", [words(n) for n in range(30)])
    old = run_corpus(tmp_path, files, "old", {"heldout": {"web": {"share": 0.3}}, **dedup})
    assert len(kept_texts(old, tmp_path)) < 30

    again = run(tmp_path, files, "again", against=[str(old)], max_source_loss=None)

    assert kept_texts(again, tmp_path) == []


def test_a_run_is_not_compared_with_itself(tmp_path):
    files = write(tmp_path / "a", [words(1)])
    old = run(tmp_path, files, "old")

    with pytest.raises(RecipeError, match=r"against.*old' is the folder that this run is written"):
        run(tmp_path, files, "old", against=[str(old)])


def test_a_run_whose_store_is_gone_is_named(tmp_path):
    old = run(tmp_path, write(tmp_path / "a", [words(1)]), "old")
    shutil.rmtree(tmp_path / "store")

    with pytest.raises(RecipeError, match=r"against.*old' kept is not in its store any more"):
        run(tmp_path, write(tmp_path / "b", [words(2)]), "new", against=[str(old)])


def test_a_path_that_is_no_run_is_told_with_the_other_mistakes(tmp_path):
    content = {"name": "x", "corpus": {"dedup": {"against": [str(tmp_path)]}}}

    with pytest.raises(RecipeError, match=r"holds no run\.json"):
        checked(content, "recipe")


def test_what_an_earlier_run_kept_stays_while_a_run_that_was_compared_with_it_does(tmp_path):
    first = run(tmp_path, write(tmp_path / "a", [words(n) for n in range(4)]), "old")
    fresh = write(tmp_path / "b", [words(1), words(9)])
    settings = {"against": [str(first)], "max_source_loss": None}
    second = run(tmp_path, fresh, "new", **settings)

    collect_garbage([], tmp_path / "store", delete=True, forgotten=[first])

    assert verification_of(str(second), tmp_path).summary["faults"] == []
    assert kept_texts(run(tmp_path, fresh, "new", **settings), tmp_path) == [words(9)]


def test_an_earlier_run_of_which_something_was_freed_is_told_with_what_to_do(tmp_path):
    first = run(tmp_path, write(tmp_path / "a", [words(1)]), "old")
    for record in (tmp_path / "store" / "artifacts").glob("dedup.*"):
        record.unlink()

    with pytest.raises(RecipeError, match="run its recipe again") as caught:
        open_references([str(first)])

    assert caught.value.where == "corpus.dedup.against"


def test_where_no_document_was_left_to_compare_that_is_told(tmp_path):
    store = Store(tmp_path / "store")
    reader = {"reader": "jsonl", "source": "web", "files": str(write(tmp_path / "a", [words(1)]))}
    clean = {"language": None, "rules": [{"ccnet": {"min_length": 10**6}}]}
    content = {"name": "dead", "corpus": {"ingest": [reader], "clean": clean, "dedup": {}}}
    execute(checked(content, "trial"), store, Inline(1), tmp_path / "dead", quiet=True)

    with pytest.raises(RecipeError, match=r"no document of .* was left"):
        copies_of(str(tmp_path / "dead"), tmp_path)
