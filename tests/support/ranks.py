"""Run by torchrun: what each rank of a group finds out, as JSON in a file of its own.

torchrun --nproc-per-node 2 tests/support/ranks.py FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from curator.errors import LedgerError, RecipeError
from curator.train.distributed import Ranks, process_group

LOSSES = ((1.0, 3.0, 2.0), (5.0,))  # of each rank's tokens


def found(device: str) -> dict[str, object]:
    group = Ranks(4, device)
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    losses = torch.tensor(LOSSES[group.rank])
    mean = (model.weight[0, 0] * losses).mean()
    loss = group.backward(model, mean, weight=len(losses))
    told: dict[str, object] = {"loss": loss, "gradient": model.weight.grad.item()}
    told["rows"] = group.rows(torch.arange(4).numpy()).tolist()
    for name, call in (
        ("steps", lambda: group.agree(7 + group.rank)),
        ("rows refused", lambda: Ranks(3, device)),
    ):
        try:
            call()
        except (LedgerError, RecipeError) as error:
            told[name] = str(error)
    return told


if __name__ == "__main__":
    with process_group() as here:
        path = Path(sys.argv[1]) / f"{os.environ['RANK']}.json"
        path.write_text(json.dumps(found(here)))
