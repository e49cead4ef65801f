from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.prox_reference import run_chunks
from curator.errors import PluginError, RecipeError
from curator.refine.execute import DROPPED, MAX_LINES, VERDICTS, Programs, Rules, execute, whole
from curator.refine.programs import MAX_OPS, MAX_PROGRAM_BYTES
from tests.support.edited_texts import PLAIN, TEXTS, programs, replacements, run_exactly

EXACT, LEGACY = Rules(), Rules(policy="legacy")
# What ProX's splitter reads as it is written.
WELL_FORMED = PLAIN.filter(lambda text: not set(text) & set(",=)\"'\\"))
CASES = st.lists(st.tuples(TEXTS, programs(replacements(WELL_FORMED))), min_size=1, max_size=12)
PROSE = "The river rose after three days of rain and the lower road was closed."


def run(texts, sources, rules=EXACT, lines=None):
    lines = lines or [text.count("\n") + 1 for text in texts]
    column = pa.array(texts, pa.large_string())
    return execute(column, whole(range(len(texts)), lines, sources), rules)


def verdicts(edited):
    return [VERDICTS[one] for one in edited.verdicts]


@settings(max_examples=30, deadline=None)
@given(CASES)
def test_legacy_gives_what_the_published_order_gives_byte_for_byte(cases):
    texts, sources = map(list, zip(*cases, strict=True))
    ours = run(texts, sources, LEGACY)

    for row, (text, source) in enumerate(cases):
        theirs = run_chunks(text, [source])
        if ours.misread[row]:
            continue
        assert VERDICTS[ours.verdicts[row]] == theirs.rule
        assert ours.errors[row] == theirs.errors
        assert ours.texts[row].as_py() == (theirs.text if theirs.rule == "accepted" else text)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            TEXTS, st.lists(st.integers(1, 12), max_size=4), st.lists(programs(), max_size=5)
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([EXACT, Rules(max_replacements=1), Rules(max_replaced=0.0, max_errors=3)]),
)
def test_exact_gives_what_it_gives_one_document_at_a_time(cases, rules):
    rows, chunks = [], []
    for row, (_, sizes, sources) in enumerate(cases):
        ends = np.cumsum([0, *sizes])[: len(sources) + 1]
        mine = [
            (int(a), int(b) - 1, source)
            for a, b, source in zip(ends[:-1], ends[1:], sources, strict=False)
        ]
        chunks.append(mine)
        rows += [row] * len(mine)
    flat = [chunk for mine in chunks for chunk in mine]
    firsts, lasts = (np.array([chunk[side] for chunk in flat], np.int64) for side in (0, 1))
    sources = pa.array([chunk[2] for chunk in flat], pa.large_string())
    texts = pa.array([case[0] for case in cases], pa.large_string())
    edited = execute(texts, Programs(np.array(rows, np.int64), firsts, lasts, sources), rules)

    for row, ((text, _, _), mine) in enumerate(zip(cases, chunks, strict=True)):
        found = edited.texts[row].as_py(), VERDICTS[edited.verdicts[row]], edited.errors[row]
        assert found == run_exactly(text, mine, rules)


def test_line_numbers_are_those_of_the_document_as_it_came():
    text = f"{PROSE}\nshare this\n{PROSE}\nback to top\n{PROSE}"
    program = (
        'remove_lines(line_start=1, line_end=1)\nnormalize(source_str="river", target_str="sea")\n'
        "remove_lines(line_start=3, line_end=3)"
    )

    edited = run([text], [program])

    assert edited.texts[0].as_py() == "\n".join([PROSE.replace("river", "sea")] * 3)
    assert (edited.removed[0], edited.replaced[0]) == (2, 3)


def test_a_chunk_edits_its_own_lines_only():
    text = "\n".join([PROSE] * 4)
    sources = pa.array(
        [
            'normalize(source_str="rose", target_str="fell")',
            "remove_lines(line_start=0, line_end=0)",
        ]
    )
    chunks = Programs(np.zeros(2, np.int64), np.array([0, 2]), np.array([1, 3]), sources)

    edited = execute(pa.array([text]), chunks)

    changed = PROSE.replace("rose", "fell")
    assert edited.texts[0].as_py() == "\n".join([changed, changed, PROSE, PROSE])
    assert edited.errors[0] == 1


def test_a_short_source_cannot_corrupt_a_document():
    text = "\n".join([PROSE] * 20)

    edited = run([text], ['normalize(source_str="a", target_str="")'])
    much = run([text], ['normalize(source_str="e", target_str="-------------------------")'])

    assert edited.replaced[0] == 20  # and not all
    assert much.texts[0].as_py() == text
    assert much.errors[0] == 1


def test_a_replacement_with_a_newline_moves_no_line():
    text = "\n".join([PROSE] * 3)

    edited = run([text], ['normalize(source_str="rain", target_str="rain\\n")'])

    assert edited.texts[0].as_py() == text
    assert edited.errors[0] == 1


@pytest.mark.parametrize("mark", [",", "=", ")", "'", "\\\\"])
def test_what_the_published_splitter_misreads_is_counted_and_not_run(mark):
    text = "\n".join([f"{PROSE} {mark}"] * 3)

    edited = run([text], [f'normalize(source_str="rain", target_str="{mark}")'], LEGACY)

    assert edited.texts[0].as_py() == text
    assert edited.misread[0] + edited.errors[0] == 1


def test_two_errors_keep_the_original_and_one_does_not():
    text = "\n".join([PROSE] * 3)
    good = "remove_lines(line_start=0, line_end=0)"

    edited = run([text] * 2, [f"{good}\nwhat?", f"{good}\nwhat?\nindeed"])

    assert verdicts(edited) == ["accepted", "errors"]
    assert edited.texts.to_pylist() == ["\n".join([PROSE] * 2), text]


