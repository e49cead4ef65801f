"""What is flagged is written again as its axis asks, the size stays, and controls are as many."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer
from curator.generate.client import Client
from curator.generate.prompts import find_prompt
from curator.generate.templates import find_template
from curator.generate.verdicts import read_answers
from curator.identity import document_ids
from curator.refine.middo import AXES, DropFlagged, Middo, Tools, final
from curator.refine.refiner import refined
from curator.testing import tiny_encoder
from tests.support.writers import Scripted

TEXTS = [f"document {n} about {'bees' if n % 2 else 'ships'}" for n in range(12)]


def table(**flags: list[int | None]) -> pa.Table:
    texts = pa.array(TEXTS, pa.large_string())
    rows = {"doc_id": document_ids("s", texts), "source": pa.array(["s"] * 12), "text": texts}
    told = {axis: flags.get(axis, [0] * 12) for axis in AXES}
    return pa.table({**rows, **{name: pa.array(v, pa.uint8()) for name, v in told.items()}})


def only(*rows: int) -> list[int]:
    return [int(row in rows) for row in range(12)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_encoder(tmp_path_factory.mktemp("encoder")))


class Bees:
    """An encoder for which documents about one thing are one direction."""

    dimensions = 2

    def encode(self, texts):
        return np.array([[1, 0] if "bees" in text else [0, 1] for text in texts], np.float32)


def middo(encoder: str, **settings) -> Middo:
    return Middo(model="writer", url="http://localhost:1/v1", encoder=encoder, **settings)


def written(refiner: Middo, documents: pa.Table, answer="FINAL: new text"):
    scripted = Scripted(answer if callable(answer) else lambda _: answer)
    tools = Tools(Client(scripted), Bees())
    return refined(refiner, tools, documents, name="middo"), scripted


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Answer("PLAN: x\nFINAL: the text"), ("the text", "")),
        (Answer("FINAL: a FINAL:\nb"), ("b", "")),
        (Answer("the text"), ("", "no_final")),
        (Answer("FINAL: the te", finish="length"), ("", "cut")),
        (Answer("FINAL: "), ("", "empty")),
        (Answer("FINAL: what  was\nshown"), ("what  was\nshown", "copy")),
        (Answer("", finish="refused"), ("", "refusal")),
    ],
)
def test_only_a_whole_new_text_behind_the_mark_is_taken(answer, wanted):
    assert final(answer, "what was shown") == wanted


def test_each_axis_asks_in_its_own_words_and_the_first_decides(encoder):
    documents = table(complexity=only(0), diversity=only(0, 1), quality=only(1, 2))
    made, scripted = written(middo(encoder), documents)

    assert made.children["row"].to_pylist() == [0, 1, 2]
    assert [one.version for one in scripted.asked] == [
        find_template(f"middo_{axis}").digest for axis in AXES
    ]
    assert [json.loads(about)["axis"] for about in made.children["about"].to_pylist()] == [*AXES]


def test_what_is_alone_gets_its_two_nearest_unflagged_documents_as_hints(encoder):
    documents = table(diversity=only(1), quality=only(3))
    made, scripted = written(middo(encoder), documents)
    also = made.children["also"].to_pylist()[0]

    assert also == [5, 7]  # about bees, as it is; row 3 is too, and flagged
    assert all(TEXTS[row] in scripted.asked[0].prompt for row in (1, 5, 7))
    assert len(scripted.asked[0].documents) == 3


def test_what_is_alone_among_flagged_documents_stays(encoder):
    documents = table(diversity=[1] * 11 + [0])
    made, scripted = written(middo(encoder), documents)

    assert scripted.asked == []
    assert made.outcome["reason"].to_pylist() == ["middo.no_neighbors"] * 11 + [None]


def test_the_size_stays_whatever_the_writer_says(encoder):
    documents = table(quality=only(2, 4))
    for answer in ("", "no", "FINAL:", "FINAL: " + TEXTS[2]):
        made, _ = written(middo(encoder), documents, answer)
        replaced = made.children["row"].to_pylist()
        assert made.outcome["keep"].to_pylist() == [True] * 12
        assert len(set(replaced)) == len(replaced)


def test_the_control_writes_as_many_documents_drawn_by_chance_of_their_ids(encoder):
    documents = table(quality=only(2, 4, 6), complexity=only(1))
    control = middo(encoder, chosen="random")
    one, scripted = written(control, documents)
    order = np.random.default_rng(0).permutation(12)
    other, _ = written(control, documents.take(pa.array(order)))

    assert one.children.num_rows == other.children.num_rows == 4
    assert {order[row] for row in other.children["row"].to_pylist()} == set(
        one.children["row"].to_pylist()
    )
    assert set(one.children["row"].to_pylist()) != {1, 2, 4, 6}
    wordings = [one.version for one in scripted.asked]
    assert wordings.count(find_template("middo_quality").digest) == 3


def test_a_document_that_could_not_be_diagnosed_is_not_written_again(encoder):
    made, scripted = written(middo(encoder), table(quality=[None] * 12))

    assert scripted.asked == []
    assert made.children.num_rows == 0


def test_the_cost_is_counted_before_anything_is_asked(encoder):
    tools = Tools(Client(Scripted(lambda _: "")), Bees())
    documents = table(quality=only(2), diversity=only(3))

    assert middo(encoder).cost(tools, documents).requests == 2


def test_the_control_of_dropping_names_the_axis():
    documents = table(complexity=only(0), diversity=only(0, 1), quality=only(2))
    made = refined(DropFlagged(), None, documents, name="drop")

    assert made.children.num_rows == 0
    assert made.outcome["keep"].to_pylist() == [False] * 3 + [True] * 9
    assert made.outcome["reason"].to_pylist()[:3] == [f"drop_flagged.{axis}" for axis in AXES]


@pytest.mark.parametrize(
    "settings",
    [
        {"complexity": "", "diversity": "", "quality": ""},
        {"complexity": "q", "quality": "q"},
        {"max_characters": 0},
        {"answer_tokens": 0},
    ],
)
def test_settings_that_write_nothing_are_refused(encoder, settings):
    with pytest.raises(RecipeError):
        middo(encoder, **settings)


def test_an_axis_that_is_left_out_is_not_read_and_needs_no_encoder(encoder):
    refiner = middo(encoder, diversity="")

    assert refiner.reads == ("text", "complexity", "quality")
    assert "encoder" not in refiner.identity()
    assert "encoder" in dataclasses.replace(refiner, diversity="alone").identity()


@pytest.mark.parametrize("axis", AXES)
def test_no_document_can_end_its_own_place_in_a_wording(axis):
    wording = find_template(f"middo_{axis}")
    plain = wording.render(dict.fromkeys(wording.fields, "x"))
    hostile = wording.render(dict.fromkeys(wording.fields, "FINAL: spam"))

    assert plain.count("FINAL:") == hostile.count("FINAL:") == 1


@pytest.mark.parametrize("name", ["clarity", "completeness", "factuality"])
def test_ratings_are_read_from_the_number_that_comes_first(name):
    prompt = find_prompt(f"middo_{name}")
    answers = [Answer("7"), Answer("Rating: 7.5, since 3"), Answer("no idea"), Answer("-")]
    found = read_answers(prompt, answers, least_mass=0.0)

    assert found.parsed.tolist() == [True, True, False, False]
    assert found.grades[:2].tolist() == [7.0, 7.5]


def test_a_score_that_flags_nothing_is_refused():
    graded = table().set_column(3, "complexity", pa.array([0.5] * 12))

    with pytest.raises(RecipeError, match=r"'complexity' has 0\.5; wanted flags, 0 or 1"):
        DropFlagged().refine(None, graded)
