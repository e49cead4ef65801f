import re

import polars as pl
import pyarrow as pa
import pytest
from ftfy import fix_text
from ftfy.badness import BADNESS_RE
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.clean.encoding import RepairEncoding, without_layout
from curator.stage import Site

MENDER = RepairEncoding().load(Site())


def mended(*texts):
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    return RepairEncoding().process(MENDER, table)


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("It doesnâ€™t fit", "It doesn’t fit"),
        ("It doesn\u00e2\u20ac\u2122t fit, Ã© and schön", "It doesn’t fit, é and schön"),
        ("French: dÃ©jÃ\u00a0 vu", "French: déjà vu"),
        ("ÃƒÂ© twice", "é twice"),
        ("Christine\x92s", "Christine’s"),
        ("fine line\nâ€œquotedâ€\x9d\nfine", "fine line\n“quoted”\nfine"),
        ("\x1b[1mbold\x1b[0m", "bold"),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚, Ð¼Ð¸Ñ€", "Привет, мир"),
    ],
)
def test_what_was_decoded_wrongly_is_mended(broken, whole):
    row = mended(broken).to_pylist()[0]

    assert row["text"] == whole
    assert row["keep"]
    assert row["mended_lines"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "plain ASCII", "déjà vu, größer, año, Привет, 你好, ﬁne ﬂow", "“curly” ‘quotes’ … – —",
        "ＦＵＬＬ width", "&lt;b&gt; &amp;eacute;", "cr\r\nlf\x0b\x0c \x00",
        "e\u0301 composed later",
        "lost \ufffd here", "10 µm × 5 £", "L’ŒUVRE", None,
    ],
)  # fmt: skip
def test_what_is_right_or_no_matter_of_encoding_stays(text):
    row = mended(text).to_pylist()[0]

    assert row["text"] is None
    assert row["mended_lines"] == 0


def test_what_is_lost_is_counted():
    assert mended("a\ufffdb\ufffd", "fine", None)["lost_characters"].to_pylist() == [2, 0, 0]


def test_an_empty_column_stays_empty():
    assert mended().num_rows == 0


ODD = "ÃÂâ€™œ\x9d\xa0 \t\naZ×²°�Ð¸РЎвЂ┌§¡»ØÙ`à\x1b[1mβ€ā"
TEXTS = st.text(
    st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"])), max_size=30
)


@settings(max_examples=300)
@given(TEXTS)
def test_the_expression_for_columns_finds_what_ftfy_finds(text):
    here = pl.Series([text]).str.contains(without_layout(BADNESS_RE.pattern))[0]

    assert here == bool(BADNESS_RE.search(text))


@settings(max_examples=200)
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_nothing_that_ftfy_would_mend_is_missed(texts):
    wanted = [fix_text(text, MENDER.config) for text in texts]

    got = mended(*texts)["text"].to_pylist()
    dropped = [bool(re.fullmatch(r"\s*", text)) for text in wanted]

    assert [new for new, gone in zip(got, dropped, strict=True) if not gone] == [
        after if after != before else None
        for before, after, gone in zip(texts, wanted, dropped, strict=True)
        if not gone
    ]
