from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from curator.errors import RecipeError
from curator.generate import slots
from curator.generate.endpoint import Endpoint
from curator.generate.exchange import Server
from curator.generate.local import LocalModel
from curator.generate.prompts import find_prompt
from curator.generate.verdicts import read_answers
from curator.score.pretrained import open_model
from curator.testing import tiny_language_model
from tests.support.judges import SMOLLM2, llama_server, request

FORMS = ("a", "b", " c")
TEXTS = ["is it so", "x", "", "a longer question than that, of more tokens", "a <s> b"]
# A chat format of one token of the model ("<s>") and plain words.
CHAT = (
    "{% for m in messages %}<s>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}>{% endif %}"
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    torch.set_num_threads(1)
    return open_model(tiny_language_model(tmp_path_factory.mktemp("model")))


def judge(opened: tuple[Any, Any], chat: str | None = CHAT) -> LocalModel:
    opened[1].chat_template = chat
    return LocalModel(*opened, name="tiny", device="cpu", precision="float32")


def raw(text: str, **changes: Any) -> Any:
    return request("", prompt=f"{text}?", forms=FORMS, chat=False, shown=f"{text}.", **changes)


def next_token_odds(opened: tuple[Any, Any], ids: list[int]) -> dict[str, float]:
    """By one prompt alone, without padding or memory."""
    model, tokenizer = opened
    with torch.inference_mode():
        odds = torch.softmax(model(torch.tensor([ids])).logits[0, -1], 0)
    return {
        form: sum(
            float(odds[token])
            for token in range(len(odds))
            if tokenizer.backend_tokenizer.decode([token], skip_special_tokens=False) == form
        )
        for form in FORMS
    }


def test_odds_are_those_of_the_prompt_alone(opened: tuple[Any, Any]):
    found = dict(judge(opened).answers([raw(text) for text in TEXTS]))
    fast = opened[1].backend_tokenizer
    fast.encode_special_tokens = True

    for place, text in enumerate(TEXTS):
        ids = [0, *fast.encode(f"{text}?", add_special_tokens=False).ids]
        expected = next_token_odds(opened, ids)
        assert found[place].odds == pytest.approx(expected, abs=1e-6)
        assert found[place].prompt_tokens == len(ids)


def test_what_a_wording_begins_with_is_read_once_and_changes_no_odds(opened: tuple[Any, Any]):
    asked = [raw(f"Said with care: {text}") for text in TEXTS]
    kept = [raw(f"Said with care: {text}", opening=16) for text in TEXTS]
    once = judge(opened)
    passes = []
    forward = once._model.forward
    once._model.forward = lambda **given: (
        passes.append(given["input_ids"].shape) or forward(**given)
    )
    try:
        with_memory = dict(once.answers(kept))
    finally:
        del once._model.forward
    without = dict(judge(opened).answers(asked))

    for place in range(len(TEXTS)):
        # The same numbers but for the order of sums; tokens may be cut elsewhere at the border.
        if with_memory[place].prompt_tokens == without[place].prompt_tokens:
            assert with_memory[place].odds == pytest.approx(without[place].odds, abs=1e-5)
    assert sum(rows == 1 for rows, _ in passes) == 1  # the opening, read alone


def test_an_answer_does_not_depend_on_what_is_asked_beside_it(opened: tuple[Any, Any]):
    alone = [dict(judge(opened).answers([raw(text, opening=2)]))[0] for text in TEXTS]
    together = dict(judge(opened).answers([raw(text, opening=2) for text in TEXTS]))

    assert [together[place] for place in range(len(TEXTS))] == alone


def test_a_question_is_put_into_the_models_chat_format(opened: tuple[Any, Any]):
    asked = request("", prompt="is it", forms=FORMS)
    ((_, found),) = judge(opened).answers([asked])
    fast = opened[1].backend_tokenizer
    ids = [0, *(fast.encode(part, add_special_tokens=False).ids for part in ("is it", ">"))]
    flat = [ids[0], *ids[1], *ids[2]]

    assert found.odds == pytest.approx(next_token_odds(opened, flat), abs=1e-6)


def test_a_document_that_spells_a_special_token_is_read_as_characters(opened: tuple[Any, Any]):
    model = judge(opened)

    assert model.prompt_tokens(raw("<s>")) == model.prompt_tokens(raw("{s}"))


def test_generating_takes_the_likeliest_token_each_time(opened: tuple[Any, Any]):
    asked = request("", prompt="it is", forms=(), max_tokens=6, chat=False, opening=3)
    ((_, found),) = judge(opened).answers([asked])
    model, tokenizer = opened
    fast = tokenizer.backend_tokenizer
    parts = [fast.encode(part, add_special_tokens=False).ids for part in ("it ", "is")]
    ids = [0, *parts[0], *parts[1]]
    size = len(ids)
    with torch.inference_mode():
        for _ in range(6):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))

    assert found.tokens == 6
    assert found.text == fast.decode(ids[size:])


