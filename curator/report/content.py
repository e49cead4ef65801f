"""What a report holds: frozen records that the run fills and the page and the terminal draw.

Every part may be empty: a run that only ingests has a report too. Texts in here come from
documents and are hostile until drawn; `markup` and `visible` make them harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from curator.report.judged import JudgedStatistic
    from curator.report.learned import Learned
    from curator.report.refinements import RefinementLine
    from curator.report.stages import StageLine

Verdict = Literal["better", "worse", "equivalent", "undecided"]
Action = Literal["document", "span", "report"]
Direction = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class StageCount:
    """How many documents went into and came out of one stage, and what it cost.

    `text_bytes` and `tokens` count what is alive after the stage (None: not known, tokens do not
    exist before the tokenizer does); `sources` counts those documents by source (empty: unknown).
    """

    name: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    text_bytes: int | None = None
    tokens: int | None = None
    seconds: float = 0.0
    cached: bool = False
    artifact: str = ""

    @property
    def missing(self) -> int:
        """Rows in minus all that is accounted for: 0, or rows were lost (or made up)."""
        accounted = self.rows_out + sum(self.dropped.values()) + sum(self.quarantined.values())
        return self.rows_in - accounted


@dataclass(frozen=True)
class Excerpt:
    """One document as shown to a reader: where it is from, its start, the numbers that decided."""

    doc_id: str  # hex
    source: str
    origin: str
    text: str
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """What one rule of one stage dropped, with up to three of the documents."""

    stage: str
    reason: str
    documents: int
    rule: str = ""  # the rule in words or as an expression: "symbol_word_ratio > 0.1"
    excerpts: tuple[Excerpt, ...] = ()


@dataclass(frozen=True)
class Quarantined:
    """One record that could not be read, or a count of alike ones."""

    source: str
    place: str  # file and offset
    reason: str
    records: int = 1
    error: str = ""


@dataclass(frozen=True)
class Cluster:
    """Near-copies of one kept document."""

    kept: Excerpt
    documents: int  # with the kept one
    sources: Mapping[str, int] = field(default_factory=dict)
    kind: str = "minhash"


@dataclass(frozen=True)
class SourceLoss:
    """How many of a source's documents deduplication dropped."""

    source: str
    documents: int  # before
    dropped: int


@dataclass(frozen=True)
class Match:
    """A run of words that a document shares with a benchmark."""

    benchmark: str
    entry: str  # which question or line of the benchmark
    doc_id: str
    source: str
    span: str
    overlap: float | None = None  # share of the entry's words found in the document
    words: int | None = None  # in the span


@dataclass(frozen=True)
class FoundIn:
    """What one source holds of a benchmark."""

    source: str
    entries: int
    documents: int
    too_many: bool  # a larger share of the benchmark's entries than a source should have


@dataclass(frozen=True)
class Contamination:
    """What one benchmark was found to share with the pool."""

    benchmark: str
    entries: int
    entries_matched: int
    documents: int  # that hold some of it
    matches: tuple[Match, ...] = ()
    # by_ngrams, as_run (whole, anywhere), as_document (whole, only alone), unguarded: entries.
    guarded: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[FoundIn, ...] = ()
    action: Action = "document"


@dataclass(frozen=True)
class ScoreColumn:
    """How one score is spread over the pool and over what each arm took of it.

    `edges` has one more entry than each histogram; counts are documents per bin.
    """

    name: str
    unit: str
    better: Direction
    edges: tuple[float, ...]
    pool: tuple[int, ...]
    arms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    cuts: Mapping[str, float] = field(default_factory=dict)  # arm -> the score at its border
    about: str = ""
    nulls: int = 0
    log: bool = False  # edges are evenly spaced in the logarithm


@dataclass(frozen=True)
class MixtureShare:
    """One source's part of an arm's mixture: shares of its tokens (0..1), asked and obtained."""

    source: str
    tokens: int
    documents: int
    obtained: float
    asked: float | None = None
    epochs: float = 1.0
    shortfall: int = 0  # tokens asked for that the source could not give


@dataclass(frozen=True)
class Arm:
    """One way to select and mix, and what its proxies cost to train (all seeds together).

    Where proxies branch from a trunk, the trunk's part is not in it: see `Trunk`.
    """

    name: str
    method: str  # "gumbel by sim", for the reader
    documents: int
    tokens: int
    baseline: bool = False
    manifest_hash: str = ""
    shares: tuple[MixtureShare, ...] = ()
    trained_tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    shortfalls: tuple[str, ...] = ()  # what the selection asked for and did not take, in words


