"""Every document's own gradient, one weight at a time, from one pass over a batch of documents.

A linear map's gradient is the sum over positions of (gradient of the output) x (input), so a batch
that is run once with its inputs and output gradients kept has every document's gradient of every
weight, at the price of one backward pass (Goodfellow 2015, arXiv:1510.01799). They are handed out
weight by weight and never stand side by side: the most that is held is documents x the largest
weight. `Watch` sees every linear map and every table, whatever module makes it, and the model
stays as it is.
"""

# Shapes: D documents, W windows of one, T positions of a window, L = W x T, I inputs, O outputs,
# V vocabulary, C width.
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from curator.errors import PluginError, RecipeError
from curator.train.loss import logit_rows, slopes_for
from curator.train.model import Gpt

Layers = Literal["blocks", "head", "embedding", "values"]
Output = Literal["loss", "margin"]
# Below this 1 - p the margin's gradient is that of a token with just this chance of being wrong:
# float32 knows probabilities near 1 to 6e-8.
_LEAST_DOUBT = 1e-6


class Application(NamedTuple):
    """One use of a weight: by a linear map, or as a table.

    Attributes:
        names: of the weight, or of several that were joined along their first axis.
        sizes: rows of each.
        inputs: (B, T, I) float32, or (B, T) int64 of tokens where the weight is a table.
        outputs: (B, T, O), what gradients are asked of.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    inputs: Tensor
    outputs: Tensor


class Watch(TorchFunctionMode):
    """While it is entered, keeps the inputs and outputs of linear maps and tables of a model.

    Weights must not ask for gradients: what they are applied to begins the graph.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = dict(names)  # id of a weight -> its name
        self.joined: dict[int, tuple[Tensor, tuple[str, ...], tuple[int, ...]]] = {}
        self.seen: list[Application] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Return what `func` gives, having noted it if it applies a weight."""
        out = func(*args, **(kwargs or {}))
        if func is torch.cat:
            self._join(args[0], out)
        elif func in (functional.linear, functional.embedding):
            self._note(args[1], args[0], out)
        return out

    def _join(self, parts: Sequence[Tensor], out: Tensor) -> None:
        if all(id(part) in self.names for part in parts):
            names = tuple(self.names[id(part)] for part in parts)
            # Held with its id, so that no other tensor can get the same one.
            self.joined[id(out)] = (out, names, tuple(len(part) for part in parts))

    def _note(self, weight: Tensor, inputs: Tensor, out: Tensor) -> None:
        if not out.requires_grad:
            out.requires_grad_()
        if id(weight) in self.names:
            name, size = self.names[id(weight)], len(weight)
            self.seen.append(Application((name,), (size,), inputs.detach(), out))
        elif id(weight) in self.joined:
            _, names, sizes = self.joined[id(weight)]
            self.seen.append(Application(names, sizes, inputs.detach(), out))


class Spoken(NamedTuple):
    """What a pass over a batch of documents gives.

    Attributes:
        probabilities: (D,) float32, the mean probability of a document's tokens.
        gradients: name of a weight -> (D, *shape) float32, one weight at a time; once.
    """

    probabilities: Tensor
    gradients: Iterator[tuple[str, Tensor]]


def kept_weights(model: Gpt, layers: Sequence[Layers]) -> Mapping[str, Tensor]:
    """Return the weights that `layers` stand for, by name.

    "blocks" are the matrices inside blocks, "values" the tables of values of the arch "lexical".

    Raises:
        RecipeError: there are none.
    """
    prefixes = tuple(f"{layer}." for layer in layers)
    found = {name: each for name, each in model.named_parameters() if name.startswith(prefixes)}
    if not found:
        raise RecipeError(
            f"layers {list(layers)!r} name no weights of this model; wanted some of 'blocks', "
            "'head', 'embedding' or, of the arch 'lexical', 'values'"
        )
    return found


def document_gradients(
    model: Gpt,
    tokens_DL: Tensor,
    targets_DL: Tensor,
    counts_D: Tensor,
    *,
    layers: Sequence[Layers] = ("blocks",),
    output: Output = "loss",
) -> Spoken:
    """Return each document's gradient of its mean over tokens of `output`, weight by weight.

    Args:
        model: float32, in evaluation; its weights stop asking for gradients.
        tokens_DL: int64 inputs; L is at most the context or a multiple of it, and longer documents
            are read as windows of one context, as rows are in training.
        targets_DL: the token wanted after each.
        counts_D: leading positions of each document that count; the rest is padding, which does
            not enter.
        layers: whose weights.
        output: "loss", -log p; or "margin", log p / (1 - p), TRAK's output function (Park et al.
            2023, arXiv:2303.14186, section 3.2).
    """
    model.requires_grad_(requires_grad=False)
    documents, length = tokens_DL.shape
    window = min(length, model.shape.context)
    wanted = kept_weights(model, layers)
    names = {id(weight): name for name, weight in wanted.items() if name != "head.weight"}
    with Watch(names) as watch:
        hidden_NC = model(tokens_DL.reshape(-1, window)).flatten(0, 1)
    counted_DL = torch.arange(length, device=counts_D.device) < counts_D[:, None]
    shares_DL = counted_DL / counts_D.clamp(min=1)[:, None]
    above_NC, probabilities, head = _outputs(
        model, hidden_NC.detach(), targets_DL, shares_DL, output, wanted="head.weight" in wanted
    )
    outputs = [each.outputs for each in watch.seen]
    slopes = torch.autograd.grad(hidden_NC, outputs, above_NC) if outputs else ()
    return Spoken(probabilities, _by_weight(watch.seen, slopes, wanted, documents, head))


def _by_weight(
    seen: Sequence[Application],
    slopes: Sequence[Tensor],
    wanted: Mapping[str, Tensor],
    documents: int,
    head: Tensor | None,
) -> Iterator[tuple[str, Tensor]]:
    """Yield the gradients of weights in the order in which the model applies them, then the head's.

    Raises:
        PluginError: some weights were applied twice or never: sums over uses are not made here.
    """
    told = [name for each in seen for name in each.names] + ["head.weight"] * (head is not None)
    if sorted(told) != sorted(wanted):
        raise PluginError(
            f"the model applies weights {sorted(told)}, wanted each of {sorted(wanted)} once"
        )
    for application, slope in zip(seen, slopes, strict=True):
        above_DLO = slope.reshape(documents, -1, slope.shape[-1])
        if application.inputs.dtype == torch.int64:
            (name,) = application.names
            yield name, _of_table(application.inputs, above_DLO, len(wanted[name]))
            continue
        inputs_DLI = application.inputs.reshape(documents, -1, application.inputs.shape[-1])
        joined = torch.bmm(above_DLO.mT, inputs_DLI)
        parts = torch.split(joined, list(application.sizes), dim=1)
        yield from zip(application.names, parts, strict=True)
    if head is not None:
        yield "head.weight", head


def _of_table(tokens: Tensor, above_DLC: Tensor, rows: int) -> Tensor:
    """Return (D, V, C): each token's row has the sum of what came back where it stands."""
    documents, _, width = above_DLC.shape
    place = (
        tokens.reshape(documents, -1)
        + rows * torch.arange(documents, device=tokens.device)[:, None]
    )
    found = above_DLC.new_zeros(documents * rows, width)
    return found.index_add_(0, place.flatten(), above_DLC.flatten(0, 1)).view(
        documents, rows, width
    )


