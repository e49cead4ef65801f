"""What scorers have in common that ask a language model: whom, about which documents, at what cost.

All asking happens in `fit`: the sample, the answers and what they cost are one artifact, and the
scorer then looks grades up by document. `transcript.jsonl` in it replays the run.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.generate.client import Client, Limits
from curator.generate.prompts import Prompt, find_prompt
from curator.generate.respondent import Respondent
from curator.generate.transcripts import Entry, write_transcript
from curator.generate.verdicts import LEAST_MASS, LEAST_PARSED, Verdicts, refuse_unread
from curator.identity import id_matrix, uniform
from curator.score.examples import draw_threshold
from curator.stage import REPORT, Corpus, FittedScorer, Site, circumstance

PURPOSE = "judge.documents"  # of the chance that decides which documents are judged
TRANSCRIPT = "transcript.jsonl"
_GRADES = "grades.arrow"


@dataclass(frozen=True)
class Judging(FittedScorer):
    """Whom to ask about which documents.

    Attributes:
        prompt: a name in `curator.generate.prompts.prompt_names()`, or a .yaml file. Its digest is
            part of the score's identity.
        model: of a judge on disk: a name of `curator.weights`, a path or a hub id in the local
            cache; of an endpoint: the server's name for it.
        url: of an OpenAI-compatible endpoint, as in http://localhost:8080/v1.
        key_variable: environment variable that holds the endpoint's key.
        transcript: a file of recorded answers, instead of a model.
        precision: of a judge on disk.
        documents: how many are judged, by chance of their ids; null: all.
        among: column of an earlier score; only documents that it has a value for are judged.
        max_characters: of a document that one question shows; cut at the end, and the cut is told.
        least_mass: odds of all possible answers together from which an answer counts as read.
        least_parsed: a judge of whose answers a smaller share can be read is refused.
        max_requests: questions that may be asked; more are refused before the first.
        max_tokens: tokens that may be read and generated; likewise.
        concurrency: questions under way at an endpoint.
        timeout_seconds: for one try at an endpoint.
        attempts: tries at an endpoint that is busy or broken.
        seed: of the sample.
    """

    prompt: str = circumstance("")
    model: str = circumstance("")
    url: str = circumstance("")
    key_variable: str = circumstance("")
    transcript: str = circumstance("")
    precision: Literal["float32", "bfloat16"] = "float32"
    documents: int | None = 1000
    among: str = ""
    max_characters: int = 2000
    least_mass: float = LEAST_MASS
    least_parsed: float = LEAST_PARSED
    max_requests: int | None = circumstance(None)
    max_tokens: int | None = circumstance(None)
    concurrency: int = circumstance(4)
    timeout_seconds: float = circumstance(120.0)
    attempts: int = circumstance(6)
    seed: int = 0

    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers")
    kind: ClassVar[str] = "document"  # of the prompts it can ask
    shuns_final_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a judge that is nobody, or two; and counts and shares that mean nothing."""
        self._respondent()
        if (self.documents is not None and self.documents < 1) or self.max_characters < 1:
            raise RecipeError(
                f"documents={self.documents!r}, max_characters={self.max_characters!r}; "
                "wanted 1 or more"
            )
        if self.among and self.documents is not None:
            raise RecipeError(
                f"among={self.among!r} and documents={self.documents!r}: both say who is judged; "
                "set documents to null, or leave `among` out",
            )
        for name in ("least_mass", "least_parsed"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RecipeError(f"{name}={getattr(self, name)!r}; wanted a share from 0 to 1")
        Limits(self.max_requests, self.max_tokens)

    @property
    def wording(self) -> Prompt:
        """The prompt, of the kind that this scorer asks."""
        found = find_prompt(self.prompt)
        if found.kind != self.kind:
            raise RecipeError(
                f"prompt {self.prompt!r} asks about a {found.kind}; {self.name} wants one about "
                f"a {self.kind}"
            )
        return found

    def identity(self) -> dict[str, Any]:
        """Return what names the score: settings, the wording's content and who answers."""
        named = super().identity()
        if not self.among:  # as before there was such a setting: what was judged then still stands
            del named["settings"]["among"]
        return {**named, "prompt": self.wording.digest, "judge": self._respondent().name}

    @property
    def scores(self) -> tuple[str, ...]:
        """The earlier score that says who is judged."""
        return (self.among.split(".")[0],) if self.among else ()

    def load(self, site: Site) -> pa.Table:
        """Return what `fit` found: doc_id, rising, and the columns of `writes`."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: nothing has been judged")
        return pa.ipc.open_file(pa.memory_map(str(site.fitted / _GRADES))).read_all()

    def score(self, model: pa.Table, table: pa.Table) -> pa.Table:
        """Return what was found about each document; null for those not judged."""
        place = pc.index_in(table["doc_id"], model["doc_id"].combine_chunks())
        return model.select(self.writes.names).take(place)

    @abstractmethod
    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write what was judged, the transcript and the report into `out`."""

    def client(self, site: Site) -> Client:
        """Return the door to the judge."""
        return self._respondent().client(site, Limits(self.max_requests, self.max_tokens))

    def sample(self, corpus: Corpus) -> Iterator[pa.Table]:
        """Yield doc_id and text of the documents to judge, each once, shard by shard.

        Documents without anything but white space are left out: there is nothing to judge.
        """
        last = 1.0
        if self.documents is not None:
            last = draw_threshold(
                corpus, self.documents, purpose=PURPOSE, seed=self.seed, where=self.name
            )
        seen = pa.array([], pa.binary(16))
        columns = ("doc_id", "text", self.among) if self.among else ("doc_id", "text")
        for table in corpus.tables(columns):
            if self.among:
                table = table.filter(pc.is_valid(table[self.among]))
            ids = id_matrix(table["doc_id"])
            first = np.zeros(len(ids), bool)
            first[np.unique(ids, axis=0, return_index=True)[1]] = True
            wanted = pc.and_(
                pa.array(first & (uniform(ids, PURPOSE, self.seed) <= last)),
                pc.invert(pc.utf8_is_space(pc.if_else(_empty(table), " ", table["text"]))),
            )
            chosen = table.filter(pc.and_not(wanted, pc.is_in(table["doc_id"], seen)))
            seen = pa.concat_arrays([seen, chosen["doc_id"].combine_chunks()])
            yield chosen

    def refuse_unread(self, verdicts: Iterable[Verdicts]) -> None:
        """Refuse a judge whose answers can too rarely be read."""
        every = list(verdicts)
        refuse_unread(
            int(sum(each.parsed.sum() for each in every)),
            sum(len(each.parsed) for each in every),
            least=self.least_parsed,
            prompt=self.wording,
            outside=[word for each in every for word in each.outside],
        )

    def write(
        self, out: Path, found: pa.Table, entries: Iterable[Entry], report: Mapping[str, Any]
    ) -> None:
        """Write what was found, ordered by document, the transcript, and the report."""
        from curator.shards import write_shard

        order = np.lexsort(id_matrix(found["doc_id"]).T[::-1])
        write_shard(found.take(pa.array(order)), out / _GRADES, name="grades")
        write_transcript(entries, out / TRANSCRIPT)
        text = json.dumps(report, indent=2, sort_keys=True, allow_nan=False)
        (out / REPORT).write_text(text + "\n")

    def described(self, entries: Iterable[Entry], verdicts: Iterable[Verdicts]) -> dict[str, Any]:
        """Return what a report says of any judge: who, how asked, how well read, at what cost."""
        asked, every = list(entries), list(verdicts)
        parsed = sum(int(each.parsed.sum()) for each in every)
        mass = np.concatenate([np.zeros(0), *(each.mass for each in every)])
        return {
            "prompt": {
                "name": self.wording.name,
                "version": self.wording.version,
                "digest": self.wording.digest,
            },
            "judge": self._respondent().name,
            "answers": len(asked),
            "parsed": parsed,
            "parsed_share": round(parsed / max(1, len(asked)), 4),
            "outside_range": sum(len(each.outside) for each in every),
            "mass_of_answers": quantiles(mass),
            "tokens": {
                "read": sum(one.answer.prompt_tokens for one in asked),
                "generated": sum(one.answer.tokens for one in asked),
            },
        }

    def _respondent(self) -> Respondent:
        return Respondent(
            "judge", self.model, self.url, self.key_variable, self.transcript, self.precision,
            self.concurrency, self.timeout_seconds, self.attempts,
        )  # fmt: skip


def quantiles(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    """Return tenths of a distribution for a report, {} if there is none."""
    known = np.asarray(values, np.float64)[~np.isnan(values)]
    if not len(known):
        return {}
    at = (0.0, 0.1, 0.5, 0.9, 1.0)
    return {f"{q:g}": round(float(v), 4) for q, v in zip(at, np.quantile(known, at), strict=True)}


def _empty(table: pa.Table) -> pa.ChunkedArray:
    return pc.equal(pc.utf8_length(table["text"]), 0)
