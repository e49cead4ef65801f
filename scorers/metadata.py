"""A language model says what a document's missing language, license or date is, and doubts others.

After "LLMs as data preprocessors" (Zhang et al. 2023, arXiv:2308.16361): imputation and error
detection over serialized rows, several a question, each answer held to its row's key. What was read
is never overwritten: what the model says stands in columns beside it. Before any of it counts, the
model is asked about documents whose value is known, as if it were not; one that does not beat the
commonest value by `least_gain` is refused. A question costs `batch` rows' tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.generate.asking import Answer, Request
from curator.generate.client import Client, Cost, Limits
from curator.generate.metadata_tasks import BEGINNING, Tasks
from curator.generate.respondent import Respondent
from curator.generate.tables import Row
from curator.generate.transcripts import Entry, write_transcript
from curator.identity import id_matrix, random_bits
from curator.schema import score_field
from curator.score.examples import draw_examples
from curator.shards import write_shard
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

_PURPOSE: Final = "metadata.documents"
_FOUND: Final = "metadata.arrow"
_SHOWN: Final = ("source", "origin", "url", "date", "license", "language", "source_id")


@dataclass(frozen=True)
class Metadata(FittedScorer):
    """1 where the model calls a value that was read wrong, 0 where right; null: not asked, or no
    readable answer.

    Attributes:
        attribute: "language", "license" or "date".
        choices: values that count; none given: those of the sample, at most fifty.
        columns: of the documents that the model is shown besides.
        opening: characters of the text that it is shown.
        model: of a model on disk: a name of `curator.weights`, a path or a hub id in the cache;
            of an endpoint: the server's name for it.
        url: of an OpenAI-compatible endpoint.
        key_variable: environment variable that holds the endpoint's key.
        transcript: a file of recorded answers, instead of a model.
        precision: of a model on disk.
        documents: that are asked about at most, by chance of their ids; null: all.
        batch: rows a question.
        chat: asked in the model's chat format; false: it continues.
        shots: documents with a known value that are shown as examples.
        audit: documents with a known value that are asked about as if it were missing.
        least_gain: share of the audit by which the model must beat the commonest value.
        max_requests: questions that may be asked; more are refused before the first.
        max_tokens: tokens that may be read and generated.
        concurrency: questions under way at an endpoint.
        timeout_seconds: for one try at an endpoint.
        attempts: tries at an endpoint that is busy or broken.
        skip_refused: whether a question that an endpoint refuses by itself (HTTP 400, 413, 422),
            or that is too long for a model on disk, has no answer: its rows are asked about again,
            each alone. Else it ends the run; all refused end it anyway.
        seed: of examples, audit and planted mistakes.
    """

    attribute: Literal["language", "license", "date"] = "language"
    choices: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("source", "url")
    opening: int = 200
    model: str = circumstance("")
    url: str = circumstance("")
    key_variable: str = circumstance("")
    transcript: str = circumstance("")
    precision: Literal["float32", "bfloat16"] = "float32"
    documents: int | None = 1000
    batch: int = 10
    chat: bool = True
    shots: int = 4
    audit: int = 50
    least_gain: float = 0.1
    max_requests: int | None = circumstance(None)
    max_tokens: int | None = circumstance(None)
    concurrency: int = circumstance(4)
    timeout_seconds: float = circumstance(120.0)
    attempts: int = circumstance(6)
    skip_refused: bool = False
    seed: int = 0

    name: ClassVar[str] = "metadata"
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "doubt", unit="0 or 1", better="lower", kind=pa.uint8(),
                about="1: a model calls the value that was read wrong.",
            ),
            score_field(
                "trusted", unit="0 or 1", kind=pa.uint8(),
                about="0 where doubted; 1 of all others, those not asked about too.",
            ),
            score_field(
                "imputed", unit="word", better="neither", kind=pa.string(),
                about="What a model says where nothing was read.",
            ),
        ]
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse nobody to ask, and counts below one."""
        self._respondent()
        Limits(self.max_requests, self.max_tokens)
        least = min(self.shots, self.audit, self.opening)
        if self.batch < 1 or least < 0 or (self.documents is not None and self.documents < 1):
            raise RecipeError(
                f"documents={self.documents!r}, batch={self.batch!r}, shots={self.shots!r}, audit="
                f"{self.audit!r}, opening={self.opening!r}; wanted 1 or more, 0 or more of the last"
            )
        strange = [one for one in self.columns if one not in _SHOWN]
        if strange or self.attribute in self.columns:
            raise RecipeError(
                f"columns={list(self.columns)}; wanted columns of a document other than "
                f"{self.attribute!r}, which is what is asked"
            )

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and who answers."""
        named = super().identity()
        if not self.skip_refused:  # as before there was such a setting: what was said still stands
            del named["settings"]["skip_refused"]
        return {**named, "respondent": self._respondent().name}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Ask about the sample; write what was said, the transcript and a report into `out`.

        Raises:
            RecipeError: nothing known to audit by, or a model that does not beat the commonest
                value.
            BudgetError: more questions than `max_requests`; nothing was asked.
        """
        sample = self._sample(corpora["raw"])
        rows = self._rows(sample)
        known = np.flatnonzero(pc.is_valid(sample[self.attribute]).to_numpy())
        lacking = np.flatnonzero(pc.is_null(sample[self.attribute]).to_numpy())
        drawn = random_bits(id_matrix(sample["doc_id"]), "metadata.order", self.seed)
        known = known[np.argsort(drawn[known], kind="stable")]
        shots, held = known[: self.shots].tolist(), known[self.shots :].tolist()
        client, entries = self._client(site), list[Entry]()
        self._afford(client, len(lacking) + len(held) + 3 * min(self.audit, len(held)))

        def ask(requests: Sequence[Request]) -> list[Answer]:
            entries.extend(client.ask(requests))
            return [entry.answer for entry in entries[len(entries) - len(requests) :]]

        if self.audit and not held:
            raise RecipeError(
                f"{len(known)} documents have a {self.attribute}, {self.shots} are examples; "
                "wanted more, to see whether the model knows, or audit: 0 to take its word"
            )
        tasks = Tasks.of(self, rows, shots)
        audited = tasks.audit(rows, held[: self.audit], ask, self.batch)
        self._require_gain(audited)
        imputed = tasks.imputed(rows, lacking.tolist(), ask, self.batch)
        judged = tasks.judged(rows, held, ask, self.batch)
        found = pa.table(
            {
                "doc_id": sample["doc_id"],
                "doubt": pa.array([judged.get(row) for row in range(len(rows))], pa.uint8()),
                "imputed": pa.array([imputed.get(row) for row in range(len(rows))], pa.string()),
            }
        )
        write_shard(found, out / _FOUND, name="metadata")
        write_transcript(entries, out / "transcript.jsonl")
        counts = {
            "documents": len(rows),
            "missing": len(lacking),
            "imputed": len(imputed),
            "doubted": sum(judged.values()),
        }
        write_report(out, {**counts, **audited})

    def load(self, site: Site) -> pa.Table:
        """Return what `fit` found."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: nothing has been asked")
        return pa.ipc.open_file(pa.memory_map(str(site.fitted / _FOUND))).read_all()

    def score(self, model: pa.Table, table: pa.Table) -> pa.Table:
        """Return what was said of each document; null for those not asked about."""
        place = pc.index_in(table["doc_id"], model["doc_id"].combine_chunks())
        doubt, imputed = (model[name].take(place) for name in ("doubt", "imputed"))
        trusted = pc.fill_null(pc.subtract(pa.scalar(1, pa.uint8()), doubt), 1)
        return pa.table({"doubt": doubt, "trusted": trusted, "imputed": imputed})

    def _sample(self, corpus: Corpus) -> pa.Table:
        """Return the documents to ask about, each once, by id."""
        columns = ("text", self.attribute, *self.columns)
        return draw_examples(
            corpus, self.documents, purpose=_PURPOSE, where=self.name, columns=columns
        )

    def _rows(self, sample: pa.Table) -> list[Row]:
        """Return what a question may show of each document."""
        shown = sample.select([self.attribute, *self.columns])
        text = pc.utf8_slice_codeunits(sample["text"], 0, self.opening)
        return list(shown.append_column(BEGINNING, text).to_pylist())

    def _require_gain(self, audited: Mapping[str, Any]) -> None:
        gain = audited["accuracy"] - audited["commonest"]
        if audited["audited"] and gain < self.least_gain:
            raise RecipeError(
                f"of {audited['audited']} known values the model finds {audited['accuracy']:.3f}, "
                f"always saying the commonest {audited['commonest']:.3f}; wanted "
                f"{self.least_gain:g} more: ask a larger model, or lower least_gain to look at "
                "what it says"
            )

    def _afford(self, client: Client, rows: int) -> None:
        cost = Cost(-(-rows // self.batch))
        less = "ask about fewer documents, or more a question (batch)"
        client.limits.afford(cost, client.backend.model, self.name, less)

    def _client(self, site: Site) -> Client:
        return self._respondent().client(site, Limits(self.max_requests, self.max_tokens))

    def _respondent(self) -> Respondent:
        return Respondent(
            "model", self.model, self.url, self.key_variable, self.transcript, self.precision,
            self.concurrency, self.timeout_seconds, self.attempts, self.skip_refused,
        )  # fmt: skip
