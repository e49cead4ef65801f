"""What SmolLM2-135M wrote about texts of our own, and the refiners that it was written for.

`python -m bench.generations` writes the transcripts anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curator.refine.cosmopedia import Cosmopedia
from curator.refine.nemotron_cc import NemotronCC
from curator.refine.nemotron_tasks import TASKS
from curator.refine.wrap import Wrap
from curator.refine.writing import Writing

FOLDER = Path(__file__).parents[1] / "curator" / "refine" / "generations"
_HIGH = tuple(name for name, task in TASKS.items() if task.quality == "high")
_REFINERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "wrap": (Wrap, {"styles": ("easy", "medium", "hard", "qa"), "same_language": False}),
    "nemotron_cc_low": (NemotronCC, {"tasks": ("wikipedia_paraphrase",)}),
    "nemotron_cc_high": (NemotronCC, {"tasks": _HIGH}),
    "cosmopedia": (Cosmopedia, {"written_tokens": 300}),
}
NAMES = tuple(_REFINERS)


def paragraphs() -> list[str]:
    """Return the texts: prose, two of them as noisy as the web."""
    return (FOLDER / "paragraphs.txt").read_text().strip().split("\n\n")


def refiner_called(name: str, **writer: str) -> Writing:
    """Return a refiner, answered by its transcript unless told who writes."""
    kind, settings = _REFINERS[name]
    whom = writer or {"transcript": str(FOLDER / f"{name}.jsonl")}
    refiner: Writing = kind(**settings, **whom)
    return refiner