@dataclass(frozen=True)
class Trunk:
    """What the runs cost that the proxies of all arms branch from, one run a seed."""

    runs: int
    tokens: int
    flops: float


@dataclass(frozen=True)
class Overlap:
    """How much of each arm's selection another arm took as well.

    `shares[i][j]`: the share of arm i's tokens that stand in documents that arm j took too, 0..1.
    """

    arms: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LossCurve:
    """Training loss of one proxy: nats per token against tokens seen."""

    arm: str
    seed: int
    tokens: tuple[int, ...]
    loss: tuple[float, ...]


@dataclass(frozen=True)
class Measure:
    """One metric of one arm: mean over seeds with its 95 % interval."""

    arm: str
    metric: str
    mean: float
    low: float
    high: float
    seeds: int
    unit: str = "bits/byte"
    better: Direction = "lower"


@dataclass(frozen=True)
class Comparison:
    """One arm against the baseline on one metric: paired over seeds, arm minus baseline.

    `margin` is the smallest difference worth having: a whole interval inside ±margin is a
    verdict "equivalent". `seeds_to_decide` is given while the verdict is "undecided". `at_chance`:
    neither the arm nor the baseline is above chance, so the verdict says nothing of them.
    """

    arm: str
    metric: str
    effect: float
    low: float
    high: float
    verdict: Verdict
    seeds: int
    margin: float | None = None
    seeds_to_decide: int | None = None
    unit: str = "bits/byte"
    better: Direction = "lower"
    baseline_mean: float | None = None
    at_chance: bool = False


@dataclass(frozen=True)
class ArtifactLine:
    """One artifact in the lineage."""

    name: str
    id: str
    rows: int | None = None
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """What made this run, so that it can be made again."""

    recipe_digest: str = ""
    recipe_text: str = ""
    command: str = ""
    artifacts: tuple[ArtifactLine, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


@dataclass(frozen=True)
class Report:
    """All that is known of one run. `headline_metric` names the comparison that leads the page."""

    name: str
    run_id: str = ""
    about: str = ""
    headline_metric: str = ""
    sources: tuple[str, ...] = ()
    stages: tuple[StageCount, ...] = ()
    drops: tuple[Drop, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    losses: tuple[SourceLoss, ...] = ()
    contamination: tuple[Contamination, ...] = ()
    statistics: tuple[JudgedStatistic, ...] = ()
    scores: tuple[ScoreColumn, ...] = ()
    learned: tuple[Learned, ...] = ()
    staged: tuple[StageLine, ...] = ()
    refined: tuple[RefinementLine, ...] = ()
    arms: tuple[Arm, ...] = ()
    overlap: Overlap | None = None
    curves: tuple[LossCurve, ...] = ()
    measures: tuple[Measure, ...] = ()
    comparison: tuple[Comparison, ...] = ()
    lineage: Lineage = field(default_factory=Lineage)
    proxy: str = ""  # the proxy in words: "d2, 0.1M parameters"
    trunk: Trunk | None = None
    seconds: float = 0.0  # wall clock of the run

    @property
    def baseline(self) -> str:
        """The name of the arm that the others are compared with, "" if there is none."""
        return next((arm.name for arm in self.arms if arm.baseline), "")

    @property
    def headline(self) -> tuple[Comparison, ...]:
        """The comparisons on the leading metric, one an arm."""
        metric = self.headline_metric or (self.comparison[0].metric if self.comparison else "")
        return tuple(line for line in self.comparison if line.metric == metric)

    def conservation(self) -> tuple[int, int, int, int, int]:
        """Records read, kept, dropped, quarantined, and missing (0 when all adds up).

        Missing counts, over the chain of stages, rows lost inside a stage and between two.
        """
        if not self.stages:
            return (0, 0, 0, 0, 0)
        read, kept = self.stages[0].rows_in, self.stages[-1].rows_out
        dropped = sum(sum(stage.dropped.values()) for stage in self.stages)
        quarantined = sum(sum(stage.quarantined.values()) for stage in self.stages)
        return read, kept, dropped, quarantined, read - kept - dropped - quarantined
