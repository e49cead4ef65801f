"""One run on several processes, machines or GPUs: the same losses as one process, sooner.

    torchrun --nproc-per-node 2 -m curator.train.distributed MIXTURE --proxy d4 --tokens N \\
        --seed 1 --out DIR
    python -m curator.train.distributed MIXTURE --proxy d4 --tokens N --seed 1 --out DIR --ray 2

The first is for torchrun (more machines by its --nnodes and --rdzv-endpoint); the second starts
Ray Train workers, on the cluster of RAY_ADDRESS or, without one, on this machine. Processes talk
by NCCL where there are GPUs, one each, and by gloo on CPUs. Every process reads the mixture and
writes nothing; rank 0 alone writes checkpoints, weights and the record, into a folder that all
must see, since all resume from it.

Each rank takes an equal part of a batch's rows. Gradients are summed while the backward pass goes
on (Li et al. 2020, arXiv:2006.15704, section 3.2.3, without its buckets: a proxy has few and large
matrices), each rank's scaled by its share of the loss's weights, so their sum is the gradient of
the one mean over the batch. Every rank then takes the same optimizer step: no state is sharded,
which a proxy's size does not ask for. Losses are those of one process up to the order of
additions; dropout alone differs, each rank drawing its own.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from curator.errors import LedgerError, RecipeError
from curator.train.loop import train
from curator.train.proxy import find_proxy
from curator.train.record import RunRecord


class Ranks:
    """The default process group of torch.distributed as the processes of one run."""

    def __init__(self, batch_rows: int, device: str = "cpu") -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.device = device
        if batch_rows % self.size:
            raise RecipeError(
                f"a batch of {batch_rows} rows does not divide among {self.size} processes; "
                "start a number that divides it, or change batch_tokens"
            )
        self._part = slice(
            batch_rows * self.rank // self.size, batch_rows * (self.rank + 1) // self.size
        )

    @property
    def is_writer(self) -> bool:
        """Whether this process writes checkpoints, weights and the record."""
        return self.rank == 0

    def rows(self, part: NDArray[Any]) -> NDArray[Any]:
        """Return this rank's rows of a whole batch's array."""
        return part[self._part]

    def backward(self, model: nn.Module, loss: Tensor, weight: float) -> float:
        """Return the mean loss of all ranks, the gradient of that mean now in `model`."""
        weights = torch.tensor([weight], dtype=torch.float64, device=self.device)
        dist.all_reduce(weights)
        share = loss * (weight / weights.item())
        sums: list[dist.Work] = []

        def add_up(parameter: Tensor) -> None:
            assert parameter.grad is not None
            sums.append(_summed(parameter.grad))

        # A parameter's gradient goes on its way as soon as it is whole.
        hooks = [
            parameter.register_post_accumulate_grad_hook(add_up)  # type: ignore[no-untyped-call]
            for parameter in model.parameters()
        ]
        share.backward()  # type: ignore[no-untyped-call]
        total = share.detach().double()
        sums.append(_summed(total))
        for hook in hooks:
            hook.remove()
        for work in sums:
            work.wait()
        return total.item()

    def agree(self, step: int) -> None:
        """Refuse to go on if another process stands at another step.

        Raises:
            LedgerError: ranks found other checkpoints, so they do not share the run's folder.
        """
        steps = torch.tensor([step, -step], device=self.device)
        dist.all_reduce(steps, dist.ReduceOp.MAX)
        last, first = int(steps[0]), -int(steps[1])
        if first != last:
            raise LedgerError(
                f"ranks found checkpoints of steps {first} to {last}; put the run's folder where "
                "all machines see it"
            )

    def wait(self) -> None:
        """Return when every process has come here."""
        self.agree(0)


def _summed(part: Tensor) -> dist.Work:
    """Begin to add up one tensor over all ranks, in place."""
    work: dist.Work = dist.all_reduce(part, async_op=True)
    return work


@contextmanager
def process_group() -> Iterator[str]:
    """Yield this process's device in the group that torchrun's variables describe."""
    number = int(os.environ["LOCAL_RANK"])
    device = f"cuda:{number}" if torch.cuda.is_available() else "cpu"
    if device != "cpu":
        torch.cuda.set_device(device)
    dist.init_process_group("gloo" if device == "cpu" else "nccl")
    try:
        yield device
        dist.barrier()  # a process that leaves while another still writes takes it down with it
    finally:
        dist.destroy_process_group()


def train_together(settings: Mapping[str, Any], device: str) -> RunRecord:
    """Return the record of a run that this process trains with the others of its group.

    Args:
        settings: `proxy`, by name or path, and what `curator.train.loop.train` takes besides.
        device: of this process.

    Raises:
        RecipeError: the batch's rows do not divide among the processes.
        LedgerError: the processes do not see one folder, or it holds another run.
    """
    rest = dict(settings)
    proxy = find_proxy(rest.pop("proxy"))
    group = Ranks(proxy.batch_rows, device)
    return train(rest.pop("mixture"), proxy, **rest, device=device, group=group)


def train_on_ray(settings: Mapping[str, Any], workers: int, *, gpu: bool | None = None) -> None:
    """Train one run on `workers` Ray Train workers; its record is in its folder.

    Args:
        settings: as in `train_together`; paths must lead to the same files on every machine.
        workers: processes, each with one CPU, or one GPU.
        gpu: whether each has a GPU; None: where this machine has one.
    """
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    use_gpu = torch.cuda.is_available() if gpu is None else gpu
    trainer = TorchTrainer(
        _ray_worker,
        train_loop_config=dict(settings),
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=RunConfig(storage_path=str(Path(settings["out"]).absolute().parent)),
    )
    trainer.fit()


def _ray_worker(settings: dict[str, Any]) -> None:
    from ray.train.torch import get_device

    train_together(settings, str(get_device()))


def main(words: Sequence[str] | None = None) -> None:
    """Train as the command line says; rank 0 prints the losses and the speed."""
    parser = argparse.ArgumentParser(description="Train one proxy on several processes.")
    parser.add_argument("mixture", type=Path)
    parser.add_argument("--proxy", required=True, help="a file of configs/proxies, or a depth: d4")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1, help="of weights and order")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder, seen by all")
    parser.add_argument("--checkpoint-seconds", type=float, default=30.0)
    parser.add_argument("--compile", action="store_true", help="fuse the model: for GPUs")
    parser.add_argument("--ray", type=int, default=0, help="start so many Ray Train workers")
    asked = parser.parse_args(words)
    settings = {
        "mixture": str(asked.mixture.absolute()),
        "proxy": asked.proxy,
        "tokens": asked.tokens,
        "seed": asked.seed,
        "order_seed": asked.seed,
        "out": str(asked.out.absolute()),
        "checkpoint_seconds": asked.checkpoint_seconds,
        "compiled": asked.compile,
    }
    if asked.ray:
        train_on_ray(settings, asked.ray)
        return
    if "LOCAL_RANK" not in os.environ:
        raise SystemExit("start this with torchrun, or give --ray WORKERS; see the module's text")
    with process_group() as device:
        record = train_together(settings, device)
        if int(os.environ["RANK"]) == 0:
            told = {"first_loss": record.first_loss, "final_loss": record.final_loss}
            print(json.dumps({**told, **record.circumstances}))


if __name__ == "__main__":
    main()
