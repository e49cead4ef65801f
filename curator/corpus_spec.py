"""The corpus part of a recipe: what any number of recipes can share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

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


PiiPolicy = Literal["mask", "drop", "annotate"]
PiiKind = Literal["email", "ip", "phone", "card", "iban", "key"]
PII_KINDS: tuple[PiiKind, ...] = get_args(PiiKind)
LicenseTier = Literal[
    "public_domain", "permissive", "attribution", "share_alike", "no_derivatives",
    "non_commercial", "proprietary",
]  # fmt: skip


class PiiSpec(Section):
    """Personal data and secrets: masked, a reason to drop, or told; by one policy or one a kind.

    `kinds` are those that `policy` is for, to mask unless told. A kind's own policy comes before
    it; where only kinds have policies, `{email: mask, key: drop}`, no other is looked for.
    """

    policy: PiiPolicy | None = None
    kinds: list[PiiKind] | None = Field(default=None, min_length=1)
    email: PiiPolicy | None = None
    ip: PiiPolicy | None = None
    phone: PiiPolicy | None = None
    card: PiiPolicy | None = None
    iban: PiiPolicy | None = None
    key: PiiPolicy | None = None
    private_ips: bool = False
    placeholders: dict[PiiKind, str] = {}  # `<email>` and so on unless told
    max_spans: NonNegativeInt = 0  # of kinds to drop for; a document with more is dropped

    def policies(self) -> dict[PiiKind, PiiPolicy]:
        """What is done with each kind that is looked for."""
        own = {kind: getattr(self, kind) for kind in PII_KINDS if getattr(self, kind)}
        general = self.kinds or (PII_KINDS if self.policy or not own else ())
        return {
            kind: own.get(kind, self.policy or "mask")
            for kind in PII_KINDS
            if kind in own or kind in general
        }


class LicensesSpec(Section):
    """Licenses by what may be done under them; without `keep` they are only told.

    Where a document gives none that is known it is `unknown`'s to say whether it stays.
    """

    keep: list[LicenseTier] | None = Field(default=None, min_length=1)
    unknown: Literal["keep", "drop"] = "keep"
    text: bool = True  # also from the text, where the document does not declare one


class CleanSpec(Section):
    """Which documents are text worth keeping, and what is mended or cut in them, in order."""

    encoding: Literal["repair"] | None = None
    urls: UrlsSpec | None = None
    language: str | None = "en"
    min_language_probability: float = Field(default=0.65, ge=0, le=1)
    rules: list[Any] = []
    statistics: list[Literal["dolma", "redpajama", "fineweb2"]] = []  # besides what rules need
    words: WordsSpec | None = None
    licenses: LicensesSpec | None = None
    lines: Literal["c4", "boilerplate"] | LinesSpec | None = None
    pii: PiiSpec | None = None


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


class ParagraphsSpec(Section):
    """Lines or paragraphs that better documents have already are cut, as CCNet does.

    CCNet's paragraphs are lines, of any length, and one copy is one too many. In code and dialogue
    many lines are alike for good reason: name the `sources` to look at, or ask for more words.
    """

    unit: Literal["line", "paragraph"] = "line"
    least_words: PositiveInt = 1
    max_copies: PositiveInt = 1
    sources: list[str] | None = None
    least_characters: NonNegativeInt = 0  # a changed document of fewer is dropped


class SubstringSpec(Section):
    """Passages of `k` pieces or more that stand elsewhere word for word (arXiv:2107.06499)."""

    k: int = Field(default=50, ge=5)
    action: Literal["annotate", "remove"] = "remove"
    sources: list[str] | None = None
    least_characters: NonNegativeInt = 0  # a changed document of fewer is dropped


class SemanticSpec(Section):
    """Documents of one meaning, by the cosine of their vectors (SemDeDup).

    `wordllama` sees little in scripts other than Latin, so that unlike texts lie close: for those
    take a sentence encoder that knows the language.
    """

    encoder: str = "wordllama"
    eps: float = Field(default=0.05, ge=0.001, lt=2)  # vectors are stored in half precision
    mode: Literal["kept_only", "paper"] = "kept_only"
    order: Literal["survivors", "hard", "easy"] = "survivors"
    clusters: PositiveInt | None = None
    max_characters: PositiveInt = 8192
    seed: Seed = 0


class SurvivorsSpec(Section):
    """The column that says which copy stays: numbers, dates, or `extra.NAME` of the records."""

    column: str = Field(min_length=1)
    prefer: Literal["higher", "lower"] = "higher"


class DedupSpec(Section):
    """Which copies go. Survivors: source priority, then a column or length, then doc_id."""

    exact: bool = True
    paragraphs: ParagraphsSpec | None = None
    minhash: MinhashSpec | None = None
    substring: SubstringSpec | None = None
    semantic: SemanticSpec | None = None
    against: list[str] = []  # folders of finished runs: what they kept is not wanted again
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
    prompt: list[str] | str | None = None  # those of the fields that ask: what tulu3 looks for
    id: str | None = None
    source: str | None = None
    test_share: float = Field(default=0.5, gt=0, lt=1)
    apart: Annotated[int, Field(ge=5)] | None = None  # words in a row that no train item shares
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
        fields, prompt = (
            [each] if isinstance(each, str) else each for each in (self.text, self.prompt)
        )
        if prompt and not set(prompt) <= set(fields or ()):
            raise ValueError(
                f"gives prompt {prompt}; wanted some of the fields of `text`: {fields}"
            )
        return self


class DecontaminateSpec(Section):
    """What to do with documents that repeat a benchmark's items, and what counts as that.

    The methods are those of `curator.dedup.benchmark_index`; `margin`, `min_piece` and `max_pieces`
    are GPT-3's (arXiv:2005.14165, appendix C), `coverage` is Tulu 3's.
    """

    against: list[str]
    method: Literal["gpt3", "tulu3", "exact"] = "gpt3"
    ngram: Literal["by_benchmark"] | Annotated[int, Field(ge=5)] | None = None
    coverage: float = Field(default=0.5, ge=0, lt=1)  # tulu3: more than this share of an item
    max_frequency: PositiveInt | None = None  # n-grams in more documents do not count
    action: Literal["document", "span", "report"] = "document"
    margin: NonNegativeInt = 200  # characters cut on each side of a span
    min_piece: PositiveInt = 200  # characters
    max_pieces: PositiveInt = 10

    @model_validator(mode="after")
    def _one_method(self) -> Self:
        # A recipe that was written out and is read back has every default.
        fields = type(self).model_fields
        given = {name for name in fields if getattr(self, name) != fields[name].default}
        strange = [name for name in ("margin", "min_piece", "max_pieces") if name in given]
        if strange and self.action != "span":
            raise ValueError(f"gives {strange}, of which only the action 'span' knows")
        if "coverage" in given and self.method != "tulu3":
            raise ValueError("gives 'coverage', of which only the method 'tulu3' knows")
        if self.ngram is not None and self.method == "exact":
            raise ValueError("gives 'ngram', but the method 'exact' looks for whole items")
        if self.ngram == "by_benchmark" and self.method == "tulu3":
            raise ValueError("gives ngram 'by_benchmark', which is GPT-3's rule; give 'tulu3' 8")
        return self


class HeldoutSpec(Section):
    """The share of a source's documents that is never trained on."""

    share: float = Share


