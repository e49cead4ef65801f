"""ProX's programs run in the order in which its own executor runs them, for comparison.

Every replacement first, on the whole document; then lines go, by their numbers in the replaced
text. Strings with a comma, an equals sign, a closing parenthesis, a quote or a backslash are ones
that the published splitter of calls misreads: their calls are counted and not run.
"""

from __future__ import annotations

import numpy as np

from curator.text.blocks import SLACK, copy
from curator.text.compile import block, compiled, part
from curator.text.edited_lines import (
    ACCEPTED,
    GROWTH,
    LINES,
    REFUSED,
    Counts,
    Data,
    Edits,
    Rules,
    count_found,
    is_refused,
    longest_of,
    mark_lines,
    replace,
    scan_lines,
    verdict_of,
    with_room,
    words_gone,
    write_kept,
)
from curator.text.program_lines import KEEP_CHUNK, NORMALIZE, REMOVE


@block
def is_misread(strings: Data, op: Counts) -> bool:
    """Whether the published splitter would misread a call's strings."""
    marks = b",=)\"'\\\n"
    for side in range(0, 4, 2):
        for place in range(op[side], op[side + 1]):
            for mark in range(len(marks)):
                if strings[place] == marks[mark]:
                    return True
    return False


@compiled
def legacy_edits(
    offsets: Counts, data: Data, edits: Edits, rules: Rules
) -> tuple[Counts, Data, Counts]:
    """The documents after their programs, as `Edited` has them."""
    documents, longest = len(offsets) - 1, longest_of(offsets)
    text, other = np.empty(longest + SLACK, np.uint8), np.empty(longest + SLACK, np.uint8)
    breaks, words_at = np.empty(rules.most_lines, np.int64), np.empty(rules.most_lines, np.int64)
    gone = np.zeros(rules.most_lines, np.uint8)
    out = np.empty(offsets[-1] - offsets[0] + longest + SLACK, np.uint8)
    ends, counts = np.zeros(documents + 1, np.int64), np.zeros((documents, 7), np.int64)
    for row in range(documents):
        begin, size, to = offsets[row], offsets[row + 1] - offsets[row], ends[row]
        copy(text, 0, data, begin, size)
        told, end = counts[row], size
        low = edits.programs[edits.documents[row]]
        high = edits.programs[edits.documents[row + 1]]
        verdict = REFUSED if is_refused(edits, row) else 0
        lines, told[5] = scan_lines(text, 0, end, breaks, words_at)
        told[6] = told[5]
        if not verdict:
            text, other, end, verdict = _replaced(text, other, end, edits, low, high, rules, told)
        if told[4] and not verdict:
            lines, told[6] = scan_lines(text, 0, end, breaks, words_at)
        if not verdict and lines >= rules.most_lines:
            verdict = LINES
        if not verdict:
            breaks[lines], words_at[lines] = end, told[6]
            lines += 1
            told[1] = _mark(edits, low, high, lines, gone)
            told[3], words = words_gone(words_at, lines, gone)
            told[6] -= words
            verdict = verdict_of(told, rules)
        out = with_room(out, to, max(end, size))
        if verdict == ACCEPTED:
            to, _ = write_kept(text, breaks, 0, lines - 1, gone, out, to, 0)
        else:
            copy(out, to, data, begin, size)
            to += size
        if told[3]:
            gone[:lines] = 0
        told[0], ends[row + 1] = verdict, to
    return ends, out[: ends[documents]], counts


@part
def _replaced(
    text: Data,
    other: Data,
    end: int,
    edits: Edits,
    low: int,
    high: int,
    rules: Rules,
    told: Counts,
) -> tuple[Data, Data, int, int]:
    """Run every replacement on the whole text; returns it, spare room, its end, and a verdict."""
    most = max(1 << 20, rules.most_growth * end)
    for call in range(low, high):
        if edits.kinds[call] != NORMALIZE:
            continue
        op = edits.numbers[call]
        if is_misread(edits.strings, op):
            told[2] += 1
            continue
        grows, room = op[3] - op[2] - op[1] + op[0], end
        if grows > 0:  # it is counted first, for room
            room += grows * count_found(text, end, edits.strings, op[0], op[1], end + 1)
        if room > most:
            return text, other, end, GROWTH
        if room + SLACK > len(other):  # an earlier call may have made `text` longer than this
            other = np.empty(room + SLACK, np.uint8)
        new, found = replace(text, end, edits.strings, op, end + 1, other)
        if found:
            text, other, end = other, text, new
            told[4] += found
    return text, other, end, 0


@block
def _mark(edits: Edits, low: int, high: int, lines: int, gone: Data) -> int:
    """Mark the lines that go; returns the errors: calls that are none, and lines that are not."""
    errors = 0
    for call in range(low, high):
        kind = edits.kinds[call]
        if kind == REMOVE:
            first, last = edits.numbers[call, 0], edits.numbers[call, 1]
            if first > last or last >= lines:
                errors += 1
            else:
                mark_lines(gone, first, last)
        elif kind != NORMALIZE and kind != KEEP_CHUNK:
            errors += 1
    return errors
