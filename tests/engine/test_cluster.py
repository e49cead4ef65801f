"""A run on a Ray cluster that was there before and stays: `--engine ray --address`."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys

import pytest

from bench.trial import ROOT, Trial, environment, made_up, recipe, write_files

SECTIONS = {
    "score": [{"use": "ngrams", "as": "dsir", "learns_from": {"target": "exam/train"}}],
    "arms": {"dsir": {"select": {"method": "topk", "by": "dsir", "tokens": 8000}}},
    "baseline": None,
    "train": None,
    "evaluate": None,
}
# A cluster of its own in a process of its own: `ray stop` would end every cluster of this machine.
CLUSTER = """
import sys, ray
context = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
print("address", context.address_info["gcs_address"], flush=True)
sys.stdin.readline()
ray.shutdown()
"""


@pytest.fixture(scope="module", autouse=True)
def token():
    """Give the cluster and all who join it a token: one made by `ray.init` is known to it alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        yield


@pytest.fixture(scope="module")
def address(token):
    """Return the address of a running cluster of two workers."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment(),
    )  # fmt: skip
    with process:
        for line in process.stdout:
            if line.startswith("address"):
                break
        yield line.split()[1]
        process.communicate("\n", timeout=60)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return recipe(write_files(made_up(160), tmp_path_factory.mktemp("in"), 4), **SECTIONS)


@pytest.mark.ray
def test_a_cluster_elsewhere_writes_the_same_bytes(address, content, tmp_path):
    alone = Trial(tmp_path / "alone", workers=1).write(content)
    alone.run()

    there = Trial(tmp_path / "there", engine="ray", address=address).write(content)
    there.run()

    assert there.results() == alone.results()


@pytest.mark.ray
def test_no_cluster_at_an_address_is_said_plainly(content, tmp_path):
    trial = Trial(tmp_path, engine="ray", address="127.0.0.1:1").write(content)
    process = trial.start()

    assert process.wait(timeout=120) == 1
    error = json.loads((tmp_path / "stdout").read_text())["error"]
    assert error["class"] == "RecipeError"
    assert "no Ray cluster at '127.0.0.1:1'" in error["message"]
    assert not trial.store.exists()
