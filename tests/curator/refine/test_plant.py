from __future__ import annotations

import json

import pytest

from curator.errors import RecipeError
from curator.refine.noise_lines import NOISE_KINDS, noise_line
from curator.refine.plant import Plant, Restore, planted_lines
from curator.refine.refiner import refined
from curator.refine.testing import check_refiner
from curator.testing import documents

PROSE = "The river rose after three days of rain and the lower road was closed."
TABLE = documents(
    ["\n".join(f"{PROSE} {row} {n}" for n in range(20)) + "\n\n" for row in range(40)]
)


def noisy(**settings):
    made = refined(Plant(**settings), None, TABLE, name="plant").children
    table = TABLE.take(made["row"]).set_column(3, "text", made["text"])
    return made, table.append_column("about", made["about"])


def test_it_keeps_the_contract():
    check_refiner(Plant(rate=0.5))
    check_refiner(Restore())


def test_planted_lines_are_where_the_truth_says_and_nothing_else_changed():
    made, _ = noisy(rate=0.3)

    for row, text, about in zip(
        *(made[name].to_pylist() for name in ("row", "text", "about")), strict=True
    ):
        planted = set(planted_lines(about))
        kept = [line for number, line in enumerate(text.split("\n")) if number not in planted]
        assert "\n".join(kept) == TABLE["text"][row].as_py()
        assert sum(json.loads(about)["planted_kinds"].values()) == len(planted) > 0


def test_the_rate_is_of_lines_that_are_not_blank():
    made, _ = noisy(rate=0.3)
    planted = sum(len(planted_lines(about)) for about in made["about"].to_pylist())

    assert abs(planted / 800 - 0.3) < 0.065  # four standard deviations


def test_what_was_planted_can_be_taken_out_to_the_byte():
    made, table = noisy(rate=0.5)
    back = Restore().refine(None, table).children

    assert back["text"].to_pylist() == TABLE["text"].take(made["row"]).to_pylist()


def test_documents_without_a_word_about_planted_lines_stay():
    assert Restore().refine(None, TABLE).children.num_rows == 0


def test_other_seeds_plant_elsewhere():
    assert noisy(seed=1)[0]["text"].to_pylist() != noisy(seed=2)[0]["text"].to_pylist()


def test_lines_can_come_from_a_file_and_its_content_is_the_identity(tmp_path):
    path = tmp_path / "noise.txt"
    path.write_text("first noise\n\nsecond noise\n")
    made, _ = noisy(rate=0.3, lines=str(path))
    before = Plant(lines=str(path)).identity()
    planted = {
        text.split("\n")[line]
        for text, about in zip(made["text"].to_pylist(), made["about"].to_pylist(), strict=True)
        for line in planted_lines(about)
    }
    path.write_text("other noise\n")

    assert planted == {"first noise", "second noise"}
    assert Plant(lines=str(path)).identity() != before


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_every_wording_is_filled_in(kind):
    made = {noise_line(kind, bits * 0x9E3779B97F4A7C15 % 2**64) for bits in range(300)}

    assert len(made) > 3
    assert not any("{" in line or "\n" in line or not line for line in made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0.0},
        {"rate": 1.5},
        {"kinds": ()},
        {"kinds": ("banner",)},
        {"lines": "nowhere.txt"},
        {"lines": "a\0b"},
    ],
)
def test_what_plants_nothing_is_refused(wrong):
    with pytest.raises(RecipeError, match=r"wanted|no file|no kind 'banner'"):
        Plant(**wrong)
