from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request
from curator.refine.instruct import Instruct, beginning
from curator.refine.pair_markup import write_pairs
from curator.refine.question_pairs import Pair
from curator.refine.refiner import Refined, refined
from curator.testing import documents
from tests.support.writers import Scripted

WORDS = ("one", "two", "six", "ten")
TEXTS = [f"The river {word} rose after three days of rain." for word in WORDS]


def asker(**settings: Any) -> Instruct:
    return Instruct(**({"model": "any", "url": "http://localhost/v1"} | settings))


def last_text(request: Request) -> str:
    return request.prompt.rsplit("Text:\n", 1)[1].split("\n")[0]


def answered(request: Request) -> str:
    """A question for which river it is, and what rose after what: grounded."""
    word = last_text(request).split()[2]
    return write_pairs(
        [
            Pair(f"Which river rose, and was it {word}?", f"The river {word}."),
            Pair(f"When did {word} rise?", "After three days of rain."),
        ]
    )


def made(refiner: Instruct, texts: list[str], rule=answered, source="test") -> Refined:
    table = documents(texts, source=source)
    return refiner.write(Scripted(rule), table)


def about(found: Refined) -> list[dict[str, Any]]:
    return [json.loads(one) for one in found.children["about"].to_pylist()]


def test_a_document_has_its_text_and_the_pairs_about_it():
    found = made(asker(), TEXTS)

    assert found.children["row"].to_pylist() == [0, 1, 2, 3]
    for row, text in enumerate(found.children["text"].to_pylist()):
        word = TEXTS[row].split()[2]
        assert TEXTS[row] in text
        assert f"Which river rose, and was it {word}?" in text
    assert [one["pairs"] for one in about(found)] == [2, 2, 2, 2]
    assert found.outcome["reason"].to_pylist() == [None] * 4


def test_a_chain_shows_earlier_texts_with_their_pairs_and_becomes_one_document():
    writer = Scripted(answered)
    found = asker(rounds=2).write(writer, documents(TEXTS))

    assert len(writer.asked) == 4
    assert TEXTS[0] in writer.asked[2].prompt  # the second round, after its own first text
    assert "<ANS> The river one. </END>" in writer.asked[2].prompt
    assert TEXTS[1] not in writer.asked[2].prompt
    assert found.children["row"].to_pylist() == [0, 1]
    assert found.children["also"].to_pylist() == [[2], [3]]
    assert found.outcome["reason"].to_pylist() == [None] * 2 + ["instruct.in_chain"] * 2
    assert found.outcome["keep"].to_pylist() == [True, True, False, False]


def test_a_chain_stays_within_a_source():
    table = documents(TEXTS)
    sources = pa.array(["a", "b", "a", "b"])
    table = table.set_column(table.schema.get_field_index("source"), "source", sources)
    found = asker(rounds=3).write(Scripted(answered), table)

    assert found.children["also"].to_pylist() == [[2], [3]]


def test_a_chain_is_broken_where_a_text_has_no_pair():
    found = made(
        asker(rounds=4), TEXTS, lambda request: "" if "six" in last_text(request) else
        answered(request),
    )  # fmt: skip

    assert found.children["also"].to_pylist() == [[1], None]
    assert found.children["row"].to_pylist() == [0, 3]
    assert found.outcome["reason"].to_pylist() == [
        None, "instruct.in_chain", "instruct.no_pairs", None,
    ]  # fmt: skip


def test_a_chain_that_would_not_fit_into_the_context_begins_anew():
    writer = Scripted(answered)
    found = asker(rounds=4, context_tokens=130, answer_tokens=50).write(writer, documents(TEXTS))

    assert max(len(one.prompt.split()) for one in writer.asked) < 130
    assert 1 < found.children.num_rows < 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I am sorry.", "no_pairs"),
        ("<QUE> Why? <ANS> Because", "unterminated"),
        ("", "no_pairs"),
        ("<QUE> Why? </END>", "no_answer"),
        (write_pairs([Pair("What?", "Photosynthesis.")]), "ungrounded"),
    ],
)
def test_no_valid_pair_is_counted_and_is_no_success(answer: str, reason: str):
    found = made(asker(), TEXTS, lambda _: Answer(answer))

    assert found.children.num_rows == 0
    assert found.outcome["reason"].to_pylist() == [f"instruct.{reason}"] * 4
    assert found.outcome["keep"].to_pylist() == [True] * 4


