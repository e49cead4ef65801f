"""What a survey learned, as files: arrays without pickle, and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from curator.errors import LedgerError
from curator.poison.statements import Bursts
from curator.poison.survey import Learned
from curator.poison.triggers import Trigger

_FORMAT: Final = "curator poison/1"
_SHOWN: Final = 20  # triggers and bursts in a report


def save(learned: Learned, folder: Path) -> None:
    """Write `counts.npy` and `survey.json` into `folder`."""
    np.save(folder / "counts.npy", learned.counts, allow_pickle=False)
    found = {name: column.tolist() for name, column in learned.found._asdict().items()}
    told = {
        "format": _FORMAT,
        "mean": learned.mean,
        "sd": learned.sd,
        "found": found,
        "words": learned.words,
        "bursts": asdict(learned.bursts),
        "hosts": learned.hosts.to_dicts(),
        "snapshot": learned.snapshot,
        "totals": learned.totals,
    }
    (folder / "survey.json").write_text(json.dumps(told, sort_keys=True) + "\n")


def load(folder: Path) -> Learned:
    """Return what `save` wrote.

    Raises:
        LedgerError: the folder holds no such thing.
    """
    try:
        told = json.loads((folder / "survey.json").read_text())
        counts = np.load(folder / "counts.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise LedgerError(f"{folder} holds no survey ({error}); fit it again") from error
    if told.get("format") != _FORMAT:
        raise LedgerError(f"{folder} has format {told.get('format')!r}; wanted {_FORMAT!r}")
    found = told["found"]
    trigger = Trigger(
        np.array(found["keys"], np.uint64),
        np.array(found["documents"], np.int64),
        np.array(found["near"], np.int64),
        np.array(found["strength"], np.float64),
    )
    schema = {
        "cluster": pl.String,
        "host": pl.String,
        "documents": pl.Int64,
        "share": pl.Float64,
    }
    return Learned(
        counts,
        told["mean"],
        told["sd"],
        trigger,
        tuple(told["words"]),
        Bursts(**{name: tuple(column) for name, column in told["bursts"].items()}),
        pl.DataFrame(told["hosts"], schema=schema),
        told["snapshot"],
        told["totals"],
    )


def shown(learned: Learned) -> dict[str, Any]:
    """Return the triggers and bursts that were found, as rows for a report."""
    found, said = learned.found, learned.bursts
    return {
        "triggers": [
            {
                "words": words,
                "documents": int(found.documents[row]),
                "anomalous_after": int(found.near[row]),
                "minus_log10_p": float(f"{found.strength[row]:.3g}"),
            }
            for row, words in enumerate(learned.words[:_SHOWN])
        ],
        "statements": [
            {
                "pair": pair,
                "documents": said.documents[row],
                "against": said.against[row],
                "minus_log10_p": float(f"{said.strength[row]:.3g}"),
            }
            for row, pair in enumerate(said.pairs[:_SHOWN])
        ],
    }
