from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.refine.execute import VERDICTS, Programs, Rules, execute, whole
from curator.refine.programs import (
    FAULTS,
    KINDS,
    MAX_LINE_BYTES,
    MAX_OPS,
    MAX_STRING_BYTES,
    Op,
    parse,
    parse_line,
    spelled,
)
from curator.text.program_lines import program_lines
from tests.support.edited_texts import programs, replacements
from tests.support.hostile_programs import hostile_programs, watched

PROSE = "The river rose after three days of rain and the lower road was closed."
OPS = st.one_of(
    st.sampled_from([Op("keep_chunk"), Op("keep_doc"), Op("drop_doc"), Op("remove_all")]),
    st.builds(lambda a, b: Op("remove_lines", a, b), *[st.integers(0, 10**15 - 1)] * 2),
    st.builds(
        lambda a, b: Op("normalize", source=a, target=b),
        st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text),
        st.text(max_size=20).filter(lambda text: "\0" not in text),
    ),
)


def read_by_kernel(lines):
    """Return the operation of each line as the kernel reads it, None where it leaves it to us."""
    column = pa.array(lines, pa.large_string())
    calls = program_lines(
        column, longest_line=MAX_LINE_BYTES, longest_string=MAX_STRING_BYTES, most_lines=1
    )
    data = "".join(lines).encode()
    found = []
    for row in range(len(lines)):
        at = calls.offsets[row]
        if at == calls.offsets[row + 1]:
            found.append("blank")
            continue
        kind, (a, b, c, d) = calls.kinds[at], calls.numbers[at].tolist()
        if kind < 0:
            found.append(None)
        elif KINDS[kind] == "normalize":
            found.append(Op("normalize", source=data[a:b].decode(), target=data[c:d].decode()))
        else:
            found.append(
                Op(KINDS[kind], a, b) if KINDS[kind] == "remove_lines" else Op(KINDS[kind])
            )
    return found


@given(OPS)
def test_an_operation_is_spelled_as_it_is_read(op):
    assert parse(spelled(op)).ops == (op,)


@settings(max_examples=60)
@given(st.lists(st.one_of(OPS.map(spelled), programs(), replacements()), max_size=8))
def test_what_is_plainly_spelled_means_the_same_without_a_parser(sources):
    lines = [line for source in sources for line in source.split("\n")]

    for line, found in zip(lines, read_by_kernel(lines), strict=True):
        assert found in (None, parse_line(line)) or (found == "blank" and not line.strip())


def test_the_kernel_reads_nothing_that_the_parser_would_refuse(tmp_path):
    sources = hostile_programs(4000, str(tmp_path / "trap"))
    text = "\n".join(sources).encode("utf-8", "replace").decode()
    lines = [line for line in dict.fromkeys(text.split("\n")) if line.strip(" \t\r")]

    for line, found in zip(lines, read_by_kernel(lines), strict=True):
        assert found is None or found == parse_line(line)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("remove_lines(1, 2", "syntax"),
        ("remove_lines", "call"),
        ("1 + 1", "call"),
        ("os.system('ls')", "name"),
        ("remove_lines.x()", "name"),
        ("print(1)", "name"),
        ("remove_lines(line_start=1)", "argument"),
        ("remove_lines(line_start=-1, line_end=2)", "argument"),
        ("remove_lines(line_start=True, line_end=2)", "argument"),
        ("remove_lines(line_start=x, line_end=2)", "argument"),
        ("remove_lines(line_start=1, line_end=2, all=True)", "argument"),
        ("remove_lines(1, line_start=2)", "argument"),
        ("remove_lines(all=1)", "argument"),
        ("remove_lines(**{})", "argument"),
        ("keep_chunk(1)", "argument"),
        ("normalize(source_str='a', target_str=b'b')", "argument"),
        ("normalize(source_str='', target_str='b')", "empty"),
        ("normalize(source_str='a', target_str='\\ud800')", "text"),
        (f"normalize(source_str='a', target_str='{'b' * 501}')", "text"),
        ("normalize(source_str='a', target_str='" + "b" * 2000 + "')", "syntax"),
    ],
)
def test_what_is_no_operation_has_its_fault(line, fault):
    assert parse_line(line) == fault
    assert fault in FAULTS


def test_a_program_of_too_many_lines_is_refused_whole():
    assert parse("keep_chunk()\n" * (MAX_OPS + 1)).faults == ("many",)
    assert len(parse("keep_chunk()\n" * MAX_OPS).ops) == MAX_OPS
    assert parse("x" * 70_000).faults == ("long",)


def test_arguments_by_place_and_odd_escapes_are_read():
    assert parse_line("remove_lines(3, line_end=5)") == Op("remove_lines", 3, 5)
    assert parse_line(r"normalize('\d', '\t')") == Op("normalize", source=r"\d", target="\t")


@pytest.mark.parametrize("policy", ["exact", "legacy"])
def test_ten_thousand_hostile_programs_run_nothing_and_lose_nothing(tmp_path, policy):
    trap = tmp_path / "trap"
    sources = [
        one.encode("utf-8", "replace").decode() for one in hostile_programs(10_000, str(trap))
    ]
    texts = [f"{PROSE}\nshare this\n{PROSE} {row}" for row in range(len(sources))]
    given = pa.array(texts), whole(range(len(texts)), [3] * len(texts), sources)
    execute(
        pa.array([PROSE]), whole([0], [1], ["x"]), Rules(policy=policy)
    )  # imports what it needs
    with watched() as deeds:
        begun = time.perf_counter()
        edited = execute(*given, Rules(policy=policy))
        seconds = time.perf_counter() - begun

    assert not trap.exists()
    assert deeds == []
    words = np.array([VERDICTS[one] for one in edited.verdicts])
    kept = words != "accepted"
    new = edited.texts.to_pylist()
    assert all(new[row] == texts[row] for row in np.flatnonzero(kept))
    assert (edited.errors[words == "accepted"] <= 1).all()
    for row in np.flatnonzero(~kept):  # what ran was a plain removal, or nothing
        assert set(new[row].split("\n")) <= {*texts[row].split("\n"), ""} or edited.replaced[row]
    assert set(words) <= {"accepted", "errors", "refused", "short", "share"}
    assert (words == "errors").sum() > 2000
    assert seconds < 30  # 2 s on an idle core


def test_surrogates_and_nulls_are_faults_and_no_crash():
    found = [parse(text) for text in ("\ud800", "keep_chunk()\0", "remove_lines(\ud800)", "\0")]

    assert [one.faults for one in found] == [("syntax",)] * 4


def test_an_empty_column_of_programs_changes_nothing():
    nothing = np.zeros(0, np.int64)
    edited = execute(
        pa.array([PROSE]), Programs(nothing, nothing, nothing, pa.array([], pa.large_string()))
    )

    assert edited.texts.to_pylist() == [PROSE]