def test_a_prompt_beyond_the_context_is_refused(opened: tuple[Any, Any]):
    with pytest.raises(RecipeError, match=r"the model reads 1 to 64; show less"):
        list(judge(opened).answers([raw("long " * 60)]))


def test_a_model_without_a_chat_format_is_refused_for_a_chat_prompt(opened: tuple[Any, Any]):
    with pytest.raises(RecipeError, match="no chat format"):
        list(judge(opened, chat=None).answers([request("", prompt="is it", forms=FORMS)]))


def test_an_answer_that_is_no_single_token_is_refused(opened: tuple[Any, Any]):
    asked = request("", prompt="is it", forms=("a", "certainly not"), chat=False)

    with pytest.raises(RecipeError, match="'certainly not' is no single token"):
        list(judge(opened).answers([asked]))


@pytest.mark.slow
def test_smollm2_says_much_the_same_from_disk_and_behind_llama_cpp():
    from curator import weights

    prompt = find_prompt("quality")
    asked = [
        request("", prompt=prompt.ask(t), version=prompt.digest, shown=t, forms=prompt.forms())
        for t in ("The sea is salt because rivers carry salt into it.", "buy buy buy cheap pills")
    ]
    with llama_server() as url:
        served = dict(Endpoint(Server(url), "smollm2").answers(asked))
    pytest.importorskip("gguf")
    path = weights.find(SMOLLM2)
    local = LocalModel(*open_model(path), name="s", device="cpu", precision="float32")
    here = dict(local.answers(asked))
    grades = [read_answers(prompt, [one[0], one[1]], least_mass=0).grades for one in (served, here)]

    assert [served[n].prompt_tokens for n in (0, 1)] == [here[n].prompt_tokens for n in (0, 1)]
    # llama.cpp multiplies 4-bit weights with 8-bit activations: 0.02 apart when this was written.
    np.testing.assert_allclose(*grades, atol=0.06)


def asked_to_write(n: int = 7, **changes: Any) -> list[Any]:
    """Return questions of several lengths; answers of several lengths."""
    return [
        request(
            f"{k}",
            prompt=f"it is {'so ' * (k % 5)}{k}",
            forms=(),
            chat=False,
            **({"max_tokens": 3 + 4 * (k % 4)} | changes),
        )
        for k in range(n)
    ]


@pytest.mark.parametrize("drawn", [{}, {"temperature": 1.5, "top_p": 0.9, "seed": 4}])
def test_what_is_written_does_not_depend_on_what_is_written_beside_it(
    opened: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, drawn: dict
):
    monkeypatch.setattr(slots, "_SLOTS", {"cpu": 3})  # fewer than questions: slots are refilled
    asked = asked_to_write(**drawn)
    together = dict(judge(opened).answers(asked))

    assert sorted(together) == list(range(len(asked)))
    for place, one in enumerate(asked):
        assert dict(judge(opened).answers([one]))[0] == together[place]


