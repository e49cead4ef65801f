"""The step that Adam takes after one document: what training on it would do to the weights."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from curator.influence.state import State
from curator.train.optim import ADAM_BETAS, ADAM_EPSILON

# Under the root: princeton-nlp/LESS, collect_grad_reps.py, obtain_gradients_with_adam.
_PAPER_EPSILON = 1e-8


def adam_step(
    gradient_D: Tensor, state: State, name: str, *, compat: Literal["", "paper_repo"] = ""
) -> Tensor:
    """Return Adam's direction for each document's gradient of one weight, (D, *shape).

    With moments m and v, g the gradient and t the steps done, m' = b1 m + (1 - b1) g and
    v' = b2 v + (1 - b2) g^2, it is m' / (1 - b1^(t+1)) over sqrt(v' / (1 - b2^(t+1))) + eps (Kingma
    and Ba 2015, arXiv:1412.6980, algorithm 1). Training moves against it: two documents whose
    directions agree lower each other's loss.

    Args:
        gradient_D: of D documents, float32.
        state: moments by weight name, and the steps done.
        name: of the weight.
        compat: "paper_repo": m' / sqrt(v' + 1e-8), without bias correction, as the code of LESS.
    """
    mean, square = ADAM_BETAS
    first = gradient_D.mul(1 - mean).add_(state.first[name], alpha=mean)
    second = gradient_D.square().mul_(1 - square).add_(state.second[name], alpha=square)
    if compat:
        return first.div_(second.add_(_PAPER_EPSILON).sqrt_())
    after = state.step + 1
    second.div_(1 - square**after).sqrt_().add_(ADAM_EPSILON)
    return first.div_(1 - mean**after).div_(second)