def test_too_little_left_drops_a_document_that_was_changed_and_no_other():
    text = "\n".join([PROSE] * 30)
    short = "a few words\nand seven more, ten in all\nhome"
    gone = ["remove_lines(line_start=0, line_end=28)", "remove_lines(line_start=2, line_end=2)"]

    assert verdicts(run([text, short], gone)) == ["share", "short"]
    assert verdicts(run(["a short one"], ["keep_chunk()"])) == ["accepted"]
    assert verdicts(run(["a short one"], ["keep_chunk()"], LEGACY)) == ["short"]


@pytest.mark.parametrize("rules", [EXACT, LEGACY])
def test_a_document_without_words_stays_as_it_was(rules):
    edited = run(["\n \n"], ["remove_lines(line_start=1, line_end=1)"], rules)

    assert verdicts(edited) == ["wordless"]
    assert edited.texts[0].as_py() == "\n \n"


@pytest.mark.parametrize("rules", [EXACT, LEGACY])
def test_a_program_that_is_too_long_is_refused_whole(rules):
    text = "\n".join([PROSE] * 3)
    line = "remove_lines(line_start=0, line_end=0)\n"
    sources = [line * (MAX_OPS + 1), line + " " * MAX_PROGRAM_BYTES, line * MAX_OPS]

    edited = run([text] * 3, sources, rules)

    assert verdicts(edited) == ["refused", "refused", "accepted"]
    assert edited.texts.to_pylist()[:2] == [text] * 2


@pytest.mark.parametrize("rules", [EXACT, LEGACY])
def test_a_document_of_too_many_lines_stays_as_it_was(rules):
    text = PROSE + "\n" * MAX_LINES

    edited = run([text], ["remove_lines(line_start=1, line_end=1)"], rules)

    assert verdicts(edited) == ["lines"]
    assert edited.texts[0].as_py() == text


def test_replacements_that_blow_a_document_up_are_stopped():
    text = "\n".join(["a" * 40] * 40)
    double = 'normalize(source_str="a", target_str="' + "a" * 400 + '")'

    edited = run([text], ["\n".join([double] * 100)], LEGACY)

    assert verdicts(edited) == ["growth"]
    assert edited.texts[0].as_py() == text


@pytest.mark.parametrize("rules", [Rules(policy="legacy"), Rules(max_replaced=1.0)])
def test_text_that_grew_and_then_shrinks_has_room(rules):
    text = "\n".join([f"{PROSE} é"] * 500)
    sources = [
        "\n".join(
            [f'normalize(source_str="é", target_str="{"ab" * 200}")'] * (times > 0)
            + [
                'normalize(source_str="b", target_str="")',
                'normalize(source_str="#", target_str="")',
            ]
        )
        for times in (1, 0, 1)
    ]

    edited = run([text] * 3, sources, rules)

    if rules.policy == "legacy":
        theirs = [run_chunks(text, [source]).text for source in sources]
        assert edited.texts.to_pylist() == theirs
        assert len(theirs[0]) > 2 * len(text)
    else:
        for row, source in enumerate(sources):
            assert edited.texts[row].as_py() == run_exactly(text, [(0, 499, source)], rules)[0]


def test_text_that_is_no_utf8_is_refused():
    buffers = [None, pa.py_buffer(np.array([0, 2], np.int64)), pa.py_buffer(b"\xff\xfe")]
    broken = pa.Array.from_buffers(pa.large_string(), 1, buffers)

    with pytest.raises(PluginError, match="UTF-8"):
        execute(broken, whole([0], [1], ["keep_chunk()"]))
    with pytest.raises(PluginError, match="UTF-8"):
        execute(pa.array(["a"]), Programs(*(np.zeros(1, np.int64) for _ in range(3)), broken))


@pytest.mark.parametrize(
    ("rows", "firsts", "lasts"),
    [([1, 0], [0, 0], [0, 0]), ([0, 0], [0, 1], [1, 2]), ([0], [2], [1]), ([0], [-1], [1])],
)
def test_chunks_that_are_no_lines_in_order_are_refused(rows, firsts, lasts):
    with pytest.raises(PluginError, match="wanted"):
        Programs(*(np.array(one) for one in (rows, firsts, lasts)), pa.array([""] * len(rows)))


def test_programs_of_no_document_are_refused():
    with pytest.raises(PluginError, match="row 3"):
        execute(pa.array(["a"]), whole([3], [1], ["keep_chunk()"]))


@pytest.mark.parametrize(
    "wrong", [{"max_removed": 1.5}, {"max_replaced": -0.1}, {"max_errors": -1}]
)
def test_rules_that_mean_nothing_are_refused(wrong):
    with pytest.raises(RecipeError, match="wanted"):
        Rules(**wrong)


def test_documents_without_a_program_stay_as_they_are():
    edited = execute(pa.array([PROSE, "x", ""]), whole([], [], []))

    assert edited.texts.to_pylist() == [PROSE, "x", ""]
    assert verdicts(edited) == ["accepted"] * 3
    assert set(DROPPED) < set(VERDICTS)


SPACES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


@settings(max_examples=30, deadline=None)
@given(st.text(st.sampled_from(SPACES + "aé日\u200b\u2027\u2030\x7f🙂"), max_size=300))
def test_words_are_those_of_str_split_wherever_they_stand(text):
    edited = run([text, f"{'x' * 61}{text}"], ["keep_chunk()"] * 2)

    assert edited.words.tolist() == [[len(one.split())] * 2 for one in (text, f"{'x' * 61}{text}")]
