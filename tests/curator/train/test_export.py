"""A proxy handed to transformers: the same logits, loaded from its folder alone."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import pyarrow as pa
import pytest
import torch

from curator.errors import LedgerError
from curator.train.checkpoint import RECORD, load_model
from curator.train.export import CODE, export_transformers
from curator.train.loop import train
from curator.train.proxy import Proxy
from curator.train.tokenizer import BOS, bos_id, digest, encode, load_tokenizer, train_bpe
from tests.support.mixtures import write_mixture

PROXY = Proxy(depth=2, width=32, heads=2, context=32, batch_tokens=128, precision="fp32")
TEXTS = pa.array([f"the {n} cats sat on {3 * n} mats and looked at {BOS} café" for n in range(40)])


@pytest.fixture(scope="module", params=["gpt", "llama", "lexical"])
def run(request, tmp_path_factory):
    """A trained proxy of each architecture, with a real tokenizer."""
    place = tmp_path_factory.mktemp("run")
    path = train_bpe([TEXTS], 300, place)
    tokenizer = load_tokenizer(path)
    offsets, ids = encode(tokenizer, TEXTS)
    documents = [("cats", ids[start + 1 : stop].tolist()) for start, stop in pairwise(offsets)]
    mixture = write_mixture(place / "mixture", documents, tokenizer.get_vocab_size())
    described = json.loads((mixture / "mixture.json").read_text())
    described |= {"tokenizer_digest": digest(path), "bos_id": bos_id(tokenizer)}
    (mixture / "mixture.json").write_text(json.dumps(described))
    path.rename(mixture / "tokenizer.json")
    proxy = dataclasses.replace(PROXY, arch=request.param)
    train(mixture, proxy, tokens=128 * 20, seed=1, order_seed=1, out=place / "proxy")
    return place / "proxy"


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_transformers(run, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder / "modules"))
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
        yield model.eval(), AutoTokenizer.from_pretrained(folder, trust_remote_code=True)


def ids_of(exported, *texts):
    _, tokenizer = exported
    return tokenizer(list(texts), return_tensors="pt", padding=True)


def test_logits_are_those_of_our_own_model(run, exported):
    tokens = torch.randint(0, 288, (3, 32), generator=torch.Generator().manual_seed(1))
    ours = load_model(run)

    with torch.no_grad():
        logits = exported[0](tokens).logits
        raw = ours(tokens) @ ours.head.weight.T

    expected = 15 * raw / (raw.square() + 225).sqrt()
    assert logits.abs().max() > 1
    assert torch.allclose(logits, expected, atol=1e-5)
    bits = -logits[:, :-1].log_softmax(-1).gather(2, tokens[:, 1:, None])[..., 0] / torch.log(
        torch.tensor(2.0)
    )
    assert torch.allclose(bits, ours.bits(tokens[:, :-1], tokens[:, 1:]), atol=1e-4)


def test_labels_give_the_loss_that_training_saw(run, exported):
    tokens = torch.randint(0, 288, (2, 20), generator=torch.Generator().manual_seed(2))

    loss = exported[0](tokens, labels=tokens).loss

    assert loss.item() == pytest.approx(
        load_model(run).loss(tokens[:, :-1], tokens[:, 1:]).item(), abs=1e-5
    )


def test_a_cache_changes_nothing(exported):
    model, _ = exported
    tokens = torch.randint(0, 288, (2, 24), generator=torch.Generator().manual_seed(3))

    with torch.no_grad():
        whole = model(tokens).logits
        begun = model(tokens[:, :10], use_cache=True)
        rest = model(tokens[:, 10:20], past_key_values=begun.past_key_values)
        last = model(tokens[:, 20:21], past_key_values=rest.past_key_values)

    assert model(tokens, use_cache=False).past_key_values is None
    pieces = torch.cat((begun.logits, rest.logits, last.logits), 1)
    assert torch.allclose(pieces, whole[:, :21], atol=1e-5)


@pytest.mark.parametrize("cached", [True, False])
def test_texts_padded_on_the_left_go_on_as_they_do_alone(exported, cached):
    model, tokenizer = exported
    tokenizer.padding_side = "left"
    both = ids_of(exported, "the 3 cats", "the 12 cats sat on 36")
    settings = {"max_new_tokens": 8, "do_sample": False, "use_cache": cached}

    together = model.generate(**both, **settings)
    alone = model.generate(**ids_of(exported, "the 3 cats"), **settings)

    assert together[0, -8:].tolist() == alone[0, -8:].tolist()
    assert not together.requires_grad


def test_the_tokenizer_starts_texts_as_documents_start(run, exported):
    _, tokenizer = exported
    ours = load_tokenizer(run / "tokenizer.json")

    for text in ("the 3 cats", f"a {BOS} spelled out", ""):
        _, ids = encode(ours, pa.array([text]))
        assert tokenizer(text)["input_ids"] == ids.tolist()
        assert tokenizer.decode(ids[1:]) == text
    assert tokenizer.bos_token == tokenizer.eos_token == BOS
    assert tokenizer.model_max_length == 32


def test_the_code_needs_no_curator(run, tmp_path):
    export_transformers(run, tmp_path)

    code = (tmp_path / CODE).read_text()

    assert "import curator" not in code
    assert "from curator" not in code


def test_an_unfinished_run_and_a_strange_tokenizer_are_refused(run, tmp_path):
    with pytest.raises(LedgerError, match="only a finished run"):
        export_transformers(tmp_path, tmp_path)
    for file in run.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").write_bytes((run / "tokenizer.json").read_bytes() + b"\n")
    with pytest.raises(LedgerError, match="trained with"):
        export_transformers(tmp_path, tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(LedgerError, match=r"holds no tokenizer\.json"):
        export_transformers(tmp_path, tmp_path)
    assert (tmp_path / RECORD).exists()
