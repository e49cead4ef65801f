"""English words that are cut, or kept whole, against the general rules of `curator.text.tokens`.

The unit follows spaCy's English tokenizer, by which datatrove counts words: `don't` is `do` and
`n't`, `it's` is `it` and `'s`, with either apostrophe or none; `Mr.` and `e.g.` keep their dot.
Written out from the grammar: who can be shortened with what.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf
from curator.text.hashing import hash_of_bytes

LONGEST: Final = 12  # characters of the longest entry
UNIT: Final = 1 << 31
_SIZE: Final = 8192  # slots of the open table, about a sixth of them filled

_PERSONS: Final = {
    "i": "m ll ve d d've ll've",
    "you": "re ll ve d d've ll've",
    "he": "s ll d d've ll've",
    "she": "s ll d d've ll've",
    "it": "s ll d d've ll've",
    "we": "re ll ve d d've ll've",
    "they": "re ll ve d d've ll've",
    "this": "s ll d d've ll've",
    "that": "s ll d d've ll've",
    "these": "re ll ve d d've ll've",
    "those": "re ll ve d d've ll've",
    "there": "s re ll ve d d've ll've",
    "who": "s re ll ve d d've ll've",
    "what": "s re ll ve d d've ll've",
    "when": "s re ll ve d d've ll've",
    "where": "s re ll ve d d've ll've",
    "why": "s re ll ve d d've ll've",
    "how": "s re ll ve d d've ll've",
}
_NEGATED: Final = (
    "ai are ca could dare did do does had has have is may might must need ought sha should was "
    "were wo would"
)
_PERFECT: Final = "could might must should would not"
# Without their apostrophe these are other words, or names of other things.
_OTHER_WORDS: Final = ("ill", "its", "shell", "well", "hell", "were", "shed", "whore")
_PIECES: Final = ("can|not", "gon|na", "got|ta", "let|'s", "y'|all", "c'm|on", "how|'d|'y")
_WHOLE: Final = (
    "'s 're 'd 'll 'em ll em nuff 'nuff 'cause 'cos 'coz 'cuz 'bout ma'am o'clock and/or w/o "
    "doin doin' goin goin' nothin nothin' nuthin nuthin' ol ol' somethin somethin' lovin lovin' "
    "havin havin' "
    "a.m. p.m. e.g. i.e. vs. v.s. co. E.G. I.E. Ph.D. D.C. N.C. N.D. N.H. N.J. N.M. N.Y. S.C. "
    "Adm. Ak. Ala. Apr. Ariz. Ark. Aug. Bros. Calif. Co. Colo. Conn. Corp. Dec. Del. Dr. Feb. "
    "Fla. Ga. Gen. Gov. Ia. Id. Ill. Inc. Ind. Jan. Jr. Jul. Jun. Kan. Kans. Ky. La. Ltd. Mar. "
    "Mass. Md. Messrs. Mich. Minn. Miss. Mo. Mont. Mr. Mrs. Ms. Mt. Neb. Nebr. Nev. Nov. Oct. "
    "Okla. Ore. Pa. Prof. Rep. Rev. Sen. Sep. Sept. St. Tenn. Va. Wash. Wis. C++ "
    "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. ä. ö. ü."
)
# Those of spaCy (spacy/lang/tokenizer_exceptions.py, MIT), with two odd ones of its English list.
_FACES: Final = (
    ":) :)) :))) :-) :-)) :-))) (: (-: =) (= :] :-] [: [-: [= =] :} :-} :o) (o: 8) 8-) (-8 "
    ";) ;-) (; (-; ;D ;-D ;_; :( :(( :((( :-( :-(( :-((( ): )-: =( >:( >:o :() :') :'-) :'( :'-( "
    ":/ :-/ =/ :| :-| =| ]= =[ :1 :0 :-0 :3 :-3 =3 :P :-P :p :-p :O :-O :o :-o :X :-X :x :-x "
    ":D :-D =D :* :-* :> :-> xD XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.< ._. -_- -__- "
    "@_@ ><(((*> v.v v_v V.V V_V o.o o_o O.O O_O o.O o_O O.o O_o 0.0 0_0 0.o 0_o o.0 o_0 "
    "<3 <33 <333 </3 (^_^) (-_-) (._.) (>_<) (*_*) (¬_¬) (ಠ_ಠ) ಠ_ಠ ಠ︵ಠ "
    "¯\\(ツ)/¯ (╯°□°）╯︵┻━┻ '' \\\")"
)
_UNITS: Final = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s "
    "km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм см мм кг г мг"
)
_TITLED: Final = (
    "'cause 'cos 'coz 'cuz ma'am o'clock doin doin' goin goin' nothin nothin' nuthin nuthin' ol "
    "ol' somethin somethin' lovin lovin' havin havin' e.g. i.e."
)


class Exceptions(NamedTuple):
    """An open hash table from a word to its cuts.

    Attributes:
        keys: (slots,) uint64, `hash_bytes` of the word; 0: free.
        cuts: (slots,) uint32; bit k: a token begins at character k; bit 0 is set in every
            exception. `UNIT` alone: a unit of measure, cut off after a figure.
        likely: (256,) uint64, a bit for each value of a hash's upper 14 bits that some key has:
            it stays in the nearest cache, and answers for nearly every word.
    """

    keys: npt.NDArray[np.uint64]
    cuts: npt.NDArray[np.uint32]
    likely: npt.NDArray[np.uint64]


@cache
def exceptions() -> Exceptions:
    """The table of all exceptions (a few milliseconds when first asked for)."""
    table = Exceptions(
        np.zeros(_SIZE, np.uint64), np.zeros(_SIZE, np.uint32), np.zeros(256, np.uint64)
    )
    whole = dict.fromkeys(_UNITS.split(), UNIT) | words() | dict.fromkeys(_FACES.split(), 1)
    for word, cuts in sorted(whole.items()):
        key = word_hash(word)
        slot = int(key) % _SIZE
        while table.keys[slot]:
            slot = (slot + 1) % _SIZE
        table.keys[slot], table.cuts[slot] = key, cuts
        table.likely[int(key) >> 56] |= np.uint64(1 << (int(key) >> 50 & 63))
    return table


def words() -> dict[str, int]:
    """Every exception and its cuts, as `Exceptions.cuts` has them."""
    found: dict[str, int] = {}
    for pieces in _all_pieces():
        for apostrophe in ("'", "’"):
            written = [piece.replace("'", apostrophe) for piece in pieces]
            starts = [sum(map(len, written[:place])) for place in range(len(written))]
            found["".join(written)] = sum(1 << start for start in starts)
    return found


def _all_pieces() -> Iterator[list[str]]:
    for pieces in (*_shortened(), *(entry.split("|") for entry in _PIECES)):
        yield pieces
        if pieces[0] != "y'":
            yield [pieces[0][0].upper() + pieces[0][1:], *pieces[1:]]
    for word in _WHOLE.split():
        yield [word]
        if word in _TITLED.split():
            at = 1 if word[0] == "'" else 0
            yield [word[:at] + word[at:].capitalize()]
    yield from (["'S"], ["‘s"], ["‘S"])
    for hour in range(1, 13):
        yield from ([str(hour), half] for half in ("am", "pm", "a.m.", "p.m."))


def _shortened() -> Iterator[list[str]]:
    """`they|'ll|'ve`, `do|n't|'ve`, and each of them without apostrophes."""
    stems = [
        [person, *(f"'{tail}" for tail in tails.split("'") if tail)]
        for person, endings in _PERSONS.items()
        for tails in endings.split()
    ]
    stems += [[verb, "'ve"] for verb in _PERFECT.split()]
    for verb in _NEGATED.split():
        stems.append([verb, "n't"])
        if verb not in {"ai", "are", "is", "was", "were", "have", "has", "dare"}:
            stems.append([verb, "n't", "'ve"])
    for pieces in stems:
        yield pieces
        bare = [piece.replace("'", "") for piece in pieces]
        if "".join(bare) not in _OTHER_WORDS:
            yield bare


def word_hash(word: str) -> np.uint64:
    """The hash of a token, as kernels hash it: case counts."""
    return hash_of_bytes(word.encode())


@leaf
def cuts_of(table: Exceptions, hashed: np.uint64) -> np.uint32:
    """The cuts of the word with this hash; 0 when it is no exception."""
    likely = table.likely[hashed >> np.uint64(56)] >> ((hashed >> np.uint64(50)) & np.uint64(63))
    if not likely & np.uint64(1):
        return np.uint32(0)
    slot = hashed & np.uint64(_SIZE - 1)
    while table.keys[slot]:
        if table.keys[slot] == hashed:
            return np.uint32(table.cuts[slot])
        slot = (slot + np.uint64(1)) & np.uint64(_SIZE - 1)
    return np.uint32(0)
