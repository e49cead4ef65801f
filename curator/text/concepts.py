"""What a text is about: its phrases of content words, by how much company their words keep.

RAKE (Rose, Engel, Cramer, Cowley 2010, "Automatic keyword extraction from individual documents", in
Text Mining: Applications and Theory, Wiley): a text is cut at stop words and punctuation, a word's
score is its degree (words it stands in phrases with, itself too) over its frequency, a phrase's
the sum of its words'. The stop words are ours, and English; another language has long phrases.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

LONGEST: Final = 3  # words: longer runs without a stop word are rarely a name for anything
_PIECE: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|[^\s\w]|\d+")
_WORDS: Final = """
a about above after again against all also although always am among an and another any are
around as at away back be became because become been before being below between both but by
came can cannot could did do does doing done down during each either else even ever every
few first for from further gave get give given go goes going gone got had has have having he
her here hers herself him himself his how however i if in instead into is it its itself just
keep kept know last later least less let like made make makes many may me might mine more
most much must my myself need never new no nor not nothing now of off often on once one only
onto or other others our ours ourselves out over own per perhaps put quite rather really
same say says see seem seems seen several shall she should since so some something still
such take than that the their theirs them themselves then there therefore these they thing
things this those though through thus to together too toward two under until up upon us use
used uses using very want was way we well went were what when where whether which while who
whom whose why will with within without would yes yet you your yours yourself
"""
STOP_WORDS: Final = frozenset(_WORDS.split())


def concepts_of(text: str, most: int = 5) -> tuple[str, ...]:
    """Return up to `most` phrases in lower case, the highest score first, of equals the first.

    A loop over the words of a text: about 2 MB a second.
    """
    phrases = _phrases(text)
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    for phrase in phrases:
        for word in phrase:
            frequency[word] += 1
            degree[word] += len(phrase)
    score = {
        " ".join(phrase): sum(degree[word] / frequency[word] for word in phrase)
        for phrase in phrases
    }
    return tuple(sorted(score, key=lambda phrase: -score[phrase])[:most])


def _phrases(text: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    run: list[str] = []
    for piece in [*_PIECE.findall(text.lower()), "."]:
        if piece[0].isalpha() and piece not in STOP_WORDS:
            run.append(piece)
            continue
        if 0 < len(run) <= LONGEST:
            found.append(tuple(run))
        run = []
    return found
