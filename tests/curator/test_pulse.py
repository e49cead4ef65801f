from __future__ import annotations

from pathlib import Path

import curator.pulse
from curator.pulse import Pulse, forget_in, told, told_in


def test_a_pulse_tells_the_share_that_is_done_until_the_end(tmp_path: Path):
    pulse = Pulse(tmp_path / "pulse")
    before = told(tmp_path / "pulse")
    pulse.tell(1, 4)
    during = told(tmp_path / "pulse")
    pulse.end()

    assert (before, during, told(tmp_path / "pulse")) == (0.0, 0.25, 0.0)


def test_it_is_written_now_and_then_only(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(curator.pulse, "_SECONDS", 1000.0)
    pulse = Pulse(tmp_path / "pulse")
    monkeypatch.setattr(pulse, "_spoke", -2000.0)
    pulse.tell(1, 4)
    pulse.tell(2, 4)

    assert told(tmp_path / "pulse") == 0.25


def test_nobody_looks_nothing_is_written():
    pulse = Pulse.beside(None)
    pulse.tell(1, 2)
    pulse.end()


def test_what_several_do_in_a_folder_is_summed_and_half_a_number_is_none(tmp_path: Path):
    Pulse.beside(tmp_path).tell(1, 2)
    (tmp_path / "pulse-other").write_text("0.25")
    (tmp_path / "pulse-torn").write_text("")
    (tmp_path / "answers.jsonl").write_text("7")

    assert told_in(tmp_path) == 0.75


def test_what_killed_processes_left_is_forgotten_and_nothing_else(tmp_path: Path):
    (tmp_path / "pulse-1").write_text("0.5")
    (tmp_path / "answers.jsonl").write_text("7")
    forget_in(tmp_path)

    assert told_in(tmp_path) == 0.0
    assert [path.name for path in tmp_path.iterdir()] == ["answers.jsonl"]


def test_what_cannot_be_written_read_or_removed_stops_no_work(tmp_path: Path):
    (tmp_path / "pulse-folder").mkdir()
    missing = Pulse.beside(tmp_path / "missing")
    missing.tell(1, 2)
    missing.end()
    Pulse(tmp_path / "pulse-folder").tell(1, 2)
    Pulse(tmp_path / "pulse-folder").end()
    forget_in(tmp_path)

    assert told_in(tmp_path) == told_in(tmp_path / "missing") == 0.0
