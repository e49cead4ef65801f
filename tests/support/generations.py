"""What SmolLM2-135M wrote about texts of our own, and the refiners that it was written for.

`python -m bench.generations` writes the transcripts anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from curator.refine.cosmopedia import Cosmopedia
from curator.refine.nemotron_cc import NemotronCC
from curator.refine.nemotron_tasks import TASKS
from curator.refine.wrap import Wrap
from curator.refine.writing import Writing
from curator.testing import documents

FOLDER = Path(__file__).parents[1] / "curator" / "refine" / "generations"
_HIGH = tuple(name for name, task in TASKS.items() if task.quality == "high")
# Each with its settings and how many of the texts it is shown: a small model takes its time.
_REFINERS: dict[str, tuple[type[Any], dict[str, Any], int]] = {
    "wrap": (Wrap, {"styles": ("easy", "medium", "hard", "qa"), "same_language": False}, 12),
    "nemotron_cc_low": (NemotronCC, {"tasks": ("wikipedia_paraphrase",)}, 6),
    "nemotron_cc_high": (NemotronCC, {"tasks": _HIGH}, 3),
    "cosmopedia": (Cosmopedia, {"written_tokens": 200}, 5),
}
NAMES = tuple(_REFINERS)


def shown_to(name: str) -> pa.Table:
    """Return the texts that a refiner is shown: prose, two of them as noisy as the web."""
    texts = (FOLDER / "paragraphs.txt").read_text().strip().split("\n\n")
    return documents(texts[: _REFINERS[name][2]], source="own")


def refiner_called(name: str, **writer: str) -> Writing:
    """Return a refiner, answered by its transcript unless told who writes."""
    kind, settings, _ = _REFINERS[name]
    whom = writer or {"transcript": str(FOLDER / f"{name}.jsonl")}
    refiner: Writing = kind(**settings, **whom)
    return refiner
