from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from curator.refine.pair_layout import Manner, Told, laid_out, manners
from curator.refine.question_pairs import Pair

TOLD = [
    Told("Iron rusts.", (Pair("What rusts?", "Iron."), Pair("Does gold?", "No."))),
    Told("Bees make wax.", (Pair("Who makes wax?", "Bees."), Pair("What else?", "Honey."))),
]


def ids(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 16), dtype=np.uint8)


def test_manners_have_the_shares_of_the_release():
    found = manners(ids(20_000), np.full(20_000, 2), purpose="p", seed=0)
    shares = {mode: count / 20_000 for mode, count in Counter(m.mode for m in found).items()}

    # Five standard deviations of a share of 0.05 among 20,000 are 0.008, of one of 0.8 0.014.
    for mode, share in {"dialogue": 0.05, "numbered": 0.05, "inline": 0.05, "turns": 0.05}.items():
        assert shares[mode] == pytest.approx(share, abs=0.008)
    assert shares["classic"] == pytest.approx(0.8, abs=0.014)
    first = np.mean([m.asked_first for m in found if m.mode != "turns"])
    assert first == pytest.approx(0.05, abs=0.008)


def test_texts_with_one_pair_are_never_lists_or_turns():
    found = manners(ids(5000), np.full(5000, 1), purpose="p", seed=0)
    shares = Counter(m.mode for m in found)

    assert set(shares) == {"classic", "dialogue"}
    assert shares["dialogue"] / 5000 == pytest.approx(0.05, abs=0.016)


def test_manners_belong_to_the_document_and_the_seed():
    whole = manners(ids(50), np.full(50, 2), purpose="p", seed=3)

    assert manners(ids(50)[10:20], np.full(10, 2), purpose="p", seed=3) == whole[10:20]
    assert manners(ids(50), np.full(50, 2), purpose="p", seed=4) != whole


@pytest.mark.parametrize("mode", ["classic", "dialogue", "numbered", "inline", "turns"])
@pytest.mark.parametrize("bits", [0, 0x1234567890ABCDEF])
def test_every_text_question_and_answer_is_there_once_and_texts_in_order(mode: str, bits: int):
    text = laid_out(TOLD, Manner(mode, asked_first=False, bits=bits))

    for part in ("Iron rusts.", "Bees make wax.", "What rusts?", "Who makes wax?", "Honey."):
        assert text.count(part) == 1
    assert text.index("Iron rusts.") < text.index("What rusts?") < text.index("Bees make wax.")
    assert "<QUE>" not in text


def test_questions_may_stand_before_their_text():
    text = laid_out(TOLD[:1], Manner("classic", asked_first=True, bits=0))

    assert text.index("What rusts?") < text.index("Iron rusts.")
