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
# What lid.176 can say: the labels of the model itself.
_KNOWN: Final = """
    af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb
    ckb co cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom
    gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw
    ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap
    nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco
    sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo
    wa war wuu xal xmf yi yo yue zh
"""
KNOWN: Final = tuple(_KNOWN.split())
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
