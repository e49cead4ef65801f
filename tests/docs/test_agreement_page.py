import re

from bench.agreement_filters import AFTER_C4, rule_names
from curator.text.segments import segments
from tests.docs.pages import rows, sections

PAGE = "docs/agreement.md"


def test_every_published_rule_has_its_agreement():
    told = rows(sections(PAGE)["Rules"])

    assert set(rule_names()) <= set(told)
    for rule in rule_names():
        same, differ, ours, theirs, _ = (float(cell.strip("|")) for cell in told[rule])
        assert same >= 99.5
        assert abs(ours - theirs) <= differ


def test_fineweb_after_c4_and_the_chain_are_told():
    text = sections(PAGE)["Rules"]

    assert all(rule.replace("fineweb", AFTER_C4) in text for rule in rule_names("fineweb"))
    assert "chain: keep or drop" in text


def test_examples_are_cut_as_the_page_says():
    examples = [
        re.findall(r"`([^`]+)`", line)[:3]
        for line in sections(PAGE)["Where tokens differ"].splitlines()
        if line.startswith("| `")
    ]

    assert len(examples) >= 6
    for text, theirs, ours in examples:
        assert segments(text) == ours.split()
        assert ours != theirs
