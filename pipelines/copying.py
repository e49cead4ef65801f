"""What deduplication took from a run: the share of each source, and the largest clusters."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from curator.errors import RecipeError
from curator.report.content import Cluster, SourceLoss
from curator.report.figures import grouped, share
from curator.report.visible import one_line
from pipelines.excerpts import duplicates_of
from pipelines.looking import Found, open_view


def copies_of(path: str, store: Path) -> Found:
    """Return what each source lost as copies, and the largest clusters of them.

    Raises:
        RecipeError: the path leads to no run that looked for copies, or to one without documents.
    """
    view = open_view(path, store)
    clusters, losses = duplicates_of(view.pool)
    if not losses and any(one.name.startswith("dedup.") for one in view.decisions):
        raise RecipeError(f"no document of {path!r} was left when copies were looked for")
    if not losses:
        raise RecipeError(
            f"{path!r} has no step of deduplication; wanted a run's folder whose recipe has "
            "`corpus.dedup`"
        )
    summary = {
        "sources": {
            loss.source: {
                "documents": loss.documents,
                "dropped": loss.dropped,
                "share": loss.dropped / max(1, loss.documents),
            }
            for loss in losses
        },
        "clusters": [
            {
                "kept_id": cluster.kept.doc_id,
                "origin": cluster.kept.origin,
                "source": cluster.kept.source,
                "kind": cluster.kind,
                "documents": cluster.documents,
                "sources": dict(cluster.sources),
            }
            for cluster in clusters
        ],
    }
    return Found(summary, Group(_losses(losses), _clusters(clusters)))


def _losses(losses: tuple[SourceLoss, ...]) -> Table:
    shown = Table("source", title="lost per source", title_justify="left")
    for head in ("lost", "dropped", "of documents"):
        shown.add_column(head, justify="right")
    for loss in sorted(losses, key=lambda one: (-one.dropped / max(1, one.documents), one.source)):
        shown.add_row(
            Text(one_line(loss.source, 40)),
            share(loss.dropped, loss.documents),
            grouped(loss.dropped),
            grouped(loss.documents),
        )
    return shown


def _clusters(clusters: tuple[Cluster, ...]) -> Table:
    shown = Table(title="largest clusters", title_justify="left")
    shown.add_column("documents", justify="right")
    for head in ("kind", "kept", "from", "begins"):
        shown.add_column(head)
    for cluster in clusters:
        shown.add_row(
            grouped(cluster.documents),
            cluster.kind,
            cluster.kept.doc_id[:12],
            Text(one_line(cluster.kept.origin, 60)),
            Text(one_line(cluster.kept.text, 50)),
        )
    return shown