def _outputs(
    model: Gpt,
    hidden_NC: Tensor,
    targets_DL: Tensor,
    shares_DL: Tensor,
    output: Output,
    *,
    wanted: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradient by the hidden states, (N, C), each document's mean probability, (D,),
    and, if `wanted`, the head's gradient, (D, V, C)."""
    documents, length = targets_DL.shape
    head_VC = model.head.weight
    slopes_of = slopes_for(hidden_NC, head_VC, compiled=False)
    at_once = max(1, logit_rows(hidden_NC, len(head_VC)) // length)  # whole documents
    above_NC, probabilities, gradients = torch.empty_like(hidden_NC), [], []
    for begin in range(0, documents, at_once):
        part = slice(begin, begin + at_once)
        rows = slice(begin * length, min(documents, begin + at_once) * length)
        share_N = shares_DL[part].flatten()
        # Losses of one unit each: a share of nothing would hide what a token's probability is.
        losses, slope = slopes_of(
            hidden_NC[rows] @ head_VC.T, targets_DL[part].flatten(), torch.ones_like(share_N), 0.0
        )
        probability = torch.exp(-losses).float()
        probabilities.append((probability * share_N).view(-1, length).sum(1))
        factor = share_N
        if output == "margin":  # d log p/(1-p) = d log p / (1 - p)
            factor = -share_N / (1 - probability).clamp(min=_LEAST_DOUBT)
        slope.mul_(factor[:, None])
        torch.mm(slope, head_VC, out=above_NC[rows])
        if wanted:
            by_document = slope.view(-1, length, slope.shape[-1])
            hidden = hidden_NC[rows].view(-1, length, hidden_NC.shape[-1])
            gradients.append(torch.bmm(by_document.mT, hidden))
    return above_NC, torch.cat(probabilities), torch.cat(gradients) if wanted else None
