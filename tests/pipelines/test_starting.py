"""Which model proxies may go on from is told before anything runs."""

from __future__ import annotations

import json

import pytest

from curator.identity import settings_of
from curator.train.proxy import find_proxy
from pipelines.check import named_problems
from pipelines.runs import STATE

KEPT = {"train": {"proxy": "d2", "tokens": 9999, "state": True}}


def told(models: dict, start: str = "warm") -> list[str]:
    content = {"train": {"proxy": "d2", "tokens": 9999, "start": start}, "models": models}
    return [line for line in named_problems(content) if line.startswith("train.start")]


def test_a_model_with_state_of_the_same_proxy_is_good():
    assert told({"warm": KEPT}) == []


def test_a_changed_copy_of_such_a_model_is_good_too():
    assert told({"whole": KEPT, "warm": {"pruned": {"of": "whole", "share": 0.5}}}) == []


@pytest.mark.parametrize(
    ("models", "wanted"),
    [
        ({"warn": KEPT}, "did you mean 'warn'"),
        ({"warm": {"train": {**KEPT["train"], "state": False}}}, "add `state: true`"),
        ({"warm": {"train": {**KEPT["train"], "proxy": "d3"}}}, "of another proxy ('d3')"),
        ({"warm": {"train": {**KEPT["train"], "count": 3}}}, "is a swarm"),
        ({"warm": {"gguf": "some.gguf"}}, "go on from no other"),
        ({"warm": {"path": "/nowhere"}}, "has no trunk.safetensors"),
        ({"warm": {"pruned": {"of": "lost", "share": 0.5}}}, "go on from no other"),
        ({"warm": {"pruned": {"of": "warm", "share": 0.5}}}, "go on from no other"),
    ],
)
def test_any_other_model_is_refused(models, wanted):
    assert wanted in told(models)[0]


def test_a_run_on_disk_must_be_of_the_same_proxy_and_have_state(tmp_path):
    (tmp_path / STATE).write_bytes(b"")
    run = {"proxy": settings_of(find_proxy("d2"))}
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert told({"warm": {"path": str(tmp_path)}}) == []

    (tmp_path / "run.json").write_text(json.dumps({"proxy": settings_of(find_proxy("d3"))}))
    assert "another proxy" in told({"warm": {"path": str(tmp_path)}})[0]
