"""What a report reads back from the records of a run."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from curator.engine.run import Inline
from curator.ledger import Store
from curator.mix.draw import draw
from curator.mix.spec import MixEntry, MixSpec
from curator.report.choices import mixtures
from curator.report.content import Arm, Report
from curator.report.summary import summary
from curator.select.quota import Blocked
from pipelines.check import checked
from pipelines.reporting import shares_of
from pipelines.running import execute
from tests.support.pools import selection


def test_what_a_source_lacks_in_a_mixture_is_on_the_page():
    entries = (MixEntry("a", 1, max_epochs=1), MixEntry("b", 1))
    drawn = draw(
        selection({"a": [10] * 3, "b": [10] * 30}),
        MixSpec(entries=entries, shortfall="redistribute"),
        200,
    )

    shares = {each.source: each for each in shares_of(drawn.account())}

    assert shares["a"].shortfall == 100 - 30
    assert shares["b"].shortfall == 0
    page = str(
        mixtures(Report("r", arms=(Arm("main", "random", 33, 330, shares=(*shares.values(),)),)))
    )
    assert "tokens asked for that a source cannot give" in page


def test_a_document_that_ends_a_selection_is_on_the_page_and_in_the_summary():
    told = str(Blocked("*", 600, 200, "ab" * 16, 5000))
    report = Report("r", arms=(Arm("main", "random", 20, 200, shortfalls=(told,)),))

    shares = tuple(shares_of(draw(selection({"a": [10] * 20}), MixSpec()).account()))
    page = str(mixtures(replace(report, arms=(replace(report.arms[0], shares=shares),))))
    console = Console(width=400, file=io.StringIO())
    console.print(summary(report))

    assert "Selections that took less than they were asked for" in page
    for place in (page, console.file.getvalue()):
        assert told in place


def test_a_source_that_gives_nothing_is_still_told():
    shortfall = {"name": "a", "wanted": 50, "available": 0}
    account = {"asked": {"a": 0}, "sources": {}, "shortfalls": [shortfall]}

    (share,) = shares_of(account)

    assert (share.source, share.tokens, share.shortfall) == ("a", 0, 50)


def test_the_page_names_the_run_as_its_record_does(tmp_path):
    (tmp_path / "a.txt").write_text("one document")
    entry = {"reader": "plain", "source": "web", "files": str(tmp_path / "a.txt")}
    recipe = checked({"name": "x", "corpus": {"ingest": [entry]}}, "here")

    done = execute(recipe, Store(tmp_path / "store"), Inline(1), tmp_path / "x", quiet=True)

    assert done.report.run_id == done.summary["run"]
    assert done.summary["run"] in (tmp_path / "x" / "report.html").read_text()