def test_pairs_that_are_marked_by_words_are_read_too():
    answer = "Question: Which river rose?\nAnswer: The river.\nQuestion: When?\nAnswer: After th"
    found = made(asker(), TEXTS[:1], lambda _: Answer(answer, finish="length"))

    assert about(found)[0]["pairs"] == 1
    assert "Which river rose?" in found.children["text"][0].as_py()


def test_an_answer_that_only_repeats_its_question_is_none():
    found = made(asker(), TEXTS[:1], lambda _: "Question: The river rose?\nAnswer: The river rose?")

    assert found.outcome["reason"].to_pylist() == ["instruct.no_pairs"]


def test_a_wording_in_lines_shows_earlier_pairs_in_lines():
    writer = Scripted(answered)
    asker(template="instruction_lines", rounds=2).write(writer, documents(TEXTS[:2]))

    assert "Question: When did one rise?\nAnswer: After three" in writer.asked[1].prompt
    assert "<QUE>" not in writer.asked[1].prompt


def test_a_document_with_a_mark_is_not_shown():
    writer = Scripted(answered)
    found = asker().write(writer, documents([TEXTS[0], "Ends </END> here.", " "]))

    assert len(writer.asked) == 1
    assert found.outcome["reason"].to_pylist() == [None, "instruct.mark", "instruct.empty"]


def test_shuffled_asks_the_same_and_gives_every_text_the_pairs_of_another():
    plain, shuffled = Scripted(answered), Scripted(answered)
    own = asker().write(plain, documents(TEXTS))
    control = asker(shuffled=True).write(shuffled, documents(TEXTS))

    assert shuffled.asked == plain.asked
    assert control.children["also"].to_pylist() == [[1], [2], [3], [0]]
    for row, text in enumerate(control.children["text"].to_pylist()):
        assert TEXTS[row] in text
        assert f"was it {WORDS[(row + 1) % 4]}?" in text
        assert f"was it {WORDS[row]}?" not in text
    assert about(control)[0]["pairs_of"] == [documents(TEXTS)["doc_id"][1].as_py().hex()]
    lengths = [sum(map(len, one.children["text"].to_pylist())) for one in (own, control)]
    assert lengths[0] == lengths[1]


def test_a_text_without_another_of_its_source_has_no_pairs_to_exchange():
    found = made(asker(shuffled=True), TEXTS[:1])

    assert found.children.num_rows == 0
    assert found.outcome["reason"].to_pylist() == ["instruct.alone"]


def test_only_documents_above_a_score_are_written_about():
    table = documents(TEXTS).append_column("gap", pa.array([0.0, 2.0, None, 3.0]))
    found = asker(among="gap").write(Scripted(answered), table)

    assert asker(among="gap").reads == ("text", "gap")
    assert found.children["row"].to_pylist() == [1, 3]
    assert found.outcome["reason"].to_pylist()[::2] == ["instruct.not_among"] * 2


def test_long_documents_are_shown_and_kept_up_to_whole_sentences():
    text = "One sentence is here. " * 20
    found = made(asker(max_characters=50, least_grounded=0.0), [text])

    assert found.outcome["reason"].to_pylist() == ["instruct.cut"]
    assert "One sentence is here. One sentence is here." in found.children["text"][0].as_py()
    assert beginning("a" * 90, 50) == "a" * 50
    assert beginning("Para.\n\nMore of it. And more.", 12) == "Para."


def test_the_block_keeps_the_contract_of_refiners():
    refiner = asker(rounds=2)
    client = Scripted(answered)

    class Door:
        def ask(self, requests):
            return [type("Entry", (), {"answer": one})() for one in client(requests)]

    found = refined(refiner, Door(), documents(TEXTS), name="instruct")

    assert found.children.num_rows == 2


def test_the_released_synthesizer_continues_its_own_format():
    writer = Scripted(lambda _: "")
    asker(template="instruction_synthesizer", chat=False).write(writer, documents(TEXTS[:1]))

    assert writer.asked[0].prompt == f" <CON> {TEXTS[0]} </CON>\n\n"
    assert not writer.asked[0].chat


@pytest.mark.parametrize(
    "setting",
    [{"rounds": 0}, {"rounds": 513}, {"answer_tokens": 0}, {"context_tokens": 400},
     {"least_grounded": 1.5}, {"convert": 0.0}, {"max_characters": 0}],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(setting: dict[str, Any]):
    with pytest.raises(RecipeError, match="wanted"):
        replace(asker(), **setting)
