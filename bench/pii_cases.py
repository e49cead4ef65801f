"""Labelled sentences for `bench.pii`: instances made from public formats, and what only looks so.

Two sets that share nothing: `dev` was looked at while the detectors were written, `held` has other
formats, other sentences, other look-alikes, and was scored after they were done. Every instance is
made by chance from a seed; nobody's data is in here.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass

from curator.text.accounts import iban_lengths

Make = Callable[[random.Random], str]
KINDS = ("email", "ip", "phone", "card", "iban", "key")
ALNUM = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Case:
    """A text with at most one labelled span, in characters."""

    text: str
    kind: str  # "" for a look-alike
    start: int
    end: int
    form: str


def some(rng: random.Random, letters: str, size: int) -> str:
    return "".join(rng.choice(letters) for _ in range(size))


def digits(rng: random.Random, size: int) -> str:
    return some(rng, string.digits, size)


def filled(rng: random.Random, pattern: str) -> str:
    """`#` a digit, `N` one from 2 to 9, `X` one from 1 to 9; the rest as it stands."""
    chosen = {"#": "0123456789", "N": "23456789", "X": "123456789"}
    return "".join(rng.choice(chosen[c]) if c in chosen else c for c in pattern)


def american(rng: random.Random, pattern: str) -> str:
    """`AAA` an area code and `EEE` an exchange as the North American plan admits them."""
    area, exchange = "911", "911"
    while area[1:] == "11" or area[1] == "9":
        area = filled(rng, "N##")
    while exchange[1:] == "11":
        exchange = filled(rng, "N##")
    return filled(rng, pattern.replace("AAA", area).replace("EEE", exchange))


def luhn(body: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card(rng: random.Random, prefix: str, size: int, groups: tuple[int, ...] = (), sep="") -> str:
    body = prefix + digits(rng, size - len(prefix) - 1)
    number = body + luhn(body)
    return grouped(number, groups, sep)


def grouped(number: str, groups: tuple[int, ...], sep: str) -> str:
    parts, at = [], 0
    for size in groups or (len(number),):
        parts.append(number[at : at + size])
        at += size
    return sep.join(part for part in parts if part)


def iban(rng: random.Random, country: str, sep: str = "", letters: str = string.digits) -> str:
    body = some(rng, letters, iban_lengths()[country] - 4)
    as_number = "".join(str(int(c, 36)) for c in body + country + "00")
    number = f"{country}{98 - int(as_number) % 97:02d}{body}"
    return grouped(number, (4,) * 9, sep)


def v4(rng: random.Random) -> str:
    """A global address with at least one octet of two digits."""
    first = rng.choice([23, 34, 45, 52, 64, 77, 81, 93, 104, 128, 139, 151, 178, 185, 195, 212])
    return f"{first}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def v6(rng: random.Random, groups: int = 8, *, upper: bool = False) -> str:
    head = rng.choice(["2a00", "2a02", "2607", "2404", "2800", "2c0f"])
    rest = [f"{rng.randint(1, 0xFFFF):x}" for _ in range(groups - 1)]
    if groups < 8:
        at = rng.randint(1, len(rest))
        text = ":".join([head, *rest[:at]]) + "::" + ":".join(rest[at:])
    else:
        text = ":".join([head, *rest])
    return text.upper() if upper else text


def jwt(rng: random.Random, header: dict[str, str]) -> str:
    parts = [header, {"sub": digits(rng, 8), "iat": int(digits(rng, 9))}]
    coded = [
        base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).decode()
        for part in parts
    ]
    return ".".join(part.rstrip("=") for part in coded) + "." + some(rng, ALNUM + "-_", 43)


def pem(rng: random.Random, label: str, lines: int, newline: str = "\n") -> str:
    body = newline.join(some(rng, ALNUM + "+/", 64) for _ in range(lines))
    return f"-----BEGIN {label}-----{newline}{body}{newline}-----END {label}-----"


FIRST = "anna bob carla dmitri elena farid grace hugo ines jan kemal lucia maja nils olga"
LAST = "smith garcia mueller rossi novak kim dubois silva ivanova jensen okafor tanaka"
SITES = "northwind contoso riverbank bluefield hexagon-labs oakwood tallinn-press"


def person(rng: random.Random, pattern: str) -> str:
    return pattern.format(
        f=rng.choice(FIRST.split()),
        l=rng.choice(LAST.split()),
        s=rng.choice(SITES.split()),
        n=rng.randint(1, 99),
    )


def shaped(pattern: str, make: Callable[[random.Random, str], str]) -> Make:
    return lambda rng: make(rng, pattern)


def forms(make: Callable[[random.Random, str], str], *patterns: str) -> dict[str, Make]:
    return {pattern: shaped(pattern, make) for pattern in patterns}


def cases(
    positives: dict[str, dict[str, Make]],
    sentences: dict[str, list[str]],
    negatives: dict[str, Make],
    bare: list[str],
    seed: int,
    each: int,
) -> list[Case]:
    """`each` sentences of every form of every kind and of every look-alike."""
    rng = random.Random(seed)
    made = []
    for kind, makers in positives.items():
        for form, make in makers.items():
            for _ in range(each):
                sentence = rng.choice(sentences[kind])
                made.append(placed(sentence, make(rng), kind, form))
    for form, make in negatives.items():
        for _ in range(each):
            made.append(placed(rng.choice(bare), make(rng), "", form))  # noqa: PERF401 - reads well
    return made


def placed(sentence: str, instance: str, kind: str, form: str) -> Case:
    before, _, after = sentence.partition("{}")
    return Case(before + instance + after, kind, len(before), len(before + instance), form)
