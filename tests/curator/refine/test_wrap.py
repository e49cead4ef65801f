"""Documents are said again passage by passage; what is no rewriting is counted and left out."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from curator.errors import BudgetError, RecipeError
from curator.generate.asking import Answer
from curator.generate.client import Client, Limits
from curator.generate.templates import find_template
from curator.refine.wrap import Wrap
from curator.stage import Site
from curator.testing import documents, tiny_language_model
from tests.support.writers import Scripted

LONG = (
    "The ferry to the island leaves at six in the morning and comes back after dark. It carries "
    "mail, bread and the two teachers of the school. In winter, when the bay freezes, a sled does "
    "the same work and takes three times as long."
)
SHORT = "Salt keeps fish for a year. Smoke keeps it for a month and tastes better."


def wrap(**settings):
    return Wrap(
        **({"model": "w", "url": "http://localhost:1/v1", "same_language": False} | settings)
    )


def passage(request):
    return request.prompt.split('"""')[1].strip()


def said_again(request):
    """Turn a passage around: its own words, but no five in a row."""
    return f"Here is a paraphrase:\n\n{' '.join(reversed(passage(request).rstrip('.').split()))}."


def written(texts, answer=said_again, **settings):
    ask = Scripted(answer)
    return wrap(**settings).write(ask, documents(texts)), ask


def test_a_document_becomes_its_rewritten_passages_in_order():
    found, ask = written([LONG, SHORT], passage_tokens=25)

    assert found.children["row"].to_pylist() == [0, 1]
    assert found.outcome["reason"].to_pylist() == [None, None]
    assert [one.piece for one in ask.asked] == [0, 1, 2, 0]
    expected = " ".join(
        f"{' '.join(reversed(passage(one).rstrip('.').split()))}." for one in ask.asked[:3]
    )
    assert found.children["text"][0].as_py() == expected


def test_each_style_makes_a_document_of_its_own_and_is_named():
    found, _ = written([LONG], styles=("easy", "hard"))

    assert [json.loads(one)["style"] for one in found.children["about"].to_pylist()] == [
        "easy",
        "hard",
    ]


def test_half_of_the_passages_must_pass():
    def second_refused(request):
        return (
            "I'm sorry, but I cannot do that."
            if "school" in request.prompt
            else said_again(request)
        )

    kept, _ = written([LONG], second_refused, passage_tokens=25)
    none, _ = written([LONG], second_refused, passage_tokens=25, least_accepted=0.7)

    assert json.loads(kept.children["about"][0].as_py())["rejected"] == {"refusal": 1}
    assert kept.outcome["reason"].to_pylist() == ["wrap.partly"]
    assert none.children.num_rows == 0
    assert none.outcome.to_pylist() == [{"keep": True, "reason": "wrap.refusal"}]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda request: "", "wrap.empty"),
        (lambda request: passage(request), "wrap.copy"),
        (lambda request: Answer("Fish is", finish="length"), "wrap.empty"),
        (lambda request: Answer(said_again(request), finish="refused"), "wrap.refusal"),
        (lambda request: request.prompt, "wrap.echo"),
    ],
)
def test_a_document_of_which_nothing_is_made_says_why(answer, reason):
    found, _ = written([SHORT], answer)

    assert found.outcome["reason"].to_pylist() == [reason]
    assert found.children.num_rows == 0


def test_a_document_of_which_nothing_is_made_stays_unless_told_otherwise():
    stays, _ = written([SHORT], lambda request: "")
    goes, _ = written([SHORT, LONG], lambda request: "", keep_originals=False)

    assert stays.outcome["keep"].to_pylist() == [True]
    assert goes.outcome["keep"].to_pylist() == [False, False]


def test_questions_need_a_pair():
    pairs = (
        "Sure!\nQuestion: What keeps fish longest?\nAnswer: Salt, for a year, and smoke a month."
    )

    made, _ = written([SHORT], lambda request: pairs, styles=("qa",))
    none, _ = written([SHORT], lambda request: "Salt keeps fish.", styles=("qa",))

    assert made.children["text"].to_pylist() == [pairs.removeprefix("Sure!\n")]
    assert none.outcome["reason"].to_pylist() == ["wrap.pairs"]


def test_a_sentence_longer_than_a_passage_is_not_asked_about():
    found, ask = written([LONG.replace(".", ",")], passage_tokens=20)

    assert ask.asked == []
    assert found.outcome["reason"].to_pylist() == ["wrap.over"]


def test_only_what_may_be_changed_is_rewritten_where_that_is_required():
    table = documents([LONG, SHORT, SHORT + " So they say."])
    table = table.set_column(
        table.schema.get_field_index("license"), "license", pa.array(["CC BY-ND 4.0", "MIT", None])
    )
    ask = Scripted(said_again)
    found = wrap(require_derivable=True).write(ask, table)

    assert found.outcome["reason"].to_pylist() == ["wrap.license", None, "wrap.license"]
    assert len(ask.asked) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"styles": ("mediun",)}, "medium"),
        ({"styles": ()}, "one or more"),
        ({"styles": ("easy", "easy")}, "each once"),
        ({"passage_tokens": 0}, "passage_tokens"),
        ({"written": 1e308}, r"written=1e\+308"),
        ({"written": float("nan")}, "written=nan"),
        ({"least_accepted": 1.5}, "least_accepted"),
        ({"shortest": 4.0}, "ratios"),
        ({"model": "", "url": ""}, "no writer"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        wrap(**settings)


def test_a_wording_without_its_field_is_refused():
    with pytest.raises(RecipeError, match="wanted \\['passage'\\]"):
        find_template("wrap_easy").request({"text": "a"}, documents=["d"], max_tokens=1)


def test_a_model_that_cannot_read_a_passage_and_its_rewriting_is_refused(tmp_path):
    folder = tiny_language_model(tmp_path / "model", context=64)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{% for turn in messages %}{{ turn['content'] }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    refiner = wrap(url="", model=str(folder))
    model = refiner.load(Site(cache=tmp_path))

    with pytest.raises(RecipeError, match="reads 1 to 64"):
        refiner.refine(model, documents([LONG]))


def test_what_it_costs_is_known_before_anything_is_asked():
    ask = Scripted(said_again)
    refiner = wrap(max_requests=2, passage_tokens=25)
    model = Client(ask, limits=Limits(2))
    cost = refiner.cost(model, documents([LONG, SHORT]))

    assert cost.requests == 4
    assert ask.asked == []
    with pytest.raises(BudgetError, match="max_requests is 2"):
        refiner.afford(cost)


def test_the_wording_and_the_settings_name_the_work():
    one, other = wrap().identity(), wrap(styles=("easy",)).identity()

    assert one["templates"] == {"wrap_medium": find_template("wrap_medium").digest}
    assert one["templates"] != other["templates"]


def test_no_documents_make_none():
    found, _ = written([])

    assert (found.children.num_rows, found.outcome.num_rows) == (0, 0)


def test_what_a_document_becomes_does_not_depend_on_what_stands_beside_it():
    alone, _ = written([SHORT])
    beside, _ = written([LONG, SHORT, ""])

    assert beside.children["text"][1] == alone.children["text"][0]
    assert beside.outcome["reason"].to_pylist() == [None, None, "wrap.empty"]


def test_a_gigantic_answer_is_refused_and_nothing_is_lost():
    found, _ = written([SHORT], lambda request: "salt and smoke " * 100_000)

    assert found.outcome.to_pylist() == [{"keep": True, "reason": "wrap.long"}]
