"""Scores stay what they were unless a scorer's `version` rises.

After a deliberate change raise the version, then write the file anew:
`python -m tests.scorers.test_golden`
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curator.stage import FittedScorer, Site
from curator.testing import awkward_documents, corpus, example_texts, tiny_encoder
from scorers.letters import Letters
from scorers.ngrams import Ngrams
from scorers.similarity import Similarity

FILE = Path(__file__).with_name("golden.json")
NAMES = ("letters", "ngrams", "similarity")  # what is the same on every processor


def scored(name: str, folder: Path) -> dict[str, Any]:
    """Return the version and the scores of awkward documents, to five digits."""
    makers = {
        "letters": Letters,
        "ngrams": Ngrams,
        "similarity": lambda: Similarity(encoder=str(tiny_encoder(folder / "encoder"))),
    }
    scorer, site = makers[name](), Site()
    if isinstance(scorer, FittedScorer):
        site = Site(fitted=folder)
        roles = {role: corpus(folder / role, example_texts(role)) for role in scorer.learns_from}
        scorer.fit(roles, folder, site)
    table = awkward_documents()
    for stage in scorer.beside:
        made = stage.process(stage.load(Site()), table)
        for column in made.column_names:
            table = table.append_column(column, made[column])
    scores = scorer.process(scorer.load(site), table).column(0).to_pylist()
    rounded = [None if score is None else float(f"{score:.5g}") for score in scores]
    return {"version": scorer.version, "scores": rounded}


@pytest.mark.parametrize("name", NAMES)
def test_scores_change_only_with_the_version(name: str, tmp_path: Path):
    expected = json.loads(FILE.read_text())[name]
    found = scored(name, tmp_path)

    assert found["version"] == expected["version"], "write the golden file anew"
    # None reads as NaN; five digits were kept.
    scores, golden = (np.array(each["scores"], dtype=float) for each in (found, expected))
    np.testing.assert_allclose(scores, golden, rtol=1e-4, atol=1e-6)


if __name__ == "__main__":
    golden = {name: scored(name, Path(tempfile.mkdtemp())) for name in NAMES}
    lines = [f" {json.dumps(name)}: {json.dumps(golden[name])}" for name in NAMES]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
