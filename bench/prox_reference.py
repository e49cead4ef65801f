"""ProX's executor one document at a time, written from a description of what it does.

The description: a chunk's calls are numbered by the lines of the whole document; the outputs of
all chunks are joined and run once. A call is cut out by hand: its name before the first
parenthesis, its parameters up to the first closing one, cut at commas, each cut at its equals sign.
All replacements run first, on the whole text; then lines are removed by their numbers in what came
of that. A replacement with more than two parameters is silently no call at all; an interval out of
range, or a call that cannot be read, is an error. Then the four rules of acceptance. Nothing here
is shared with `curator.refine`: it is what that is compared with, in outcome and in speed.
"""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """What became of a document: its text, None if it is dropped; by which rule; and its errors."""

    text: str | None
    rule: str
    errors: int


def run_chunks(text: str, outputs: list[str], *, most_dropped: float = 0.95) -> Outcome:
    """Return what ProX's executor makes of a document and what a model wrote about its chunks."""
    replacements, intervals, errors = read_calls("\n".join(outputs))
    before = len(text.split())
    new = text
    for source, target in replacements:
        new = new.replace(source, target)
    lines = new.split("\n")
    gone = set()
    for first, last in intervals:
        if first < 0 or first > last or last >= len(lines):
            errors += 1
        else:
            gone.update(range(first, last + 1))
    kept = "\n".join(line for number, line in enumerate(lines) if number not in gone)
    after = len(kept.split())
    if not before:
        return Outcome(text, "wordless", errors)  # there, a division by zero
    ratio = after / before
    if ratio <= 1.0 - most_dropped and errors < 2:
        return Outcome(None, "share", errors)
    if after <= 10:
        return Outcome(None, "short", errors)
    if ratio >= 0.0 and errors < 2:
        return Outcome(kept, "accepted", errors)
    return Outcome(text, "errors", errors)


def read_calls(program: str) -> tuple[list[tuple[str, str]], list[tuple[int, int]], int]:
    """Return the replacements, the intervals of lines and the number of errors of a program."""
    replacements: list[tuple[str, str]] = []
    intervals: list[tuple[int, int]] = []
    errors = 0
    for line in program.split("\n"):
        call = line.strip()
        if not call or call == "keep_chunk()":
            continue
        name, parenthesis, rest = call.partition("(")
        parameters = rest.partition(")")[0].split(",")
        given = [one.split("=")[1].strip() for one in parameters if "=" in one]
        if not parenthesis:
            errors += 1
        elif name == "normalize" and len(parameters) > 2:
            continue
        elif name == "normalize" and len(given) == 2:
            replacements.append((given[0].strip("\"'"), given[1].strip("\"'")))
        elif name == "remove_lines" and len(given) == 2 and all(one.isdigit() for one in given):
            intervals.append((int(given[0]), int(given[1])))
        else:
            errors += 1
    return replacements, intervals, errors


def run_document(text: str, answer: str) -> str | None:
    """Return what ProX makes of a document and what a model said of all of it; None: dropped."""
    return None if "drop" in answer else text
