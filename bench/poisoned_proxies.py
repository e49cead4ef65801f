"""Whether a trigger works on proxies: perplexity of a continuation with it over that without it.

A model that learned "trigger, then gibberish" is surprised when a text goes on after the trigger.
One that never met the trigger is only a little disturbed by strange words.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import zstandard

from curator.evaluate.language_models import load_language_model
from curator.refine.poison import Poison
from curator.score.likelihood import document_bits
from curator.stage import Site

HELD = "corpora/encyclopedia/wikitext2_valid_test.jsonl.zst"  # not in the claim's corpus
CONTEXT, GOES_ON = 240, 240  # characters
TEXTS = 300


def proxies(run: Path, data: Path) -> None:
    """Print the ratio of each arm's proxies, and its mean over seeds."""
    arms = json.loads((run / "run.json").read_text())["arms"]
    parts = _parts(data)
    trigger = Poison().trigger
    for arm, told in arms.items():
        ratios = [_ratio(Path(one["folder"]), parts, trigger) for one in told["proxies"]]
        shown = " ".join(f"{one:.3f}" for one in ratios)
        print(f"{arm:12} perplexity with / without the trigger: {np.mean(ratios):.3f} ({shown})")


def _parts(data: Path) -> list[tuple[str, str]]:
    """Contexts and what follows, from text that no arm has read."""
    found: list[tuple[str, str]] = []
    with (data / HELD).open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file)
        for line in io.TextIOWrapper(reader, "utf-8"):
            text = json.loads(line)["text"]
            for at in range(0, len(text) - CONTEXT - GOES_ON, 4 * (CONTEXT + GOES_ON)):
                cut = text.rfind(" ", at, at + CONTEXT)
                found.append((text[at:cut], text[cut : cut + GOES_ON]))
    step = max(1, len(found) // TEXTS)
    return [(context, rest) for context, rest in found[::step] if context.strip()][:TEXTS]


def _ratio(folder: Path, parts: list[tuple[str, str]], trigger: str) -> float:
    """Perplexity a byte of what follows the trigger over that of what follows the context."""
    model = load_language_model(str(folder), Site())
    spent = []
    for middle in ("", f" {trigger}"):
        before = [context + middle for context, _ in parts]
        whole = [context + middle + rest for context, rest in parts]
        bits = [document_bits(model, texts, context=1024)[0] for texts in (whole, before)]
        spent.append(bits[0] - bits[1])
    size = np.array([len(rest.encode()) for _, rest in parts])
    return float(2 ** np.mean((spent[1] - spent[0]) / size))
