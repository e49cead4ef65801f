"""The corpus part of a recipe: what any number of recipes can share."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from curator.section import Name, Section, Seed, Share


class UrlsSpec(Section):
    """Block lists of domains and URLs: folders in the form of UT1, or files of one entry a line."""

    lists: list[str] = Field(min_length=1)
    categories: list[str] | None = None  # None: all that the lists have
    action: Literal["drop", "annotate"] = "drop"


class WordsSpec(Section):
    """Lists of words and phrases, one a line, by name; a document may hold so many of each.

    C4 dropped a page for any word of its list (arXiv:1910.10683, section 2.2): `max_words` 0.
    """

    lists: dict[Name, str] = Field(min_length=1)
    max_words: NonNegativeInt | None = 0
    max_share: float | None = Field(default=None, ge=0, le=1)  # of a document's words
    action: Literal["drop", "annotate"] = "drop"


class LinesSpec(Section):
    """Lines taken out of the text: C4's edits, or the boilerplate of web pages.

    RefinedWeb drops a document of which lines with more than 5 % of its words would go
    (arXiv:2306.01116, appendix G.2, as DCLM reads it: baselines_configs/refinedweb.yaml).
    """

    edit: Literal["c4", "boilerplate"]
    max_removed: float | None = Field(default=None, ge=0, le=1)  # share of words; None: as told


class CleanSpec(Section):
    """Which documents are text worth keeping, and what is mended or cut in them, in order."""

    encoding: Literal["repair"] | None = None
    urls: UrlsSpec | None = None
    language: str | None = "en"
    min_language_probability: float = Field(default=0.65, ge=0, le=1)
    rules: list[Any] = []
    words: WordsSpec | None = None
    lines: Literal["c4", "boilerplate"] | LinesSpec | None = None


class MinhashSpec(Section):
    """Near duplicates: bands x rows of MinHash propose, exact Jaccard and containment dispose."""

    threshold: float = Field(default=0.8, gt=0, le=1)
    ngram: PositiveInt = 5
    bands: PositiveInt = 14
    rows: PositiveInt = 8
    containment: float = Field(default=0.95, ge=0, le=1)
    verify: bool = True
    seed: Seed = 0
    max_cluster: PositiveInt = 10_000


class SurvivorsSpec(Section):
    """The column that says which copy stays: numbers, dates, or `extra.NAME` of the records."""

    column: str = Field(min_length=1)
    prefer: Literal["higher", "lower"] = "higher"


class DedupSpec(Section):
    """Which copies go. Survivors: source priority, then a column or length, then doc_id."""

    exact: bool = True
    minhash: MinhashSpec | None = None
    source_priority: list[str] = []
    survivors: Literal["longest", "shortest"] | SurvivorsSpec = "longest"
    max_source_loss: float | None = Field(default=0.9, gt=0, le=1)


class ChoicesSpec(Section):
    """Items as questions with options, by the fields of their records."""

    context: str | None = None
    options: list[str] | str
    answer: str | None = None
    answer_is: Literal["index", "letter", "label", "text"] | None = None
    labels: str | None = None
    first_index: Literal[0, 1] = 0
    between: str = " "
    blank: str | None = Field(default=None, min_length=1)
    per: Literal["character", "byte", "token", "option"] | None = None


class PairsSpec(Section):
    """Items as pairs of texts of which the model should find one likelier."""

    good: str
    bad: str
    group: list[str] | str = []


class BenchmarkSpec(Section):
    """A benchmark: files of items, or documents of a source that leave the pool for it."""

    train: str | None = None
    test: str | None = None
    text: list[str] | str | None = None
    id: str | None = None
    source: str | None = None
    test_share: float = Field(default=0.5, gt=0, lt=1)
    choices: ChoicesSpec | None = None
    pairs: PairsSpec | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.source is not None and (self.train is not None or self.test is not None):
            raise ValueError("gives a source and files of items; give one of them")
        if self.choices is not None and self.pairs is not None:
            raise ValueError("gives 'choices' and 'pairs'; its items are one of them")
        if self.source is not None and (self.choices or self.pairs):
            raise ValueError("gives a source, which has texts only; items of a file have fields")
        return self


class DecontaminateSpec(Section):
    """Drop documents that share an n-gram of words with a benchmark's items."""

    against: list[str]
    ngram: int = Field(default=13, ge=5)


class HeldoutSpec(Section):
    """The share of a source's documents that is never trained on."""

    share: float = Share


class TokenizerSpec(Section):
    """A byte-level BPE of so many entries trained on the pool, or a tokenizer.json."""

    bpe: PositiveInt | None = Field(default=None, ge=300, le=1_000_000)
    path: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        return self.one_of("bpe", "path")


class CorpusSpec(Section):
    """One pool, one tokenizer, one held-out split: what any number of recipes can share."""

    ingest: list[dict[str, Any]] = Field(default=[{"reader": "installed"}], min_length=1)
    max_bad_records: float = Field(default=0.001, ge=0, le=1)
    shard_bytes: PositiveInt = 64 << 20
    clean: CleanSpec | None = None
    dedup: DedupSpec | None = None
    benchmarks: dict[Name, BenchmarkSpec] = {}
    decontaminate: DecontaminateSpec | None = None
    heldout: dict[str, HeldoutSpec] = {}
    tokenizer: TokenizerSpec = TokenizerSpec(bpe=4096)
