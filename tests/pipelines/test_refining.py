"""Arms whose selections are refined: nothing lost, parents named, equal bytes, shares kept."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.trial import made_up, recipe, write_files
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import BudgetError, CuratorError, PluginError, RecipeError
from curator.identity import derived_ids
from curator.ledger import Store
from curator.refine.refiner import refined
from curator.shards import read_shard
from pipelines import refining
from pipelines.check import checked
from pipelines.curate import curate
from pipelines.explaining import explain_document
from pipelines.handing import export
from pipelines.running import read_run, run_recipe
from tests.support.refiners import Broken, Shout
from tests.support.terminal import on_terminal
from tests.support.withdrawn import prose

HERE = "tests.support.refiners"
ALL = {"select": {"method": "random", "share": 1.0}}
SHOUT = {"use": f"{HERE}:Shout"}
ECHO = {"use": f"{HERE}:Echo"}


def content(files, refine, **changes):
    """Return a recipe with one refined arm beside a plain one."""
    made = recipe(files)
    made["corpus"]["roles"] = {"target": "exam/train"}
    return {
        **made,
        "score": [{"use": "letters", "as": "letters"}],
        "arms": {"random": ALL, "main": {**ALL, "refine": refine}},
        "baseline": "random",
        "train": None,
        "evaluate": None,
        **changes,
    }


@pytest.fixture
def files(tmp_path):
    return write_files(made_up(80), tmp_path / "in", 3)


@pytest.fixture
def run(tmp_path, files):
    def run(refine, *, store="store", workers=1, folder=None, **changes):
        driver = Driver(Store(tmp_path / store), Inline(workers), quiet=True)
        made = checked(content(folder or files, refine, **changes), "recipe")
        return curate(made, driver)

    return run


def documents(arm):
    """Return all documents of a refined arm."""
    return pa.concat_tables([read_shard(shard) for shard in arm.refined.shards])


def originals(made):
    return {
        one["doc_id"]: one
        for table in made.pool.learning().tables(("doc_id", "source", "text"))
        for one in table.to_pylist()
    }


def test_an_edit_stands_in_place_of_its_original_and_names_it(run):
    made = run([{**SHOUT, "share": None}])

    before, table = originals(made), documents(made.arms["main"])
    assert table.num_rows == len(before)
    parents = table["parent_id"]
    assert parents.null_count == 0
    assert table["kind"].unique().to_pylist() == ["edited"]
    for one in table.to_pylist():
        parent = before[one["parent_id"]]
        assert (one["text"], one["source"]) == (parent["text"].upper(), parent["source"])
        assert one["parents"] == [one["parent_id"]]
    ids = derived_ids(parents.combine_chunks(), table["operation"][0].as_py(), table["text"])
    assert ids.to_pylist() == table["doc_id"].to_pylist()


def test_what_is_not_changed_stays_as_it_was(run):
    made = run([{**SHOUT, "as": "some", "use": f"{HERE}:Half"}])

    before, table = originals(made), documents(made.arms["main"])
    kept = table.filter(pc.equal(table["kind"], "original"))
    assert 0 < kept.num_rows < table.num_rows
    assert all(before[one["doc_id"]]["text"] == one["text"] for one in kept.to_pylist())


def test_documents_beside_the_originals_are_a_source_of_their_own(run):
    made = run([{**ECHO, "times": 2}])

    table = documents(made.arms["main"])
    new = table.filter(pc.equal(table["kind"], "synthetic"))
    assert new.num_rows == 2 * len(originals(made))
    assert {one.rpartition(".")[2] for one in new["source"].to_pylist()} == {"echo"}
    assert json.loads(new["about"][0].as_py()).keys() == {"number"}
    several = [one for one in new.to_pylist() if len(one["parents"]) == 2]
    assert several
    assert all(one["parents"][0] == one["parent_id"] for one in several)
    account = made.arms["main"].refined.account
    assert account["documents"] == table.num_rows
    assert sum(account["kinds"].values()) == account["tokens"]


def test_what_replaces_and_cannot_be_made_is_dropped_by_its_reason(run):
    made = run([{**ECHO, "beside": False, "refuses": "bad"}])

    step = next(s for s in made.steps if s.artifact.name == "refine.echo").artifact
    refused = sum("bad" in one["text"] for one in originals(made).values())
    assert refused > 0
    assert step.dropped == {"echo.refused": refused}
    assert step.rows_in == len(originals(made)) == step.rows_out + refused


def test_a_share_is_a_share_of_the_tokens_whatever_there_is_of_it(run):
    made = run([{**ECHO, "times": 1, "share": 0.25}])

    sources = made.arms["main"].account["sources"]
    new = sum(each["tokens"] for name, each in sources.items() if name.endswith(".echo"))
    assert new / sum(each["tokens"] for each in sources.values()) == pytest.approx(0.25, abs=0.02)


def test_new_documents_that_say_the_same_are_counted_and_stay(run):
    account = run([{"use": f"{HERE}:Leak", "said": "So be it."}]).arms["main"].refined.account
    assert account["alike"] == 0  # each begins with its row

    account = run([{"use": f"{HERE}:Same"}]).arms["main"].refined.account
    made = account["steps"][0]["children"]
    assert account["alike"] == made - 1 > 0
    assert account["documents"] == account["steps"][0]["documents_in"] + made


def test_a_key_of_an_entry_that_is_null_means_what_it_means_left_out(run):
    told = run([{**ECHO, "times": 1, "share": 0.25, "beside": None, "max_epochs": None}])
    left_out = run([{**ECHO, "times": 1, "share": 0.25}])

    assert told.arms["main"].account == left_out.arms["main"].account


def test_an_arm_of_which_nothing_is_left_is_refused_with_the_reasons(run):
    with pytest.raises(
        BudgetError, match=r"arms\.main\.refine: .* left of \d+ \(echo\.refused \d+\)"
    ):
        run([{**ECHO, "beside": False, "refuses": " "}])


def test_a_share_that_would_repeat_what_was_written_is_refused(run):
    with pytest.raises(BudgetError, match="echo"):
        run([{**ECHO, "times": 1, "share": 0.5}], train={"proxy": "d1", "tokens": 40_000})


def test_entries_follow_each_other_and_synthetic_text_stays_synthetic(run):
    made = run([{**ECHO, "times": 1}, SHOUT])

    table = documents(made.arms["main"])
    kinds = dict(zip(*np.unique(table["kind"].to_pylist(), return_counts=True), strict=True))
    assert kinds == {"edited": len(originals(made)), "synthetic": len(originals(made))}
    assert all(text == text.upper() for text in table["text"].to_pylist())


def test_a_refiner_reads_scores_and_what_it_learned(run):
    made = run([{"use": f"{HERE}:Sign", "by": "letters"}])

    last = documents(made.arms["main"])["text"][0].as_py().splitlines()[-1]
    score, _, learned = last.partition(" of ")
    assert 0 < float(score) <= 1
    assert int(learned) > 0


def test_bytes_do_not_depend_on_workers(run, monkeypatch):
    monkeypatch.setattr(refining, "BLOCK", 16)
    one = run([ECHO])
    other = run([ECHO], store="other", workers=2)

    digests = [
        [shard.digest for shard in made.arms["main"].refined.shards] for made in (one, other)
    ]
    assert len(digests[0]) > 3
    assert digests[0] == digests[1]


def test_documents_do_not_depend_on_how_files_are_cut(run, tmp_path, monkeypatch):
    monkeypatch.setattr(refining, "BLOCK", 16)
    one = run([ECHO])
    other = run([ECHO], store="other", folder=write_files(made_up(80), tmp_path / "whole", 1))

    tables = [documents(made.arms["main"]).drop_columns(["origin"]) for made in (one, other)]
    assert tables[0].equals(tables[1])


def test_new_text_that_repeats_a_benchmark_is_left_out_and_counted(run):
    item = read_shard(run([]).benchmarks["exam/test"].items)["text"][0].as_py()
    made = run([{"use": f"{HERE}:Leak", "said": item}])

    arm = made.arms["main"]
    new = {one["doc_id"] for one in documents(arm).to_pylist() if one["kind"] != "original"}
    taken = set(read_shard(arm.refined.selection)["doc_id"].to_pylist())
    assert new
    assert not new & taken
    assert arm.refined.account["left_out"] == {"contaminated:exam/test": len(new)}
    assert taken == set(originals(made))


def test_nothing_is_made_twice(run):
    run([ECHO])
    again = run([ECHO])

    assert all(step.cached for step in again.steps if step.artifact.name.startswith("refine"))


def test_equal_documents_of_other_entries_keep_their_own_names(run):
    arms = {name: {**ALL, "refine": [{**SHOUT, "as": name}]} for name in ("one", "other")}
    made = run([], arms=arms, baseline="one")

    names = {arm: mixed.refined.account["steps"][0]["name"] for arm, mixed in made.arms.items()}
    assert names == {"one": "one", "other": "other"}


def test_what_would_cost_too_much_is_not_begun(run, tmp_path):
    with pytest.raises(BudgetError, match="max_requests is 3"):
        run([{**ECHO, "max_requests": 3}])
    assert not (tmp_path / "store" / "shards" / "refine.echo").exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"share": 0.5}, "does not say which refiner"),
        ({"use": "nobody"}, "arms.main.refine.0: no refiner 'nobody'"),
        ({**ECHO, "share": 1.5}, "share: found 1.5; wanted a number between 0 and 1"),
        ({**ECHO, "beside": "no"}, "beside: found 'no'; wanted true or false"),
        ({**ECHO, "max_epochs": 0}, "max_epochs: found 0; wanted a number above 0"),
        ({**ECHO, "tmies": 3}, "tmies: unknown setting; did you mean 'times'?"),
        ({**SHOUT, "share": 0.5}, "what replaces its originals has no share"),
        ({**ECHO, "as": "a b"}, "wanted letters, digits"),
        ({"use": f"{HERE}:Sign", "learns_from": "pool"}, "learns_from is 'pool'; wanted a mapping"),
        ({"use": f"{HERE}:Sign", "by": "lettres"}, "no score 'lettres'; did you mean 'letters'?"),
        ({"use": "sample", "models": ["nowhere"]}, "refine.0.models: no model 'nowhere'"),
        ({**ECHO, "model": "nowhere"}, "refine.0: model: unknown setting"),
    ],
)
def test_mistakes_are_told_before_anything_runs(files, entry, message):
    with pytest.raises(RecipeError, match="nothing ran") as told:
        checked(content(files, [entry]), "recipe")
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"staged": {"stages": 2}}, "drop `staged`"),
        ({"order": {"by": "letters"}}, "new ones have none"),
        ({"mix": {"scheme": "uniform"}}, "both `mix` and `share` weigh sources"),
        ({"refine": [ECHO, ECHO]}, "two entries are called 'echo'"),
        ({"refine": [SHOUT, {"use": f"{HERE}:Sign"}]}, "only the first entry may read scores"),
    ],
)
def test_what_does_not_go_together_is_told(files, arm, message):
    whole = {**ALL, "refine": [{**ECHO, "share": 0.5}], **arm}
    with pytest.raises(RecipeError) as told:
        checked(content(files, [], arms={"random": ALL, "main": whole}), "recipe")
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("outcomes", "returned 1 outcomes for 2 documents"),
        ("row", "a child of row 2; rows are 0 to 1"),
        ("twice", "several edits of one document"),
        ("unsaid", "2 documents without a child are dropped without a reason"),
    ],
)
def test_a_refiner_that_breaks_its_contract_is_told_how(how, message):
    table = pa.table({"text": ["one", "two"], "doc_id": [b"0" * 16, b"1" * 16]})
    with pytest.raises(PluginError, match=message):
        refined(Broken(how), None, table, name="broken")


def test_a_blank_child_is_none_and_is_counted():
    table = pa.table({"text": ["one", "two"]})
    made = refined(Broken("blank"), None, table, name="broken")

    assert made.children.num_rows == 0
    assert made.outcome["reason"].to_pylist() == ["broken.empty", None]


def test_an_edit_that_changes_nothing_is_none():
    table = pa.table({"text": ["ONE", "two"], "doc_id": pa.array([b"0" * 16] * 2, pa.binary(16))})
    made = refined(Shout(), None, table, name="shout")

    assert made.children["row"].to_pylist() == [1]


def test_a_refined_document_is_explained_back_to_what_was_read(tmp_path, files, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe_file = tmp_path / "recipe.yaml"
    recipe_file.write_text(json.dumps(content(files, [{**ECHO, "times": 1}, SHOUT])))
    run_recipe(
        recipe_file, corpus=None, store=tmp_path / "store", out=tmp_path / "out", engine="inline",
        address=None, workers=1, assignments=[], quiet=True,
    )  # fmt: skip
    record = read_run(tmp_path / "out")
    last = record["arms"]["main"]["refined"]["steps"][-1]["artifact"]
    shards = Store(tmp_path / "store").artifact(last).shards
    one = next(r for r in read_shard(shards[0]).to_pylist() if r["kind"] == "synthetic")

    found = explain_document(one["doc_id"].hex(), tmp_path / "out")

    assert [made["refiner"] for made in found.summary["descent"]] == ["shout", "echo"]
    assert found.summary["descent"][-1]["parents"][0] == found.summary["doc_id"]
    assert one["text"].lower().endswith(found.summary["text"][:200].lower())
    assert "synthetic by shout" in on_terminal(found.shown)
    head = one["doc_id"].hex()[:9]
    assert explain_document(head.upper(), tmp_path / "out").summary["descent"]
    other = "0" if head[8] != "0" else "1"
    with pytest.raises(RecipeError, match="0 documents have an id like"):
        explain_document(head[:8] + other, tmp_path / "out")


def sourced(texts, place):
    """Return a folder of documents, each of the source that it stands beside."""
    place.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"text": t, "source": s, "id": str(n)}) for n, (s, t) in enumerate(texts)]
    (place / "a.jsonl").write_text("\n".join(rows) + "\n")
    return place


def test_a_source_that_only_sounds_like_an_entrys_is_of_the_originals(run, tmp_path):
    texts = [("web", f"{prose(n)}") for n in range(20)]
    texts += [("docs.echo", f"{prose(n)}") for n in range(100, 120)]
    folder = sourced(texts, tmp_path / "sourced")
    made = run([{**ECHO, "times": 1, "share": 0.25}], folder=folder, corpus=bare(folder))

    sources = made.arms["main"].account["sources"]
    new = sum(each["tokens"] for name, each in sources.items() if name in NEW)
    assert new / sum(each["tokens"] for each in sources.values()) == pytest.approx(0.25, abs=0.03)


def test_a_source_that_would_be_two_is_refused(run, tmp_path):
    texts = [(name, prose(n)) for n, name in enumerate(["web", "web.echo"] * 10)]
    folder = sourced(texts, tmp_path / "sourced")
    with pytest.raises(BudgetError, match="call the entry otherwise"):
        run([ECHO], folder=folder, corpus=bare(folder))


def test_one_document_is_refined_and_none_is_refused(run, tmp_path):
    folder = sourced([("web", prose(1))], tmp_path / "one")
    made = run([ECHO], folder=folder, corpus=bare(folder))

    assert made.arms["main"].refined.account["documents"] == 3


def test_nothing_left_of_a_selection_is_told(run, tmp_path):
    folder = sourced([("web", prose(n)) for n in range(3)], tmp_path / "few")
    with pytest.raises(CuratorError):
        run([{**ECHO, "refuses": " ", "beside": False}], folder=folder, corpus=bare(folder))


NEW = ("web.echo", "docs.echo.echo")


def bare(folder):
    """Return a corpus of every document of a folder."""
    made = recipe(folder)["corpus"]
    return made | {
        "clean": {"language": None}, "dedup": None, "benchmarks": {}, "decontaminate": None,
        "heldout": {}, "tokenizer": {"bpe": 300}, "roles": {},
    }  # fmt: skip


@pytest.mark.parametrize("how", ["surrogate", "bytes"])
def test_a_text_that_is_no_unicode_is_told(how):
    table = pa.table({"text": ["one", "two"], "doc_id": [b"0" * 16, b"1" * 16]})
    with pytest.raises(PluginError, match="UTF-8"):
        refined(Broken(how), None, table, name="broken")


def test_what_was_refined_is_exported_as_text(tmp_path, files):
    recipe_file = tmp_path / "recipe.yaml"
    recipe_file.write_text(json.dumps(content(files, [{**ECHO, "times": 1}, SHOUT])))
    run_recipe(
        recipe_file, corpus=None, store=tmp_path / "store", out=tmp_path / "out", engine="inline",
        address=None, workers=1, assignments=[], quiet=True,
    )  # fmt: skip
    export(tmp_path / "out", "jsonl", tmp_path / "ex", "main")

    lines = (tmp_path / "ex" / "documents.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(row["text"] == row["text"].upper() for row in rows)
    assert {row["kind"] for row in rows} == {"edited", "synthetic"}
