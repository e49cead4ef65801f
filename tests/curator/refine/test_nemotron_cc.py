"""Five tasks, a router, and answers that have not the form asked for."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer
from curator.generate.templates import find_template
from curator.refine.nemotron_cc import NemotronCC
from curator.refine.nemotron_tasks import TASKS
from curator.testing import documents
from tests.support.writers import Scripted

SENTENCE = "The kiln at the end of the lane fires tiles for two days at a thousand degrees."
TEXT = "\n".join(f"{SENTENCE} Batch {n} was sold in the town." for n in range(8))
HIGH = tuple(name for name, task in TASKS.items() if task.quality == "high")


def refiner(**settings):
    given = {"model": "w", "url": "http://localhost:1/v1", "most_copied": 1.0}
    return NemotronCC(**(given | settings))


def passage(request):
    return request.prompt.split('"""')[1].strip()


def good(request):
    """Answer each task in its form, with as many words as the text has."""
    text = passage(request)
    return {
        "wikipedia_paraphrase": f"Here is a paraphrased version:\n\n**{text[:400]}**",
        "distill": f'Paraphrased Text: "{text[:400]}"',
        "diverse_qa": "\n".join(f"- Question: What {n}? Answer: It {n}." for n in range(8)),
        "extract_knowledge": f"Passage 1:\n{text}",
        "knowledge_list": "Facts:\n" + "\n".join(f"- {line}" for line in text.split("\n")),
    }[
        next(
            name for name in TASKS if find_template(f"nemotron_cc_{name}").digest == request.version
        )
    ]


def table(texts, buckets=None):
    found = documents(texts)
    return (
        found if buckets is None else found.append_column("bucket", pa.array(buckets, pa.uint16()))
    )


def made(texts, answer=good, buckets=None, **settings):
    ask = Scripted(answer)
    return refiner(**settings).write(ask, table(texts, buckets)), ask


def tasks_of(found):
    rows = zip(found.children["row"].to_pylist(), found.children["about"].to_pylist(), strict=True)
    return [(row, json.loads(about)["task"]) for row, about in rows]


def test_documents_above_bucket_eleven_are_of_high_quality():
    found, _ = made([TEXT, TEXT + " B", TEXT + " C"], buckets=[11, 12, None], quality="bucket")

    assert sorted(tasks_of(found)) == sorted([(0, "wikipedia_paraphrase"), *((1, t) for t in HIGH)])
    assert found.outcome["reason"].to_pylist() == [None, None, "nemotron_cc.unscored"]


def test_each_answer_is_read_as_its_task_writes_it():
    found, _ = made([TEXT], tasks=HIGH)
    texts = dict(
        zip([task for _, task in tasks_of(found)], found.children["text"].to_pylist(), strict=True)
    )

    assert texts["distill"] == TEXT[:400]
    assert texts["extract_knowledge"] == TEXT
    assert texts["knowledge_list"] == TEXT
    assert texts["diverse_qa"].startswith(f"{TEXT}\n\nQuestion: What ")


def test_pairs_may_stand_alone():
    pairs = "\n".join(f"- Question: {SENTENCE} Answer: {SENTENCE}" for _ in range(8))
    found, _ = made([TEXT], lambda request: pairs, tasks=("diverse_qa",), with_document=False)

    assert all(text.startswith("Question: The kiln") for text in found.children["text"].to_pylist())


def test_pairs_belong_to_the_document_and_not_to_its_place():
    alone, _ = made([TEXT], tasks=("diverse_qa",))
    second, _ = made([TEXT + " B", TEXT], tasks=("diverse_qa",))

    assert second.children["text"][1] == alone.children["text"][0]


