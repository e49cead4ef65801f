import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.clean.lines import EditLines, removed_share
from curator.clean.statistics import measure


def edited(*texts, **settings):
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    return EditLines(**settings).process(None, table).to_pylist()


def test_lines_that_c4_drops_are_cut_and_the_others_stay():
    row = edited("Home | About\nThis line has words.[3]\nWe use cookies on this site.\n")[0]

    assert row["text"] == "This line has words."
    assert row["keep"]
    assert row["cut_lines"] == 2
    assert 0.5 < row["cut_share"] < 0.8


def test_a_document_that_c4_leaves_as_it_is_stays_itself():
    assert edited("This line has words.\nSo does this one.")[0]["text"] is None


def test_a_document_without_a_line_that_c4_keeps_is_dropped():
    rows = edited("Home | About", "", max_removed=0.5)

    assert [row["reason"] for row in rows] == ["lines.c4.empty", None]
    assert [row["cut_share"] for row in rows] == [1.0, 0.0]


def test_a_document_that_would_lose_too_much_is_dropped_where_that_is_asked():
    text = "one two three four\nThis line has words."

    assert edited(text)[0]["keep"]
    assert edited(text, max_removed=0.4)[0]["reason"] == "lines.c4.share"
    assert edited(text, max_removed=0.6)[0]["keep"]


def test_nothing_is_no_share_of_nothing():
    assert removed_share(pa.array([0, 4]).to_numpy(), pa.array([0, 1]).to_numpy()).tolist() == [
        0,
        0.75,
    ]


@settings(max_examples=50)
@given(
    st.lists(st.text(st.sampled_from("aB. \n\r[3]{é你…\"'"), max_size=40), min_size=1, max_size=4)
)
def test_the_new_text_is_what_rules_after_c4_see(texts):
    seen = measure(pa.array(texts, pa.large_string())).edited
    data = seen.data.tobytes()
    wanted = [data[a:b].decode() for a, b in zip(seen.offsets, seen.offsets[1:], strict=False)]

    for row, text, want in zip(edited(*texts), texts, wanted, strict=True):
        assert row["text"] == (want if want.strip() and want != text else None)
