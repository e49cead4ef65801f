from __future__ import annotations

import math

import pytest
import torch

from curator.errors import RecipeError
from curator.influence.captured import document_gradients
from curator.train.model import Gpt
from curator.train.proxy import Shape

EVERY = ("blocks", "head", "embedding", "values")


def model_of(arch: str, device: str = "cpu") -> Gpt:
    shape = Shape(vocab_size=50, context=16, depth=2, width=32, heads=2, arch=arch)
    model = Gpt(shape, seed=3)
    with torch.no_grad():  # matrices that start at zero would hide what lies before them
        random = torch.Generator().manual_seed(1)
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=random), alpha=0.1)
    return model.to(device).eval()


def batch(length: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 50, (4, length + 1), generator=random)
    return tokens[:, :-1], tokens[:, 1:], torch.tensor([length, 5, length - 3, 1])


def by_autograd(model, tokens, targets, count, output) -> dict[str, torch.Tensor]:
    """One document alone, without padding, window by window, by plain operations."""
    model.requires_grad_(True)
    losses = []
    for begin in range(0, count, model.shape.context):
        part = slice(begin, min(count, begin + model.shape.context))
        hidden = model(tokens[None, part])
        raw = hidden[0] @ model.head.weight.T
        logits = 15 * raw / torch.sqrt(raw.square() + 15**2)
        losses.append(torch.nn.functional.cross_entropy(logits, targets[part], reduction="none"))
    loss = torch.cat(losses)
    value = loss
    if output == "margin":
        value = -loss - torch.log1p(-torch.exp(-loss))
    names, weights = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(value.mean(), weights, allow_unused=True)
    zeros = (torch.zeros_like(weight) for weight in weights)
    return dict(
        zip(names, (z if g is None else g for g, z in zip(found, zeros, strict=True)), strict=True)
    )


@pytest.mark.parametrize("arch", ["gpt", "llama", "lexical"])
@pytest.mark.parametrize("output", ["loss", "margin"])
@pytest.mark.parametrize("length", [16, 48])
def test_every_documents_gradient_is_autograds_of_it_alone(arch: str, output: str, length: int):
    model, (tokens, targets, counts) = model_of(arch), batch(length)
    layers = EVERY if arch == "lexical" else EVERY[:3]

    spoken = document_gradients(model, tokens, targets, counts, layers=layers, output=output)
    found = dict(spoken.gradients)

    for row, count in enumerate(counts.tolist()):
        expected = by_autograd(model, tokens[row], targets[row], count, output)
        scale = math.sqrt(sum(float(each.square().sum()) for each in expected.values()))
        assert {name for name in expected if not name.startswith("smear")} == set(found)
        for name, gradient in found.items():
            # Relative to the whole gradient: float32 sums in another order.
            torch.testing.assert_close(gradient[row], expected[name], rtol=0, atol=2e-6 * scale)


def test_the_cap_of_the_reference_is_that_of_the_model():
    from curator.train.kernels import CAP

    assert CAP == 15


def test_probabilities_are_means_over_the_tokens_that_count():
    model, (tokens, targets, counts) = model_of("gpt"), batch()

    spoken = document_gradients(model, tokens, targets, counts)

    bits = model.bits(tokens, targets)
    expected = [float(torch.exp2(-bits[i, :n]).mean()) for i, n in enumerate(counts.tolist())]
    assert spoken.probabilities.tolist() == pytest.approx(expected, rel=1e-5)


def test_only_the_layers_asked_for_are_given():
    model, (tokens, targets, counts) = model_of("gpt"), batch()

    spoken = document_gradients(model, tokens, targets, counts, layers=("head",))

    assert [name for name, _ in spoken.gradients] == ["head.weight"]


def test_layers_that_a_model_has_not_are_refused():
    model, (tokens, targets, counts) = model_of("gpt"), batch()

    with pytest.raises(RecipeError, match=r"layers \['values'\] name no weights"):
        document_gradients(model, tokens, targets, counts, layers=("values",))


@pytest.mark.gpu
def test_a_gpu_gives_the_gradients_of_a_cpu():
    asked = batch()
    found, expected = (
        dict(
            document_gradients(
                model_of("lexical", device), *(part.to(device) for part in asked), layers=EVERY
            ).gradients
        )
        for device in ("cuda", "cpu")
    )

    for name, gradient in expected.items():
        # Attention of a GPU sums in another order than the kernels of a CPU.
        torch.testing.assert_close(found[name].cpu(), gradient, rtol=1e-3, atol=1e-4)
