"""The language of each document, by fastText's lid.176.

Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification" (arXiv:1607.01759); the
compressed model of 176 languages comes with an installed package, see `curator.weights`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Identification costs ten times the statistics, and the beginning says as much as the whole.
CHARACTERS: Final = 2000
DECIMALS: Final = 4  # decisions see probabilities on this grid
_LABEL: Final = "__label__"
_BATCH: Final = 1000  # documents handed over at once; bears on memory only


class Languages(NamedTuple):
    """The most probable language of each text.

    Attributes:
        language: string, the code of ISO 639 that lid.176 knows ("en", "zh", "ceb").
        probability: float32 in [0, 1], four decimals.
    """

    language: pa.Array
    probability: pa.Array


def load_identifier(path: Path) -> Any:
    """The fastText model at `path`."""
    import fasttext

    return fasttext.load_model(str(path))


def identify(model: Any, texts: pa.Array | pa.ChunkedArray) -> Languages:
    """The language of the first 2,000 characters of each text; an empty text is null, 0."""
    heads = pc.utf8_slice_codeunits(texts, 0, CHARACTERS)
    heads = pc.replace_substring(heads, "\n", " ")  # fastText takes a newline for the text's end
    lines = heads.to_pylist()
    languages: list[str | None] = []
    probabilities: list[float] = []
    for start in range(0, len(lines), _BATCH):
        labels, found = model.predict([line or "" for line in lines[start : start + _BATCH]], k=1)
        for line, names, values in zip(lines[start:], labels, found, strict=False):
            seen = bool(line and line.strip()) and len(names) > 0
            languages.append(names[0].removeprefix(_LABEL) if seen else None)
            probabilities.append(min(float(values[0]), 1.0) if seen else 0.0)
    rounded = np.round(np.array(probabilities, np.float64), DECIMALS).astype(np.float32)
    return Languages(pa.array(languages, pa.string()), pa.array(rounded))
