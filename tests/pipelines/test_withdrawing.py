"""Opting out: of runs to come by a list, of a store by a command, and nothing but what is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curator.errors import LedgerError, RecipeError
from curator.ledger import Store
from curator.shards import read_shard
from pipelines import withdrawing
from pipelines.looking import lineage_of, open_view, statistics_of, verification_of
from pipelines.tidying import collect_garbage
from pipelines.withdrawing import opt_out_of_store, verify_receipt
from tests.support.withdrawn import plain_run, prose, write_documents

JANE = "https://example.org/jane/post"
COPY = "https://mirror.net/reposted"
ECHO = [{"use": "tests.support.refiners:Echo", "times": 1}]


def texts() -> dict[str, str]:
    mine = prose(1) + " write to jane@harborledger.com soon"
    found = {JANE: mine, COPY: f"{mine} ever"}
    return found | {f"https://other.net/{n}": prose(n) for n in range(10, 30)}


@pytest.fixture
def place(tmp_path):
    write_documents(tmp_path / "in", texts())
    (tmp_path / "list").write_text("url https://example.org/jane/\n")
    (tmp_path / "key").write_bytes(bytes(range(40)))
    return tmp_path


def alive(run: Path) -> list[str]:
    view = open_view(str(run), run)
    tables = [t.filter(t["keep"]) if "keep" in t.column_names else t for t in view.tables()]
    return pa.concat_tables([t.select(["url"]) for t in tables])["url"].to_pylist()


def stored(store: Path) -> str:
    """Everything in a store that is text of a document."""
    found = []
    for path in sorted(store.rglob("*.arrow")):
        table = read_shard(path)
        if "text" in table.column_names:
            found += table["text"].to_pylist()
    return "\n".join(found)


def test_a_run_with_a_list_has_neither_the_document_nor_its_near_copy(place):
    corpus = {"optout": str(place / "list")}
    run = plain_run(place / "in", place / "store", place / "run", corpus=corpus)

    assert sorted(alive(run)) == sorted(set(texts()) - {JANE, COPY})
    stages = {
        stage["name"]: stage for stage in json.loads((run / "run.json").read_text())["stages"]
    }
    assert stages["optout"]["dropped"] == {"optout": 2}


def test_a_list_may_name_what_cleaning_left(place):
    before = plain_run(place / "in", place / "store", place / "before")
    view = open_view(str(before), before)
    masked = [t.filter(pc.equal(t["url"], JANE)) for t in view.tables(("doc_id", "url", "text"))]
    cleaned = pa.concat_tables(masked)
    assert "<email>" in cleaned["text"][0].as_py()
    (place / "list").write_text(f"id {cleaned['doc_id'][0].as_py().hex()}\n")
    corpus = {"optout": str(place / "list")}
    run = plain_run(place / "in", place / "store", place / "run", corpus=corpus)

    assert sorted(alive(run)) == sorted(set(texts()) - {JANE, COPY})


def test_a_broken_list_stops_a_run_before_it_begins(place):
    (place / "list").write_text("url https://example.org/jane/\nremove me\n")
    with pytest.raises(RecipeError, match=r"corpus.optout: line 2"):
        plain_run(place / "in", place / "store", place / "run",
                  corpus={"optout": str(place / "list")})  # fmt: skip

    assert not (place / "run").exists()


def withdraw(place: Path, *, delete=True) -> dict:
    found = opt_out_of_store(
        place / "list",
        place / "store",
        out=place / "receipt.json",
        key=place / "key",
        delete=delete,
    )
    return found.summary


def test_without_delete_it_only_looks(place):
    run = plain_run(place / "in", place / "store", place / "run")
    account = withdraw(place, delete=False)

    assert {row["why"] for row in account["documents"]} == {"url", "near"}
    assert account["runs"] == [str(run)]
    assert not (place / "receipt.json").exists()
    assert verification_of(str(run), place / "store").summary["faults"] == []


def test_what_is_meant_goes_with_all_that_came_of_it_and_nothing_else(place):
    store = place / "store"
    arms = {"random": {"select": {"method": "random", "share": 1.0}, "refine": ECHO}}
    run = plain_run(place / "in", store, place / "run", arms=arms)
    assert "jane@harborledger.com" in stored(store)
    receipt = withdraw(place)

    left = stored(store)
    assert prose(1)[:80] not in left
    assert "jane@" not in left
    assert all(text in left for url, text in texts().items() if url not in (JANE, COPY))
    assert sum(receipt["removed"]["rows"].values()) == 2
    whys = [row["why"] for row in receipt["documents"]]
    assert {"url", "near", "derived"} <= set(whys)
    assert receipt["left"] == 0
    assert not (run / "report.html").exists()
    assert (run / "withdrawn.json").exists()
    assert prose(1)[:40] not in json.dumps(receipt)


def test_the_record_of_a_withdrawn_run_quotes_nothing_and_is_read_no_more(place):
    arms = {"random": {"select": {"method": "random", "share": 1.0}, "refine": ECHO}}
    run = plain_run(place / "in", place / "store", place / "run", arms=arms)

    def quoted() -> list:
        told = json.loads((run / "run.json").read_text())["arms"]["random"]["refined"]
        return [example for step in told["steps"] for example in step["examples"]]

    assert quoted()
    withdraw(place)
    assert not quoted()
    for command in (verification_of, statistics_of, lineage_of):
        args = (None,) if command is statistics_of else ()
        with pytest.raises(LedgerError, match=r"is withdrawn: documents .* run its recipe again"):
            command(str(run), place / "store", *args)


def test_a_withdrawn_run_keeps_nothing_from_being_freed(place):
    write_documents(place / "other", {f"https://else.net/{n}": prose(n) for n in range(40, 60)})
    kept = plain_run(place / "other", place / "store", place / "runs" / "kept")
    plain_run(place / "in", place / "store", place / "runs" / "gone")
    withdraw(place)
    freed = collect_garbage([place / "runs"], place / "store", delete=True).summary

    assert freed["runs_kept"] == [str(kept)]
    assert freed["files"] > 0
    assert prose(10)[:80] not in stored(place / "store")
    assert verification_of(str(kept), place / "store").summary["faults"] == []


def test_a_run_made_afterwards_from_the_store_alone_lacks_it(place):
    plain_run(place / "in", place / "store", place / "run")
    withdraw(place)
    assert (place / "run" / "withdrawn.json").exists()
    run = plain_run(place / "in", place / "store", place / "run")

    assert not (run / "withdrawn.json").exists()
    assert sorted(alive(run)) == sorted(set(texts()) - {JANE, COPY})
    assert verification_of(str(run), place / "store").summary["faults"] == []


def test_runs_that_never_held_it_stay_whole(place):
    write_documents(place / "other", {f"https://else.net/{n}": prose(n) for n in range(40, 60)})
    other = plain_run(place / "other", place / "store", place / "kept")
    plain_run(place / "in", place / "store", place / "run")
    receipt = withdraw(place)

    assert verification_of(str(other), place / "store").summary["faults"] == []
    assert receipt["runs"] == [str(place / "run")]
    assert (other / "report.html").exists()


def test_models_that_were_trained_on_it_are_withdrawn(place):
    train = {"proxy": "demo", "tokens": 4096, "seeds": [1]}
    arms = {"random": {"select": {"method": "random", "share": 1.0}}}
    plain_run(place / "in", place / "store", place / "run", train=train, arms=arms)
    receipt = withdraw(place)

    gone = {row["folder"].partition("-")[0]: row["why"] for row in receipt["folders"]}
    assert gone["mixture.random"] == "mentions"
    assert gone["proxy"] in ("learned from", "made from")
    assert gone["tokenizer"] == "learned from"
    assert not list((place / "store" / "folders").glob("proxy-*"))


def test_a_receipt_is_verified_and_a_store_that_has_it_again_is_told(place):
    plain_run(place / "in", place / "store", place / "run")
    withdraw(place)
    told = verify_receipt(place / "receipt.json", place / "store", place / "key").summary
    assert told["in_store"] == 0

    again = place / "fresh"
    plain_run(place / "in", again, place / "again")
    with pytest.raises(LedgerError, match=r"are in .* again"):
        verify_receipt(place / "receipt.json", again, place / "key")


def test_a_text_file_takes_its_copies_out(place):
    plain_run(place / "in", place / "store", place / "run")
    (place / "mine.txt").write_text(texts()[JANE])
    (place / "list").write_text("text mine.txt\n")
    receipt = withdraw(place)

    assert {row.get("url") for row in receipt["documents"]} - {None} == {JANE, COPY}


def test_nothing_is_done_without_a_key_or_with_a_broken_list(place):
    plain_run(place / "in", place / "store", place / "run")
    before = stored(place / "store")
    with pytest.raises(RecipeError, match="signed receipt"):
        opt_out_of_store(place / "list", place / "store", out=None, key=None, delete=True)
    (place / "key").write_bytes(b"short")
    with pytest.raises(RecipeError, match="wanted 32"):
        withdraw(place)
    (place / "list").write_text("url https://example.org/jane/\nand me\n")
    with pytest.raises(RecipeError, match="Nothing of the list was done"):
        withdraw(place)

    assert stored(place / "store") == before
    assert verification_of(str(place / "run"), place / "store").summary["faults"] == []


def test_a_run_that_cannot_be_read_stops_it(place):
    run = plain_run(place / "in", place / "store", place / "run")
    (run / "run.json").write_text("{}")
    with pytest.raises(LedgerError, match="does not say what it stands on"):
        withdraw(place)

    assert Store(place / "store").artifact("ingest").dropped == {}


def test_a_store_that_holds_none_of_it_gives_a_receipt_of_nothing(place):
    plain_run(place / "in", place / "store", place / "run")
    (place / "list").write_text("domain nowhere.org\n")
    receipt = withdraw(place)

    assert receipt["documents"] == []
    assert receipt["removed"]["rows"] == {}
    assert verification_of(str(place / "run"), place / "store").summary["faults"] == []


def test_what_a_killed_run_left_is_found_and_goes(place):
    store = place / "store"
    plain_run(place / "in", store, place / "run")
    for record in (store / "artifacts").glob("*.json"):  # as if nothing had been published yet
        record.unlink()
    (store / "runs.json").unlink()
    assert prose(1)[:80] in stored(store)
    receipt = withdraw(place)

    assert prose(1)[:80] not in stored(store)
    assert {row.get("url") for row in receipt["documents"]} - {None} == {JANE, COPY}
    assert receipt["removed"]["unfinished"] > 0
    run = plain_run(place / "in", store, place / "run")
    assert verification_of(str(run), store).summary["faults"] == []


@pytest.mark.parametrize(
    "where", ["remove_folders", "drop_answers", "remove_shards", "forget", "redact", "signed"]
)
def test_a_removal_that_was_killed_is_finished_by_the_next(place, monkeypatch, where):
    train = {"proxy": "demo", "tokens": 4096, "seeds": [1]}
    plain_run(place / "in", place / "store", place / "run", train=train)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if where != "signed":
            patched.setattr(withdrawing, where, killed)
        else:
            patched.setattr(withdrawing, "_left", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw(place)
    withdraw(place)

    assert prose(1)[:80] not in stored(place / "store")
    assert not list((place / "store" / "folders").glob("tokenizer-*"))
    run = plain_run(place / "in", place / "store", place / "run")
    assert verification_of(str(run), place / "store").summary["faults"] == []


def test_a_removal_killed_between_a_shard_and_its_record_is_finished_by_the_next(
    place, monkeypatch
):
    plain_run(place / "in", place / "store", place / "run")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw(place)
    withdraw(place)
    run = plain_run(place / "in", place / "store", place / "run")

    assert sorted(alive(run)) == sorted(set(texts()) - {JANE, COPY})
    assert verification_of(str(run), place / "store").summary["faults"] == []


def test_a_receipt_that_cannot_be_written_or_would_replace_one_stops_it(place):
    plain_run(place / "in", place / "store", place / "run")
    before = stored(place / "store")
    (place / "receipt.json").write_text("an earlier one")
    with pytest.raises(RecipeError, match="nothing was done"):
        withdraw(place)
    with pytest.raises(RecipeError, match="nothing was done"):
        opt_out_of_store(
            place / "list", place / "store", out=place / "no" / "receipt", key=place / "key",
            delete=True,
        )  # fmt: skip

    assert stored(place / "store") == before
    assert (place / "receipt.json").read_text() == "an earlier one"


def test_a_folder_that_is_a_link_is_not_followed(place):
    plain_run(place / "in", place / "store", place / "run")
    folder = next((place / "store" / "folders").glob("selection*"))
    folder.rename(place / "elsewhere")
    folder.symlink_to(place / "elsewhere")
    with pytest.raises(LedgerError, match="is a link to"):
        withdraw(place)

    assert any((place / "elsewhere").iterdir())


def test_a_store_that_is_not_there_is_not_said_to_lack_anything(place):
    plain_run(place / "in", place / "store", place / "run")
    withdraw(place)
    found = verify_receipt(place / "receipt.json", place / "stroe", place / "key")

    assert found.summary["in_store"] is None
    assert "nothing was looked for" in str(found.shown)
