import json

import numpy as np
import pytest
import zstandard

from bench.lines import gone, read_marked, rules, told
from curator.clean.boilerplate import CutBoilerplate


def test_figures_are_of_the_lines_that_were_cut():
    bad = np.array([True, True, False, False])
    cut = np.array([True, False, True, False])

    assert told(bad, cut).split() == ["2", "0.500", "0.500", "50.0%", "0.500"]


def test_a_line_is_gone_when_nothing_of_it_stays():
    lines = ["MENU", "And so it went. Read more...", "A line of prose.", ""]

    assert gone(lines, CutBoilerplate(max_removed=1.0)).tolist() == [True, False, False, False]


def test_every_set_of_rules_and_every_rule_alone_is_tried():
    assert [name for name, _ in rules(["MENU"])][:5] == [
        "C4", "RefinedWeb", "curator", "curator or C4", "only capitals",
    ]  # fmt: skip


def test_marked_lines_are_read_by_language_and_must_fit_their_labels(tmp_path):
    rows = [
        {"id": "a", "lang": "en", "text": "good\nbad", "meta": {"line_labels": [1, 0]}},
        {"id": "b", "lang": "fi", "text": "x", "meta": {"line_labels": [1]}},
        {"id": "c", "lang": "de", "text": "x\ny", "meta": {"line_labels": [1]}},
    ]
    packed = zstandard.compress("\n".join(map(json.dumps, rows)).encode())
    (tmp_path / "lines.zst").write_bytes(packed)

    marked = read_marked(tmp_path / "lines.zst", "en")

    assert marked.lines == ["good", "bad"]
    assert marked.bad.tolist() == [False, True]
    with pytest.raises(ValueError, match="c: 2 lines, 1 labels"):
        read_marked(tmp_path / "lines.zst", "de")
