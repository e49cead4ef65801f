"""Questions that a document answers, made without a model: gaps in sentences, and definitions.

A stand-in for `instruct` where no model writes questions well, and its opposite number in checks:
every answer stands in the text, so grounding is certain; the questions are of two forms, so variety
is not. What an arm of it gains says little of what a language model's questions would.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pyarrow as pa

from curator.errors import RecipeError
from curator.identity import id_matrix, random_bits
from curator.refine.chains import LONGEST, Chain, Link, documents_of, exchanged, left_alone, slots
from curator.refine.instruct import beginning
from curator.refine.pieces import pieces
from curator.refine.question_pairs import Pair
from curator.refine.refiner import Refined, Refiner

GAP: Final = "____"
_SHORTEST, _LONGEST_SENTENCE = 8, 40  # words; ours: shorter says too little, longer is a list
_WORD: Final = re.compile(r"\w+(?:['\u2019-]\w+)*")
# "Iron is a metal that rusts.": what it is about, four words at most, and what is said of it.
_DEFINES: Final = re.compile(
    r"(?P<what>(?:The |A |An )?[\w'\u2019-]+(?: [\w'\u2019-]+){0,3}) (?P<verb>is|are|was|were) "
    r"(?P<said>(?:an?|the|one of) \w[^\n]{10,300})"
)
_POINTERS: Final = frozenset(
    ["it", "this", "that", "he", "she", "they", "these", "those", "there", "which", "who", "what"]
)


@dataclass(frozen=True)
class Cloze(Refiner):
    """Makes a document of every chain of texts with gaps to fill and definitions to give.

    Attributes:
        pairs: of a text at most.
        rounds: texts of a chain at most, as of `instruct`.
        max_characters: of a document that are taken, whole paragraphs or sentences of them.
        shuffled: the control: every text stands with the pairs of another one of its source.
        convert: share of the documents that are taken, by chance of their ids.
        among: a score NAME or NAME.COLUMN; only documents above `above` are written about.
        above: of `among`.
        seed: of the sentences, the layout.
    """

    pairs: int = 5
    rounds: int = 1
    max_characters: int = 4000
    shuffled: bool = False
    convert: float = 1.0
    among: str = ""
    above: float = 0.0
    seed: int = 0

    name: ClassVar[str] = "cloze"

    def __post_init__(self) -> None:
        """Refuse counts below one and chains longer than a block."""
        if min(self.pairs, self.rounds, self.max_characters) < 1 or self.rounds > LONGEST:
            raise RecipeError(
                f"pairs={self.pairs!r}, rounds={self.rounds!r}, max_characters="
                f"{self.max_characters!r}; wanted 1 or more, and rounds at most {LONGEST}"
            )
        if not 0 < self.convert <= 1:
            raise RecipeError(f"convert={self.convert!r}; wanted a share above 0, at most 1")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the settings
        """The text, and the score that says which documents are written about."""
        return ("text", self.among) if self.among else ("text",)

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return a document for every chain; a text without a fit sentence has none."""
        bits = random_bits(id_matrix(table["doc_id"]), f"{self.name}.sentences", self.seed)
        reasons = left_alone(table, self.among, self.above, self.convert, self.name, self.seed)
        links: dict[int, Link] = {}
        # A loop over documents: sentences are found by regular expressions, text by text.
        for row, text in enumerate(table["text"].to_pylist()):
            if row in reasons:
                continue
            shown = beginning(text, self.max_characters)
            found = asked_of(shown, self.pairs, int(bits[row]))
            if not found:
                reasons[row] = f"{self.name}.no_pairs"
                continue
            links[row] = Link(row, shown, found, row)
            if len(shown) < len(text.strip()):
                reasons[row] = f"{self.name}.cut"
        sources = table["source"].to_pylist()
        lanes = slots(sources, self.rounds)
        chains: list[Chain] = [[links[row] for row in lane if row in links] for lane in lanes]
        chains = [chain for chain in chains if chain]
        if self.shuffled:
            chains, alone = exchanged(chains, sources)
            reasons |= dict.fromkeys(sorted(alone), f"{self.name}.alone")
        return documents_of(table, chains, reasons, name=self.name, seed=self.seed)


def asked_of(text: str, most: int, bits: int) -> tuple[Pair, ...]:
    """Return at most so many pairs about a text, in the order of their sentences.

    Sentences are taken evenly over the text; random bits choose the word that is left out.
    """
    sentences = [one for one in _sentences(text) if _is_fit(one)]
    if not sentences:
        return ()
    step = max(1.0, len(sentences) / most)
    chosen = [sentences[int(place * step)] for place in range(min(most, len(sentences)))]
    counts = Counter(word.lower() for word in _WORD.findall(text))
    found: dict[str, Pair] = {}
    for place, sentence in enumerate(chosen):
        pair = _definition(sentence) or _gap(sentence, counts, bits >> (place % 60))
        if pair is not None:
            found.setdefault(pair.question, pair)
    return tuple(found.values())


def _sentences(text: str) -> Iterator[str]:
    for piece in pieces(text, 1, lambda _: 1, "sentence"):
        yield text[piece.start : piece.end].strip()


def _is_fit(sentence: str) -> bool:
    """Return whether a stretch of text reads as a sentence: begin, end, length, mostly letters."""
    words = _WORD.findall(sentence)
    letters = sum(map(str.isalpha, sentence)) + sentence.count(" ")
    return (
        _SHORTEST <= len(words) <= _LONGEST_SENTENCE
        and sentence[0].isupper()
        and sentence.rstrip("\"'\u2019\u201d)]")[-1:] in tuple(".!?")
        and "\n" not in sentence
        and letters >= 0.85 * len(sentence)
    )


def _definition(sentence: str) -> Pair | None:
    """Return "What is X?" of a sentence that says so; None of others."""
    found = _DEFINES.fullmatch(sentence.rstrip(".!?"))
    if found is None or found["what"].split()[-1].lower() in _POINTERS:
        return None
    first, _, rest = found["what"].partition(" ")
    what = f"{first.lower()} {rest}" if first in ("The", "A", "An") else found["what"]
    said = found["said"]
    return Pair(f"What {found['verb']} {what}?", f"{said[0].upper()}{said[1:]}.")


def _gap(sentence: str, counts: Counter[str], bits: int) -> Pair | None:
    """Return a sentence without one telling word: a number, a name, a rare long word."""
    words = list(_WORD.finditer(sentence))
    telling = [one for one in words[1:] if _tells(one.group())]
    if not telling:
        return None
    best = sorted(telling, key=lambda one: (counts[one.group().lower()], one.start()))[:3]
    left_out = best[bits % len(best)]
    shown = sentence[: left_out.start()] + GAP + sentence[left_out.end() :]
    return Pair(f"Which word is missing? {shown}", left_out.group())


def _tells(word: str) -> bool:
    return word[0].isdigit() or word[0].isupper() or len(word) >= 7  # letters; shorter: small words