def test_segments_of_a_paraphrased_document_are_joined_again_and_those_of_others_are_not():
    long = "\n".join([TEXT] * 8)
    paraphrased, asked = made([long], tasks=("wikipedia_paraphrase",))
    fact = f"- {SENTENCE * 4}"
    listed, _ = made([long], lambda request: fact, tasks=("knowledge_list",))

    assert len(asked.asked) > 1
    assert paraphrased.children.num_rows == 1
    assert listed.children.num_rows > 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (TEXT, "opening"),
        ("", "empty"),
        ("I'm sorry, but I cannot help with this text.", "refusal"),
        (f"Here is a paraphrased version: {TEXT}<|im_end|>", "turns"),
        ("Here is a paraphrased version: Tiles.", "short"),
        (Answer(f"Here is a paraphrased version: {TEXT}", finish="length"), "cut"),
        (Answer(f"Here is a paraphrased version: {TEXT}", tokens=511), "cut"),
        ("Here is a paraphrased version:", "empty"),
    ],
)
def test_an_answer_without_its_form_makes_nothing_and_says_why(answer, reason):
    found, _ = made([TEXT], lambda request: answer, tasks=("wikipedia_paraphrase",))

    assert found.children.num_rows == 0
    assert found.outcome["reason"].to_pylist() == [f"nemotron_cc.{reason}"]


def test_a_copy_is_no_rewriting_and_below_pairs_it_is_the_text():
    found, _ = made([TEXT], tasks=HIGH, most_copied=0.9)

    assert tasks_of(found) == [(0, "diverse_qa")]
    assert found.outcome["reason"].to_pylist() == ["nemotron_cc.partly"]


def test_pairs_that_cannot_be_read_make_nothing():
    found, _ = made([TEXT], lambda request: "What is a kiln?", tasks=("diverse_qa",))

    assert found.outcome["reason"].to_pylist() == ["nemotron_cc.pairs"]


def test_documents_too_short_or_of_another_quality_are_not_asked_about():
    found, ask = made(["Tiles.", TEXT], buckets=[15, 3], quality="bucket", tasks=HIGH)

    assert ask.asked == []
    assert found.outcome["reason"].to_pylist() == ["nemotron_cc.short", "nemotron_cc.other_quality"]
    assert found.outcome["keep"].to_pylist() == [True, True]


def test_a_line_that_is_too_long_to_read_is_told_of():
    line = " ".join([SENTENCE] * 40)
    found, ask = made([line, f"{TEXT}\n{line}\n{TEXT}"], tasks=("wikipedia_paraphrase",))

    assert len(ask.asked) == 2
    assert [row for row, _ in tasks_of(found)] == [1]
    assert found.outcome["reason"].to_pylist() == ["nemotron_cc.long_line", "nemotron_cc.partly"]


def test_a_quality_that_is_no_number_is_refused():
    words = documents([TEXT]).append_column("bucket", pa.array(["low"]))

    with pytest.raises(RecipeError, match="score 'bucket' is string; wanted numbers"):
        refiner(quality="bucket").write(Scripted(good), words)


def test_a_license_that_forbids_changes_keeps_a_document_from_being_asked_about():
    found, ask = made([TEXT], tasks=HIGH, require_derivable=True)

    assert ask.asked == []
    assert found.outcome["reason"].to_pylist() == ["nemotron_cc.license"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_reads_no_more_than_it_may(name):
    _, ask = made(["\n".join([TEXT] * 20)], tasks=(name,))

    assert ask.asked
    assert all(len(one.prompt.encode()) / 4 <= TASKS[name].most_read for one in ask.asked)
    assert {one.max_tokens for one in ask.asked} == {TASKS[name].most_written}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "low and of high quality"),
        ({"tasks": ("distil",)}, "distill"),
        ({"tasks": ()}, "one or more"),
        ({"tasks": ("distill",), "most_copied": 2.0}, "most_copied"),
        ({"tasks": ("distill", "distill")}, "each once"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        refiner(**settings)


def test_it_reads_the_score_that_routes():
    assert refiner(quality="good.bucket").reads == ("text", "good.bucket")


def test_no_documents_make_none():
    found, _ = made([], tasks=HIGH)

    assert (found.children.num_rows, found.outcome.num_rows) == (0, 0)
