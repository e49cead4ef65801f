"""Muon for the matrices inside blocks, AdamW for embedding and head.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon; KellerJordan/Muon muon.py) replaces
a matrix's momentum by the nearest orthogonal matrix, found by five Newton-Schulz steps. Matrices
of one shape are orthogonalized together as a stack. It is the default here because it is flat in
its rate: comparing mixtures needs an optimizer that no mixture suits better than another.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from curator.errors import LedgerError, RecipeError
from curator.train.proxy import Rates

# Coefficients of the quintic that pushes singular values toward 1: KellerJordan/Muon muon.py.
QUINTIC = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
ADAM_BETAS = (0.8, 0.95)  # modded-nanogpt track 3; nanochat's are the same
ADAM_EPSILON = 1e-10
SMEAR_RATE = 0.2  # nanochat/gpt.py


def orthogonalize(stack: Tensor) -> Tensor:
    """Return matrices near the orthogonal factor of each: singular values within about 0.7 to 1.2.

    Args:
        stack: (n, rows, columns) with rows <= columns, float32 or bfloat16.
    """
    a, b, c = QUINTIC
    x: Tensor = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon:
    """Muon over matrices of any shapes, with Nesterov momentum and decoupled weight decay.

    A weight of three axes is a stack of matrices, each turned alone.
    """

    def __init__(
        self,
        weights: Mapping[str, nn.Parameter],
        rates: Rates,
        compute: torch.dtype = torch.float32,
    ) -> None:
        self.rates, self.compute = rates, compute
        self.weights = dict(weights)
        self.momenta = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        self.stacks: dict[tuple[int, int], list[str]] = {}
        for name, weight in weights.items():
            rows, columns = weight.shape[-2:]
            self.stacks.setdefault((min(rows, columns), max(rows, columns)), []).append(name)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Move every weight by the highest rate times `factor`."""
        for names in self.stacks.values():
            wide = torch.stack([self._direction(name) for name in names])
            turned = orthogonalize(wide.flatten(0, -3))
            for name, update in zip(names, turned.view_as(wide), strict=True):
                self._move(self.weights[name], update, self.rates.matrix * factor)

    def _direction(self, name: str) -> Tensor:
        """Return the Nesterov momentum, transposed to be wide."""
        gradient, momentum = self.weights[name].grad, self.momenta[name]
        if gradient is None:
            raise RecipeError(f"weight {name!r} has no gradient; call backward before step")
        momentum.lerp_(gradient, 1 - self.rates.momentum)
        direction = gradient.lerp(momentum, self.rates.momentum)
        wide = direction.mT if direction.shape[-2] > direction.shape[-1] else direction
        return wide.to(self.compute)

    def _move(self, weight: nn.Parameter, update: Tensor, rate: float) -> None:
        rows, columns = weight.shape[-2:]
        update = update.mT if rows > columns else update
        weight.mul_(1 - rate * self.rates.weight_decay)
        weight.add_(update, alpha=-rate * max(1.0, rows / columns) ** 0.5)


def outer_rate(name: str, rates: Rates) -> float | None:
    """Return AdamW's rate of a weight outside the blocks' matrices; None for one of those."""
    if name == "embedding.weight":
        return rates.embedding
    if name.startswith("values."):
        return rates.embedding / 2  # as in nanochat/gpt.py
    if name == "head.weight" or name.endswith("value_gate.weight"):
        return rates.head
    return SMEAR_RATE if name.startswith("smear") else None


class Optimizer:
    """Both optimizers of one model behind one step; its state is named tensors."""

    def __init__(self, model: nn.Module, rates: Rates) -> None:
        named = dict(model.named_parameters())
        outer = {name: rate for name in named if (rate := outer_rate(name, rates)) is not None}
        matrices = {name: weight for name, weight in named.items() if name not in outer}
        groups = [
            {"params": [named[name]], "lr": rate, "peak": rate, "weight_decay": 0.0}
            for name, rate in outer.items()
        ]
        # What products are made in: the rule was made for bfloat16 (KellerJordan/Muon muon.py).
        compute = getattr(model, "compute", torch.float32)
        self.muon = Muon(matrices if rates.optimizer == "muon" else {}, rates, compute)
        if rates.optimizer == "adamw":
            group = {"params": [*matrices.values()], "lr": rates.matrix, "peak": rates.matrix}
            groups.append({**group, "weight_decay": rates.weight_decay})
        self.names = {weight: name for name, weight in named.items()}
        self.adam = torch.optim.AdamW(groups, betas=ADAM_BETAS, eps=ADAM_EPSILON, fused=True)

    def step(self, factor: float) -> None:
        """Move every weight by its highest rate times `factor`, and drop the gradients."""
        self.muon.step(factor)
        for group in self.adam.param_groups:
            group["lr"] = group["peak"] * factor
        self.adam.step()
        for weight in self.names:
            weight.grad = None

    def state(self) -> dict[str, Tensor]:
        """Return everything the next step depends on, by name."""
        tensors = {f"muon.{name}": momentum for name, momentum in self.muon.momenta.items()}
        for weight, name in self.names.items():
            parts = self.adam.state.get(weight, {})
            tensors |= {f"adam.{name}.{key}": part for key, part in parts.items()}
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned.

        Raises:
            LedgerError: the tensors are another model's or optimizer's.
        """
        for name, momentum in self.muon.momenta.items():
            if f"muon.{name}" not in tensors:
                raise LedgerError(f"the checkpoint has no momentum for {name!r}; delete it")
            momentum.copy_(tensors[f"muon.{name}"])
        for group in self.adam.param_groups:
            for weight in group["params"]:
                prefix = f"adam.{self.names[weight]}."
                found = {
                    k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)
                }
                if set(found) != {"step", "exp_avg", "exp_avg_sq"}:
                    raise LedgerError(
                        f"the checkpoint has {sorted(found)} at {prefix!r}; delete it"
                    )
                self.adam.state[weight] = {
                    key: part.to(weight.device).clone() for key, part in found.items()
                }
