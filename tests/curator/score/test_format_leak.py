from __future__ import annotations

import pyarrow as pa
import pytest

from curator.score.format_leak import leak


def test_signs_of_format_are_counted_by_class():
    good = pa.chunked_array([["Question: why?\nAnswer: so", "plain"]])
    found = leak(good, pa.chunked_array([["a b", "c d e", "f"]]))

    assert found["looks"][0] == {
        "class": "good", "bytes": pytest.approx(15), "question_marks": 0.5, "prompts": 0.5,
        "several_lines": 0.5, "line_breaks": pytest.approx(33.3, abs=0.1),
    }  # fmt: skip
    assert found["auc_of_length"] == pytest.approx(5.5 / 6, abs=1e-4)  # one pair of six ties


def test_an_empty_class_has_no_looks():
    found = leak(pa.array([], pa.large_string()), pa.array([""], pa.large_string()))

    assert found["auc_of_length"] is None
    good, bad = found["looks"]
    assert set(good.values()) == {"good", None}
    assert bad["line_breaks"] is None
