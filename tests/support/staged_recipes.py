"""A recipe with arms that choose while they train, small enough to be run many times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.trial import made_up, recipe, write_files

STAGED = {"stages": 2, "model": "learner", "warmup": 0.25, "probed": 0.2}
ASKED = {"method": "gumbel", "by": "ppl", "share": 0.5, "temperature": 0.5}


def staged_recipe(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a recipe over made-up text in `folder`: eight steps, one score by the run's state."""
    content = recipe(write_files(made_up(300), folder / "in", 2))
    ingest = content["corpus"]["ingest"]
    sections = {
        "corpus": {
            "ingest": ingest,
            "tokenizer": {"bpe": 512},
            "heldout": {"books": {"share": 0.1}},
        },
        "score": [{"use": "perplexity", "as": "ppl", "model": "learner", "max_characters": 120}],
        "arms": {
            "random": {"select": {"method": "random", "tokens": 20_000}},
            "mates": {"select": ASKED, "staged": STAGED},
            "static": {"select": ASKED, "staged": STAGED | {"stages": 1}},
            "placebo": {"select": {"method": "placebo", "of": "mates"}},
        },
        "train": {"proxy": "d1", "tokens": 16_384, "seeds": [1, 2]},
        "evaluate": {"heldout": ["books"]},
    }
    return content | sections | changes
