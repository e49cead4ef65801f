"""What docs/scorers.md says of scorers is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curator.registry import find_scorer, make_scorer, scorer_names, scorer_package
from curator.testing import check_scorer

PAGE = (Path(__file__).parents[2] / "docs" / "scorers.md").read_text()
BUILT_IN = [name for name in scorer_names() if scorer_package(name) == "curator-lm"]

NEEDED = {  # settings without which a scorer cannot say what it writes
    "perplexity": {"model": "any"},
    "judge": {"model": "any"},
    "pairs": {"model": "any"},
    "add_one_in": {"model": "any"},
    "divergence": {"models": ["any", "other"]},
    "metadata": {"model": "any"},
    "era": {"bins": {"early": [1800, 1899]}, "dates": "authorship"},
    "losses": {"models": ["any"]},
    "concordance": {"models": ["any"]},
    "correlation": {"models": ["any"]},
    "distill": {"of": "any"},
    "buckets": {"of": "any"},
    "novel_best": {"of": ["quality"]},
    "sensitivity": {"model": "any"},
    "lasso_relevance": {"model": "any"},
    "optidel_text": {"models": ["any", "other", "third"]},
    "influence": {"model": "any"},
    "less": {"models": ["any"]},
    "trak": {"models": ["any"]},
    "tarot": {"models": ["any"]},
}


def test_the_scorer_of_the_tutorial_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    (tmp_path / "questions.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    scorer = make_scorer({"use": "questions:Questions", "as": "q", "per": 100})

    check_scorer(scorer)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_scorer_is_in_the_table_as_it_is(name: str):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    _, _, column, unit, better, roles, *_ = (cell.strip() for cell in row.split("|"))
    kind = find_scorer(name)
    field = make_scorer({"use": name, **NEEDED.get(name, {})}).writes.field(0)

    assert column == f"`{field.name}`"
    assert unit == field.metadata[b"unit"].decode()
    assert better == field.metadata[b"better"].decode()
    assert roles == ", ".join(getattr(kind, "learns_from", ()))


def test_the_guard_is_stated():
    assert "`corpus.decontaminate.against`" in PAGE