def test_drawn_answers_hang_on_their_seed_alone(opened: tuple[Any, Any]):
    first, again, other = (
        [
            one.text
            for _, one in sorted(judge(opened).answers(asked_to_write(temperature=1.0, seed=s)))
        ]
        for s in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_many_are_written_as_each_is_token_by_token(
    opened: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slots, "_SLOTS", {"cpu": 2})
    model, tokenizer = opened
    fast = tokenizer.backend_tokenizer
    found = dict(judge(opened).answers(asked_to_write(opening=3)))

    for place, one in enumerate(asked_to_write()):
        parts = [fast.encode(part, add_special_tokens=False).ids
                 for part in (one.prompt[:3], one.prompt[3:])]  # fmt: skip
        ids = [0, *parts[0], *parts[1]]
        size = len(ids)
        with torch.inference_mode():
            for _ in range(one.max_tokens):
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert found[place].text == fast.decode(ids[size:]).rstrip("\ufffd")
        assert (found[place].prompt_tokens, found[place].finish) == (size, "length")


def test_an_answer_ends_before_the_first_of_its_stops(opened: tuple[Any, Any]):
    (plain,) = asked_to_write(1, max_tokens=30, temperature=1.0)
    ((_, whole),) = judge(opened).answers([plain])
    late, early = whole.text[12:14], whole.text[5:7]
    (stopped,) = asked_to_write(1, max_tokens=30, temperature=1.0)
    # The key is the draws' name, so the same words come only under the same key.
    keyed = dataclasses.replace(stopped, stop=(late, early))
    object.__setattr__(keyed, "key", plain.key)
    ((_, answer),) = judge(opened).answers([keyed])

    assert answer.text == whole.text[: min(whole.text.index(late), whole.text.index(early))]
    assert answer.finish == "stop"
    assert answer.tokens < whole.tokens


def test_an_end_of_text_ends_an_answer(opened: tuple[Any, Any]):
    writer = judge(opened)
    ((_, whole),) = writer.answers(asked_to_write(1))
    first = int(
        opened[0](torch.tensor([[0, *opened[1].backend_tokenizer.encode("it is 0").ids]]))
        .logits[0, -1].argmax()
    )  # fmt: skip
    writer._model.generation_config.eos_token_id = first
    try:
        ((_, ended),) = writer.answers(asked_to_write(1))
    finally:
        writer._model.generation_config.eos_token_id = 0

    assert whole.tokens > 0
    assert (ended.text, ended.tokens, ended.finish) == ("", 0, "stop")


def test_a_request_that_is_too_long_is_skipped_only_if_told(opened: tuple[Any, Any]):
    asked = [*asked_to_write(2), *asked_to_write(1, max_tokens=500)]
    opened[1].chat_template = CHAT
    lenient = LocalModel(*opened, name="tiny", device="cpu", precision="float32", skip_refused=True)
    found = dict(lenient.answers(asked))

    assert [found[place].finish for place in range(3)] == ["length", "length", "refused"]
    assert lenient.prompt_tokens(asked[2]) == 0
    with pytest.raises(RecipeError, match="smaller pieces"):
        list(judge(opened).answers(asked))


def test_a_system_turn_stands_before_the_users(opened: tuple[Any, Any]):
    plain = request("", prompt="is it", forms=FORMS)
    told = dataclasses.replace(plain, system="be brief")
    writer = judge(opened)

    assert writer.prompt_tokens(told) > writer.prompt_tokens(plain)
    assert dict(writer.answers([told]))[0].odds != dict(writer.answers([plain]))[0].odds


@pytest.mark.gpu
def test_a_gpu_writes_as_the_cpu_does(opened: tuple[Any, Any]):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    texts = []
    for device in ("cpu", "cuda"):
        writer = LocalModel(*opened, name="tiny", device=device, precision="float32")
        texts.append([one.text for _, one in sorted(writer.answers(asked_to_write(20)))])
    opened[0].to("cpu")

    # Likeliest tokens may be near ties in other arithmetic.
    assert sum(one == other for one, other in zip(*texts, strict=True)) >= 18


@pytest.mark.slow
def test_smollm2_writes_the_same_alone_and_beside_others():
    from curator import weights

    pytest.importorskip("gguf")
    path = weights.find(SMOLLM2)
    asked = [
        request(f"{k}", prompt=f"Tell me about the number {k}.", forms=(), max_tokens=12,
                temperature=0.7, top_p=0.9)
        for k in range(5)
    ]  # fmt: skip
    writer = LocalModel(*open_model(path), name="s", device="cpu", precision="float32")
    together = dict(writer.answers(asked))

    assert [dict(writer.answers([one]))[0] for one in asked] == [together[k] for k in range(5)]
