from __future__ import annotations

import re

from curator.report.content import Report
from curator.report.learned import Learned, learned
from curator.report.page import render

DISTILLED = {
    "auc": 0.91,
    "spearman": None,
    "recall": {"0.03": 0.4, "0.1": 0.55, "0.3": 0.7},
    "documents": {"positive": 700, "negative": 700, "neither": 0},
    "heldout": {"positive": 90, "negative": 810, "neither": 0},
    "calibration": [{"documents": 90, "predicted": 0.02, "observed": 0.01}],
    "settings": {"learning_rate": 0.5, "epochs": 14},
    "levels": [],
}


def page(*reports: Learned) -> str:
    return render(Report(name="run", learned=tuple(reports)))


def text_of(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup))


def test_held_out_measures_stand_in_one_row_a_score():
    shown = text_of(learned(Report(name="run", learned=(Learned("betr", "distill", DISTILLED),))))

    assert "betr distill 1,400 900 0.91 not known 0.4 0.55 0.7" in shown


def test_lists_become_tables_and_settings_a_line():
    shown = text_of(page(Learned("betr", "distill", DISTILLED)))

    assert "documents observed predicted 90 0.01 0.02" in shown
    assert "settings learning_rate = 0.5 · epochs = 14" in shown


def test_a_report_of_another_shape_is_shown_too():
    odd = {"effective": {"share": 0.25}, "words": ["a", "b"], "flag": True, "deep": [[1, 2], None]}
    shown = text_of(page(Learned("x", "plugin", odd)))

    assert "share = 0.25" in shown
    assert "a, b" in shown
    assert "1, 2, not known" in shown


def test_measures_of_the_wrong_kind_do_not_break_the_page():
    odd = {"auc": "high", "recall": 3, "documents": "many", "heldout": {"a": None}}

    assert "high" in page(Learned("x", "plugin", odd))


def test_a_reader_is_told_where_length_alone_does_it():
    told = "Good examples are longer: length alone reaches AUC 0.90"

    assert told in text_of(page(Learned("dclm", "classifier", {"auc_of_length": 0.897})))
    assert "shorter" in text_of(page(Learned("dclm", "classifier", {"auc_of_length": 0.1})))
    assert "length alone" not in text_of(page(Learned("x", "classifier", {"auc_of_length": 0.6})))


def test_hostile_names_are_escaped():
    evil = "<script>alert(1)</script>"
    shown = page(Learned(evil, evil, {evil: {evil: evil}, "t": [{evil: evil}]}))

    assert "<script>alert" not in shown


def test_without_learning_there_is_one_line():
    assert "No scorer learned anything." in page()
