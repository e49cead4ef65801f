"""Who trains a run together: one process, or several that split the rows of every batch."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray
from torch import Tensor, nn


class Group(Protocol):
    """The processes of one run, seen from one of them.

    All hold the same weights. Each takes its rows of a batch, and the gradients that `backward`
    leaves are those of the whole batch, so every process takes the same step.
    """

    rank: int  # this process's number, from 0
    size: int  # how many there are

    @property
    def is_writer(self) -> bool:
        """Whether this process writes checkpoints, weights and the record."""

    def rows(self, part: NDArray[Any]) -> NDArray[Any]:
        """Return this process's rows of a whole batch's array."""

    def backward(self, model: nn.Module, loss: Tensor, weight: float) -> float:
        """Return the mean loss of all processes, the gradient of that mean now in `model`.

        Args:
            model: whose parameters get the gradient.
            loss: this process's mean over its rows.
            weight: what that mean counts: its tokens, or the sum of their weights.
        """

    def agree(self, step: int) -> None:
        """Refuse to go on if another process stands at another step."""

    def wait(self) -> None:
        """Return when every process has come here."""


class Alone:
    """The group of one process."""

    rank = 0
    size = 1
    is_writer = True

    def rows(self, part: NDArray[Any]) -> NDArray[Any]:
        """Return the whole batch."""
        return part

    def backward(self, model: nn.Module, loss: Tensor, weight: float) -> float:
        """Return the loss, its gradient now in `model`."""
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def agree(self, step: int) -> None:
        """There is nobody to disagree with."""

    def wait(self) -> None:
        """There is nobody to wait for."""
