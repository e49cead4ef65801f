"""What a report shows beside a dropped document is what decided."""

from __future__ import annotations

from curator.corpus_spec import CleanSpec, PiiSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.ledger import Store
from pipelines.excerpts import drops_of
from pipelines.pool import Pool
from pipelines.preparing import clean
from pipelines.privacy import hiding
from tests.support.corpus import corpus_of

SHORT_LINES = "\n".join(
    f"{who} went to the {place}." for who in ("Ann", "Bob", "Cy", "Di") for place in ("sea", "hill")
)


def test_a_rule_after_c4_shows_the_number_of_the_text_as_c4_edited_it(tmp_path):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    pool = Pool(corpus_of(driver.store, [SHORT_LINES + "\nno end mark " + "x" * 400], 1))

    cleaned = clean(CleanSpec(language=None, rules=["c4", "fineweb"]), pool, driver)
    (drop,) = drops_of(cleaned)

    assert drop.reason == "fineweb.short_line_ratio"
    numbers = drop.excerpts[0].numbers
    assert numbers["edited_short_line_ratio"] == 1.0
    assert numbers["short_line_ratio"] < 1.0


def test_what_a_recipe_hides_in_texts_is_not_shown_of_dropped_documents_either(tmp_path):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    texts = [
        "The key is AKIAIOSFODNN7EXAMPLE, ask ann@oakwood.org. " + "x" * 5000,
        "short ben@oak.org",
    ]
    pool = Pool(corpus_of(driver.store, texts, 1))
    spec = CleanSpec(language=None, rules=["ccnet"], pii=PiiSpec(email="mask", key="drop"))

    drops = drops_of(clean(spec, pool, driver), hiding(spec.pii))

    shown = {drop.reason: drop.excerpts[0].text for drop in drops}
    assert shown["pii.key"].startswith("The key is <key>, ask <email>. x")
    assert [text for reason, text in shown.items() if reason != "pii.key"] == ["short <email>"]
