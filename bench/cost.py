"""What a corpus of any size would cost: tables projected from rates that were measured.

    python -m bench.cost                                  the tables of docs/cost.md
    python -m bench.cost --tb 1 240 --price 0.04 --cores 1000 --kept 0.3 --page docs/cost.md
    python -m bench.cost --measure FILES.jsonl --rates mine.json

`--measure` runs ingest, cleaning, exact and near deduplication and decontamination over JSON lines
on one core (`bench.cost_rates`) and writes what each step took and left on disk, from which the
tables can be made at any time. Assumed are the price, the cluster, the mean length of a document
(that of the sample unless `--document-bytes` tells), what share of the text cleaning keeps and how
many edges a kept document has in the graph of near-duplicate candidates. With `--page` the tables
take the place of those in a page, between its two markers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.cost_rates import Rate, Rates, measure, read_rates
from curator.engine.shuffle import REDUCE_BYTES

RATES = Path(__file__).with_name("cost_rates.json")
MARKERS = ("<!-- begin: python -m bench.cost -->\n", "<!-- end -->")
GB, TB = 1e9, 1e12


@dataclass(frozen=True)
class Corpus:
    """What is projected to.

    Attributes:
        size: TB of text, UTF-8, as it was extracted.
        kept: share of it that cleaning keeps.
        document_bytes: of the mean document.
        edges: for each kept document.
        shard_bytes: of a shard's text.
    """

    size: float
    kept: float
    document_bytes: float
    edges: float
    shard_bytes: int

    @property
    def documents(self) -> float:
        """How many there are before cleaning."""
        return self.size * TB / self.document_bytes

    @property
    def all_edges(self) -> float:
        """How many edges the graph of candidates has."""
        return self.documents * self.kept * self.edges

    def share(self, rate: Rate) -> float:
        """The share of the corpus that a step sees."""
        return 1.0 if rate.whole else self.kept

    def hours(self, rate: Rate) -> float:
        """Core-hours of a step."""
        return rate.seconds * self.size * TB * self.share(rate) / 3600

    def written(self, name: str, rate: Rate) -> float:
        """TB that a step leaves on disk."""
        per = self.size * TB if name == "ingest" else self.documents
        return rate.written * per * self.share(rate) / TB

    def read(self, rate: Rate) -> float:
        """TB that a step reads."""
        return rate.read * self.size * self.share(rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=Path, default=RATES)
    parser.add_argument("--measure", type=Path, metavar="FILES", help="JSON lines, or a folder")
    parser.add_argument("--tb", type=float, nargs="+", default=[1.0, 240.0], help="of text")
    parser.add_argument("--price", type=float, default=0.04, help="dollars a core and hour")
    parser.add_argument("--cores", type=int, default=1000, help="of the cluster")
    parser.add_argument("--efficiency", type=float, default=0.9, help="share of them at work")
    parser.add_argument("--kept", type=float, default=1.0, help="share of text after cleaning")
    parser.add_argument("--edges", type=float, default=0.5, help="for each kept document")
    parser.add_argument("--document-bytes", type=float, help="of the mean document")
    parser.add_argument("--shard-mb", type=int, default=64, help="of a shard's text")
    parser.add_argument("--page", type=Path, help="a page whose tables are to be replaced")
    asked = parser.parse_args()
    if asked.measure:
        rates = measure(asked.measure)
        asked.rates.write_text(json.dumps(asdict(rates), indent=1) + "\n")
        print(f"wrote {asked.rates}")
        return
    rates = read_rates(asked.rates)
    each = asked.document_bytes or rates.text_bytes / rates.documents
    corpora = [
        Corpus(size, asked.kept, each, asked.edges, asked.shard_mb << 20) for size in asked.tb
    ]
    told = tables(rates, corpora, asked.price, asked.cores * asked.efficiency)
    if asked.page:
        asked.page.write_text(replaced(asked.page.read_text(), told))
    else:
        print(told)


def tables(rates: Rates, corpora: Sequence[Corpus], price: float, busy: float) -> str:
    """Return all tables as Markdown, with what was measured and assumed."""
    measured = ", ".join(f"{name} {value}" for name, value in rates.measured.items())
    any_one = corpora[0]
    return "\n\n".join((
        f"Measured {measured}. Assumed: documents of {any_one.document_bytes:,.0f} bytes, cleaning "
        f"keeps {any_one.kept:.0%} of the text, {any_one.edges:g} edges a kept document.",
        total_table(rates, corpora, price, busy),
        time_table(rates, corpora),
        volume_table(rates, corpora),
        limit_table(rates, corpora),
    ))  # fmt: skip


def replaced(page: str, told: str) -> str:
    """Return a page with what stands between its markers replaced."""
    before, _, rest = page.partition(MARKERS[0])
    _, found, after = rest.partition(MARKERS[1])
    if not found:
        raise ValueError(f"the page lacks {MARKERS[0].strip()!r} and {MARKERS[1]!r} after it")
    return f"{before}{MARKERS[0]}\n{told}\n\n{MARKERS[1]}{after}"


def total_table(rates: Rates, corpora: Sequence[Corpus], price: float, busy: float) -> str:
    """Return what all steps cost at each size, and how long they take on so many busy cores."""
    rows = []
    for corpus in corpora:
        hours = sum(corpus.hours(rate) for rate in rates.steps.values())
        alone = corpus.all_edges * rates.edge_seconds / 3600
        rows.append([
            f"{corpus.size:g} TB", f"{hours:,.0f}", f"${hours * price:,.2f}",
            f"{hours / busy:,.2g} h", f"{alone:,.2g} h",
        ])  # fmt: skip
    heads = ["text", "core-hours", f"at ${price:g} a core-hour", f"on {busy:,.0f} busy cores",
             "then alone (clusters)"]  # fmt: skip
    return table(heads, rows)


def time_table(rates: Rates, corpora: Sequence[Corpus]) -> str:
    """Return a line a step: its speed, and core-hours at each size."""
    rows = [
        [name, _speed(rate.seconds), *(f"{corpus.hours(rate):,.2f}" for corpus in corpora)]
        for name, rate in rates.steps.items()
    ]
    hours = [sum(corpus.hours(rate) for rate in rates.steps.values()) for corpus in corpora]
    speed = corpora[0].size * TB / 3600 / hours[0] / 1e6
    rows.append(["**all**", f"{speed:,.0f}", *(f"{each:,.0f}" for each in hours)])
    return table(
        ["step", "MB/s a core", *(f"core-hours, {corpus.size:g} TB" for corpus in corpora)], rows
    )


def volume_table(rates: Rates, corpora: Sequence[Corpus]) -> str:
    """Return a line a step: what it writes a document, and TB written and read at each size."""
    rows = []
    sums = [0.0] * (2 * len(corpora))
    for name, rate in rates.steps.items():
        cells = [corpus.written(name, rate) for corpus in corpora]
        cells += [corpus.read(rate) for corpus in corpora]
        sums = [total + cell for total, cell in zip(sums, cells, strict=True)]
        own = rate.written * (corpora[0].document_bytes if name == "ingest" else 1.0)
        rows.append([name, f"{own:,.0f}", *(f"{cell:,.3g}" for cell in cells)])
    rows.append(["**all**", "", *(f"{total:,.3g}" for total in sums)])
    heads = [f"TB {what}, {c.size:g}" for what in ("written", "read") for c in corpora]
    return table(["step", "bytes a document", *heads], rows)


def limit_table(rates: Rates, corpora: Sequence[Corpus]) -> str:
    """Return how much there is of what does not get less by adding machines."""
    rows = []
    for corpus in corpora:
        shards = max(1.0, corpus.size * TB / corpus.shard_bytes)
        widest = max(
            corpus.written(name, rate) * TB
            for name, rate in rates.steps.items()
            if name.endswith(".emit")
        )
        reducers = max(1.0, widest / REDUCE_BYTES)
        tasks = shards * sum(not name.endswith(".reduce") for name in rates.steps) + reducers
        rows.append([
            f"{corpus.size:g} TB", f"{corpus.documents:,.2g}", f"{corpus.all_edges:,.2g}",
            f"{corpus.all_edges * rates.edge_bytes / GB:,.3g} GB", f"{shards:,.0f}",
            f"{reducers:,.0f}", f"{shards * reducers:,.2g}",
            f"{tasks * rates.task_seconds / 3600:,.2g} h",
        ])  # fmt: skip
    heads = ["text", "documents", "edges", "memory for clusters", "shards",
             "reduce tasks of the widest step", "slices that they open", "driver"]  # fmt: skip
    return table(heads, rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, numbers to the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _speed(seconds: float) -> str:
    return f"{1e-6 / seconds:,.0f}" if seconds else ""


if __name__ == "__main__":
    main()
