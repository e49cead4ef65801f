import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.clean.boilerplate import KINDS, PUBLISHED, CutBoilerplate, find_boilerplate

PROSE = "Once upon a time there was a miller who had three sons and a donkey and a cat."


def cut(*texts, **settings):
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    return CutBoilerplate(**({"max_removed": 1.0} | settings)).process(None, table).to_pylist()


def kind(line):
    found = find_boilerplate(pa.array([line]))
    return KINDS[found.kinds[0]] if len(found.kinds) and found.kinds[0] >= 0 else None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("FOR SALE TODAY", "capitals"),
        ("The BBC and NASA met", None),
        ("2019", "numbers"),
        ("3 likes", "counter"),
        ("• 1.2K followers •", "counter"),
        ("3 bears", None),
        ("Menu", "word"),
        ("Sign-in or register", "pattern"),
        ("The end of it all. Read more...", "pattern"),
        ("You have 3 items in cart today", "pattern"),
        ("Sign in or do not, nobody has ever cared about it in all these years", None),
        ("12:30 / 4", "letterless"),
        ("We use cookies to make this better", "phrase"),
        ("Share this on Facebook", "phrase"),
        ("He shared this on a Sunday", None),
        ("他们在一起生活。", None),
        ("的", "word"),
        (PROSE, None),
        ("   ", None),
    ],
)
def test_a_line_is_told_by_its_shape_or_by_what_it_says(line, told):
    assert kind(line) == told


def test_lines_go_and_patterns_are_cut_out_of_lines():
    text = f"MENU HOME\n{PROSE}\n  3 likes\n\nAnd that was it. Read more...\nShare this on Twitter"

    row = cut(text)[0]

    assert row["text"] == f"{PROSE}\n\nAnd that was it. "
    assert row["boilerplate_lines"] == 4
    assert row["boilerplate_share"] == pytest.approx(10 / 32)


def test_only_the_published_rules_apply_where_that_is_asked():
    row = cut(f"{PROSE}\n12:30 / 4\nWe use cookies here", kinds=PUBLISHED)[0]

    assert row["text"] is None


def test_a_document_that_would_lose_over_a_twentieth_of_its_words_is_dropped():
    few, many = f"{PROSE} {PROSE} {PROSE}\nMenu", f"{PROSE}\nMENU HOME"

    rows = cut(few, many, max_removed=None)

    assert [row["reason"] for row in rows] == [None, "lines.boilerplate.share"]
    assert rows[0]["text"] == f"{PROSE} {PROSE} {PROSE}"


def test_a_document_of_nothing_else_is_dropped():
    assert cut("MENU\nHOME\n", "", None)[0]["reason"] == "lines.boilerplate.empty"


LINES = st.lists(
    st.sampled_from(
        ["Menu", "FOR SALE", "3 likes", "", "  ", PROSE, "So it was. read more", "a\r", "Log in é"]
    ),
    max_size=6,
)


@settings(max_examples=100)
@given(st.lists(LINES, min_size=1, max_size=3))
def test_what_stays_is_what_would_stay_line_by_line(texts):
    whole = cut(*("\n".join(lines) for lines in texts))

    for row, lines in zip(whole, texts, strict=True):
        alone = [cut(line)[0] for line in lines]
        kept = [
            each["text"] if each["text"] is not None else line
            for each, line in zip(alone, lines, strict=True)
            if each["keep"]
        ]
        text = row["text"] if row["text"] is not None else "\n".join(lines) if row["keep"] else ""
        assert [line for line in text.split("\n") if line.strip()] == [
            line for line in kept if line.strip()
        ]
