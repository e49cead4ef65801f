"""Programs of chunks run so that no line number can shift and no replacement can run away.

Lines are numbered in the document as it came. A chunk's calls may name its own lines only; its
replacements see what is left of it and nothing else, a call replaces so often at most, and all of
a chunk's together touch a share of its bytes at most.
"""

from __future__ import annotations

import numpy as np

from curator.text.blocks import SLACK, copy
from curator.text.compile import block, compiled, part
from curator.text.edited_lines import (
    ACCEPTED,
    ERRORS,
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
from curator.text.program_lines import KEEP_CHUNK, NORMALIZE, REMOVE, REMOVE_ALL


@compiled
def program_edits(
    offsets: Counts, data: Data, edits: Edits, rules: Rules
) -> tuple[Counts, Data, Counts]:
    """The documents after their programs, as `Edited` has them."""
    documents, longest = len(offsets) - 1, longest_of(offsets)
    text = np.empty(longest + SLACK, np.uint8)
    part_of, other = np.empty(longest + SLACK, np.uint8), np.empty(longest + SLACK, np.uint8)
    breaks, words_at = np.empty(rules.most_lines, np.int64), np.empty(rules.most_lines, np.int64)
    gone = np.zeros(rules.most_lines, np.uint8)
    out = np.empty(offsets[-1] - offsets[0] + longest + SLACK, np.uint8)
    ends, counts = np.zeros(documents + 1, np.int64), np.zeros((documents, 7), np.int64)
    for row in range(documents):
        begin, size, to = offsets[row], offsets[row + 1] - offsets[row], ends[row]
        copy(text, 0, data, begin, size)
        told = counts[row]
        lines, told[5] = scan_lines(text, 0, size, breaks, words_at)
        told[6] = told[5]
        verdict = REFUSED if is_refused(edits, row) else 0
        if lines >= rules.most_lines:
            verdict = LINES
        if not verdict:
            breaks[lines], words_at[lines] = size, told[5]
            lines += 1
            replaces = _mark(edits, row, lines, gone, told)
            told[3], words = words_gone(words_at, lines, gone)
            told[6] -= words
            if replaces:  # what is left of a chunk can grow by what they may touch
                out = with_room(out, to, 3 * size + lines * rules.least_replaced)
                part_of, other, stop = _write(
                    text, breaks, lines, gone, edits, row, rules, told, part_of, other, out, to
                )
                told[6] = scan_lines(out, to, stop, breaks[:0], breaks)[1]
            else:
                out = with_room(out, to, size)
                stop, _ = write_kept(text, breaks, 0, lines - 1, gone, out, to, 0)
            verdict = verdict_of(told, rules)
            if told[1] > rules.most_errors and verdict != ACCEPTED:
                verdict = ERRORS  # a program with faults drops no document
            if not (told[3] or told[4]) and verdict != ERRORS:
                verdict = ACCEPTED  # nor does one that changes nothing
            to = stop if verdict == ACCEPTED else to
        if verdict != ACCEPTED:
            out = with_room(out, to, size)
            copy(out, to, data, begin, size)
            to += size
        if told[3]:
            gone[:lines] = 0
        told[0], ends[row + 1] = verdict, to
    return ends, out[: ends[documents]], counts


@block
def _mark(edits: Edits, row: int, lines: int, gone: Data, told: Counts) -> bool:
    """Mark the lines that go and count faults; whether any call replaces."""
    replaces = False
    for program in range(edits.documents[row], edits.documents[row + 1]):
        low, high = edits.firsts[program], edits.lasts[program]
        for call in range(edits.programs[program], edits.programs[program + 1]):
            kind = edits.kinds[call]
            first, last = edits.numbers[call, 0], edits.numbers[call, 1]
            if kind == REMOVE_ALL:
                first, last = low, high
            if high >= lines:
                told[1] += 1
            elif kind == NORMALIZE:
                replaces = True
            elif kind in (REMOVE, REMOVE_ALL):
                if low <= first <= last <= high:
                    mark_lines(gone, first, last)
                else:
                    told[1] += 1
            elif kind != KEEP_CHUNK:
                told[1] += 1
    return replaces


@part
def _write(
    text: Data,
    breaks: Counts,
    lines: int,
    gone: Data,
    edits: Edits,
    row: int,
    rules: Rules,
    told: Counts,
    part_of: Data,
    other: Data,
    out: Data,
    to: int,
) -> tuple[Data, Data, int]:
    """Write what is left, chunk by chunk, each after its replacements; where it ends."""
    line, some = 0, 0
    for program in range(edits.documents[row], edits.documents[row + 1]):
        low, high = edits.firsts[program], edits.lasts[program]
        if high >= lines:
            continue
        to, some = write_kept(text, breaks, line, low - 1, gone, out, to, some)
        end, any_line = write_kept(text, breaks, low, high, gone, part_of, 0, 0)
        line = high + 1
        if not any_line:
            continue
        part_of, other, end = _replaced(part_of, other, end, edits, program, rules, told)
        if some:
            out[to] = 10
            to += 1
        copy(out, to, part_of, 0, end)
        to, some = to + end, 1
    to, some = write_kept(text, breaks, line, lines - 1, gone, out, to, some)
    return part_of, other, to


@part
def _replaced(
    text: Data, other: Data, end: int, edits: Edits, program: int, rules: Rules, told: Counts
) -> tuple[Data, Data, int]:
    """Run the replacements of one chunk; one that would touch too much is an error."""
    left = max(rules.least_replaced, int(end * rules.most_replaced))
    for call in range(edits.programs[program], edits.programs[program + 1]):
        if edits.kinds[call] != NORMALIZE:
            continue
        op = edits.numbers[call]
        source, target = op[1] - op[0], op[3] - op[2]
        found = count_found(text, end, edits.strings, op[0], op[1], rules.most_replacements)
        touched = found * max(source, target)
        if touched > left:
            told[1] += 1
            continue
        if not found:
            continue
        left -= touched
        new = end + found * (target - source)
        if new + SLACK > len(other):
            other = np.empty(new + SLACK, np.uint8)
        end, _ = replace(text, end, edits.strings, op, found, other)
        text, other = other, text
        told[4] += found
    return text, other, end