TAG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class TokenizerSpec(Section):
    """A byte-level BPE of so many entries trained on the pool, or a tokenizer.json.

    `tags` are among the entries of a BPE: what refiners may write besides text.
    """

    bpe: PositiveInt | None = Field(default=None, ge=300, le=1_000_000)
    path: str | None = None
    # Left out where there are none, so that recipes without keep their digests.
    tags: list[Annotated[str, Field(pattern=TAG_PATTERN)]] = Field(
        default=[], max_length=1000, exclude_if=lambda tags: not tags
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.tags and self.bpe is None:
            raise ValueError("gives 'tags' to a tokenizer.json; only a BPE trained here keeps them")
        twice = sorted({tag for tag in self.tags if self.tags.count(tag) > 1})
        if twice:
            raise ValueError(f"tags {twice} are there twice; name each once")
        if self.bpe is not None and self.bpe - len(self.tags) < 300:
            raise ValueError(
                f"{len(self.tags)} tags leave {self.bpe - len(self.tags)} of {self.bpe} entries to "
                "text; wanted at least 300"
            )
        return self.one_of("bpe", "path")


class CorpusSpec(Section):
    """One pool, one tokenizer, one held-out split: what any number of recipes can share."""

    ingest: list[dict[str, Any]] = Field(default=[{"reader": "installed"}], min_length=1)
    max_bad_records: float = Field(default=0.001, ge=0, le=1)
    shard_bytes: PositiveInt = 64 << 20
    # A list of what somebody wants out, one request a line. Left out where there is none, so that
    # recipes without keep their digests.
    optout: str | None = Field(default=None, exclude_if=lambda path: path is None)
    clean: CleanSpec | None = None
    dedup: DedupSpec | None = None
    benchmarks: dict[Name, BenchmarkSpec] = {}
    decontaminate: DecontaminateSpec | None = None
    heldout: dict[str, HeldoutSpec] = {}
    roles: dict[Name, list[str] | str] = {}  # "pool", "source:NAME", "BENCHMARK/SPLIT", or several
    tokenizer: TokenizerSpec = TokenizerSpec(bpe=4096)
