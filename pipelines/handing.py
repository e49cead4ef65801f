"""Hand a run's mixture, a mixture alone, or a trained proxy over to other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from curator.errors import LedgerError, RecipeError
from curator.mix.export import (
    TEXT_FORMATS,
    TOKEN_FORMATS,
    export_text,
    export_tokens,
    into_folder,
)
from curator.mix.reader import INDEX_FILE, NOTES_FILE
from curator.recipe import suggestion
from curator.shards import read_shard
from pipelines.looking import Found, View, open_view
from pipelines.running import RUN, read_run

MODEL_FORMAT = "transformers"
WEIGHTS = "model.safetensors"


def export(path: Path, form: str, out: Path, arm: str) -> Found:
    """Write a mixture or a proxy in another format into the new folder `out`.

    Args:
        path: a run's folder, the folder of a mixture (token formats only: it holds no text), or
            that of a trained proxy (transformers only).
        form: one of `TEXT_FORMATS` or `TOKEN_FORMATS`, or "transformers".
        out: the folder to make.
        arm: which arm of the run; may be left out where there is one.

    Raises:
        RecipeError: an unknown format or arm, `out` is there already, text without a run.
    """
    known = [*TEXT_FORMATS, *TOKEN_FORMATS, MODEL_FORMAT]
    if form not in known:
        raise RecipeError(f"--format: no format {form!r}{suggestion(form, known)}")
    if form == MODEL_FORMAT:
        from curator.train.export import export_transformers

        origin = proxy_at(path, arm)
        into_folder(out, lambda folder: export_transformers(origin, folder))
        return _written(out, form, "proxy", origin)
    mixture = mixture_at(path, arm)
    if form in TOKEN_FORMATS:
        export_tokens(mixture, form, out)
    elif (path / RUN).exists():
        view = open_view(str(path), path)
        steps = _arm(path, arm).get("refined", {}).get("steps", ())
        # What was refined is mixed in place of the selection: the last entry's documents.
        documents = view.store.artifact(steps[-1]["artifact"]) if steps else view.corpus
        _export_text(View(view.store, documents), mixture, form, out)
    else:
        raise RecipeError(
            f"{form!r} is text, and {path} holds tokens only; give the run's folder and --arm"
        )
    return _written(out, form, "mixture", mixture)


def _written(out: Path, form: str, kind: str, origin: Path) -> Found:
    """Return what was written, counted."""
    files = sorted(file for file in out.rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in files)
    summary = {
        "out": str(out),
        "format": form,
        kind: str(origin),
        "files": len(files),
        "bytes": size,
    }
    return Found(summary, f"{len(files)} files, {size / 1e6:,.1f} MB, in {out}")


def mixture_at(path: Path, arm: str = "") -> Path:
    """Return the folder of tokens that a run's folder (with an arm) or a mixture's leads to.

    Raises:
        RecipeError: the run has no such arm, or several and none is named.
        LedgerError: it is neither.
    """
    if (path / NOTES_FILE).exists():
        return path
    if not (path / RUN).exists():
        raise LedgerError(f"{path} holds neither {RUN} nor {NOTES_FILE}; wanted a run or a mixture")
    return Path(_arm(path, arm)["mixture"]["path"])


def proxy_at(path: Path, arm: str = "") -> Path:
    """Return the folder of a trained proxy: `path` itself, or the first seed's of a run's arm.

    Raises:
        RecipeError: the run has no such arm, several and none is named, or it trained nothing.
        LedgerError: it is neither.
    """
    if (path / WEIGHTS).exists():
        return path
    if not (path / RUN).exists():
        raise LedgerError(f"{path} holds neither {WEIGHTS} nor {RUN}; wanted a proxy or a run")
    told = _arm(path, arm)
    if not told.get("proxies"):
        raise RecipeError("this arm trained no proxy; train one first", where=str(path))
    return Path(told["proxies"][0]["folder"])


def _arm(path: Path, arm: str) -> dict[str, Any]:
    """Return what a run says of one of its arms; of the only one if `arm` is empty."""
    arms: dict[str, dict[str, Any]] = read_run(path)["arms"]
    name = arm or (next(iter(arms)) if len(arms) == 1 else "")
    if name not in arms:
        said = f"no arm {name!r}{suggestion(name, arms)}" if name else "name one of its arms"
        raise RecipeError(f"--arm: {said} ({', '.join(arms) or 'it has none'})", where=str(path))
    return arms[name]


def _export_text(view: View, mixture: Path, form: str, out: Path) -> None:
    """Write every document of a mixture once, with how often the mixture reads it."""
    drawn = read_shard(mixture / INDEX_FILE, ("doc_id",))["doc_id"].cast(pa.binary())
    frame = pl.DataFrame({"doc_id": pl.Series(drawn, dtype=pl.Binary)})
    counted = frame.group_by("doc_id", maintain_order=True).len("epochs")
    chosen = pa.table({"doc_id": pa.array(counted["doc_id"].to_list(), pa.binary(16))})
    corpus = View(view.store, view.corpus)
    export_text(corpus.tables(), chosen, form, out, epochs=counted["epochs"].to_numpy())
