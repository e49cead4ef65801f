"""The example plug-in of the documentation installs, is found, scores and passes its own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "plugin-example"

# In another process: this one has read its entry points already, and must not keep the plug-in.
USE_IT = """
from curator.registry import make_scorer, scorer_package
from curator.testing import check_scorer, documents

scorer = make_scorer({"use": "shouting", "least_letters": 2})
check_scorer(scorer)
print(scorer_package("shouting"))
print(scorer.process(None, documents(["ABcd", "A"])).to_pylist())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "source")  # building writes beside what it builds
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", folder / "site"]
    subprocess.run([*pip, *offline, folder / "source"], check=True, timeout=120)
    return folder / "site"


def run(arguments: list[str], installed: Path, where: Path) -> str:
    path = os.pathsep.join([str(installed), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=where,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_found_by_name_and_scores(installed: Path, tmp_path: Path):
    package, scores = run(["-c", USE_IT], installed, tmp_path).splitlines()

    assert package == "curator-scorer-shouting"
    assert scores == "[{'capital_share': 0.5}, {'capital_share': None}]"


def test_the_examples_own_tests_pass(installed: Path, tmp_path: Path):
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")

    assert "3 passed" in run(["-m", "pytest", "tests"], installed, tmp_path)
