"""Why a rule of ours and datatrove's differ on a document: the classes of docs/agreement.md.

Nearly every rule counts tokens, and tokens are where the sides can differ: datatrove's come from
spaCy's blank English pipeline, ours from `curator.text.tokens`, which follows its rules but for
the three things told there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SAME: Final = "same tokens"
JOINED: Final = "joined"
PARTED: Final = "parted"
MOVED: Final = "cut elsewhere"

Difference = tuple[tuple[str, ...], tuple[str, ...]]


def class_of(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """The kinds of differences between both sides' tokens of a text, in alphabetic order."""
    kinds = {kind_of(*each) for each in differences(ours, theirs)}
    return "; ".join(sorted(kinds)) or SAME


def kind_of(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """What datatrove does with characters that both sides cut differently.

    It keeps together what we cut ("joined": emoticons, abbreviations), it cuts what we keep
    ("parted"), or it cuts at another place; and whether there are letters of other scripts.
    """
    kind = JOINED if len(theirs) == 1 else PARTED if len(ours) == 1 else MOVED
    foreign = any(character.isalpha() and ord(character) > 0x24F for character in "".join(ours))
    return f"{kind}, other script" if foreign else kind


def differences(ours: Sequence[str], theirs: Sequence[str]) -> list[Difference]:
    """The shortest stretches of text that both sides cut differently, white space apart."""
    mine, their = (_visible(tokens) for tokens in (ours, theirs))
    found = []
    i = j = 0
    while i < len(mine) and j < len(their):
        first, second = i, j
        behind = len(mine[i]) - len(their[j])
        i, j = i + 1, j + 1
        while behind:
            if behind < 0:
                behind += len(mine[i])
                i += 1
            else:
                behind -= len(their[j])
                j += 1
        if mine[first:i] != their[second:j]:
            found.append((tuple(mine[first:i]), tuple(their[second:j])))
    return found


def _visible(tokens: Sequence[str]) -> list[str]:
    """Tokens without the white space in them, and none that is nothing else."""
    bare = ("".join(token.split()) for token in tokens)
    return [token for token in bare if token]
