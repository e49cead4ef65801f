"""Killed drivers and workers cost nothing but time: `bench/kills.py` in short."""

from __future__ import annotations

import time

import pytest

from bench.kills import Storm
from bench.trial import Trial, made_up, recipe, write_files

SECTIONS = {
    "score": [{"use": "similarity", "as": "sim", "learns_from": {"target": "exam/train"}}],
    "arms": {"sim": {"select": {"method": "topk", "by": "sim", "tokens": 8000}}},
    "baseline": None,
    "train": {"proxy": "demo", "tokens": 4096, "seeds": [1]},
    "evaluate": None,
}


@pytest.mark.slow
def test_three_kills_lose_nothing_and_change_nothing(tmp_path):
    files = write_files(made_up(160), tmp_path / "in", 4)
    calm = Trial(tmp_path / "calm").write(recipe(files, **SECTIONS))
    begun = time.monotonic()
    calm.run()
    seconds = time.monotonic() - begun
    storm = Storm(tmp_path / "storm", "inline", files, calm.results(), seconds, sections=SECTIONS)

    assert storm.rage(3) == 0, "\n".join(storm.table())
    assert [kill.victim for kill in storm.kills] == ["worker", "driver", "worker"]
