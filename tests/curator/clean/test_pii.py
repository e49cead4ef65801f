import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.clean.pii import DropPii, MaskPii, PiiSpans, placeholder
from curator.corpus_spec import PiiSpec
from curator.errors import RecipeError
from curator.text.pii import KINDS, find_pii
from curator.text.spans import spans_of
from tests.text.test_pii import JUNK

TEXTS = [
    "Mail ann@oakwood.org or ben@oakwood.org, or call (212) 555-0123.",
    None,
    "Nothing here.",
    "From 93.184.216.34; card 4111 1111 1111 1111",
]


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    find_pii(pa.array(["a"], pa.large_string()))


def table(*texts):
    return pa.table({"text": pa.array(texts, pa.large_string())})


def masked(stage, *texts):
    made = stage.process(None, table(*texts))
    return [
        new if new is not None else old
        for new, old in zip(made["text"].to_pylist(), texts, strict=True)
    ]


def test_masking_puts_a_placeholder_for_each_span_and_counts_them():
    made = MaskPii().process(None, table(*TEXTS))

    assert made["text"].to_pylist() == [
        "Mail <email> or <email>, or call <phone>.",
        None,
        None,
        "From <ip>; card <card>",
    ]
    assert made["pii_email"].to_pylist() == [2, 0, 0, 0]
    assert made["pii_card"].to_pylist() == [0, 0, 0, 1]
    assert made["keep"].to_pylist() == [True] * 4
    assert made.schema.names == MaskPii().writes.names


def test_only_the_kinds_asked_for_are_masked_and_as_asked():
    stage = MaskPii(kinds=(("email", "[mail]"),))

    assert masked(stage, TEXTS[0]) == ["Mail [mail] or [mail], or call (212) 555-0123."]


@settings(max_examples=300)
@given(st.lists(JUNK, min_size=1, max_size=4))
def test_masking_twice_is_as_once_and_leaves_nothing_to_find(texts):
    once = masked(MaskPii(), *texts)

    assert masked(MaskPii(), *once) == once
    assert len(find_pii(pa.array(once, pa.large_string())).kinds) == 0


@given(JUNK)
def test_masking_changes_nothing_outside_of_what_it_finds(text):
    spans = find_pii(pa.array([text], pa.large_string()))
    raw, at, pieces = text.encode(), 0, []
    for start, end, kind in zip(spans.starts, spans.ends, spans.kinds, strict=True):
        pieces += [raw[at:start], placeholder(KINDS[kind]).encode()]
        at = end
    once = b"".join([*pieces, raw[at:]]).decode()

    # What stood next to a span can be one too: masking what is left gives the same.
    assert masked(MaskPii(), text) == masked(MaskPii(), once)


def test_a_span_that_appears_beside_a_placeholder_is_masked_too():
    joined = "93.184.216.34.(212) 555-0123"
    made = MaskPii().process(None, table(joined))

    assert made["text"].to_pylist() == ["<ip>.<phone>"]
    assert made.select(["pii_ip", "pii_phone"]).to_pylist() == [{"pii_ip": 1, "pii_phone": 1}]


def test_a_chain_of_numbers_that_would_take_a_turn_each_is_dropped_in_good_time():
    chain = "(212) 555-0123" * 20_000
    few = "(212) 555-0123" * 3

    made = MaskPii().process(None, table(chain, few, "Call (212) 555-0123."))

    assert made["reason"].to_pylist() == ["clean.pii.chained", None, None]
    assert made["text"].to_pylist() == [None, "<phone>" * 3, "Call <phone>."]
    assert made["pii_phone"].to_pylist()[1:] == [3, 1]


@pytest.mark.parametrize("word", ["<email1>", "x@y.org", "a:b", "--"])
def test_a_placeholder_that_could_be_found_is_refused(word):
    with pytest.raises(RecipeError, match="could be taken for"):
        MaskPii(kinds=(("email", word),))


def test_a_document_is_dropped_for_the_first_kind_it_has():
    made = DropPii(kinds=("card", "email")).process(None, table(*TEXTS))

    assert made["reason"].to_pylist() == ["pii.email", None, None, "pii.card"]
    assert made["keep"].to_pylist() == [False, True, True, False]
    assert made.schema.names == ["keep", "reason", "pii_card", "pii_email"]


def test_a_document_may_have_as_many_spans_as_allowed():
    made = DropPii(kinds=("email", "phone"), max_spans=2).process(None, table(*TEXTS))

    assert made["keep"].to_pylist() == [False, True, True, True]


def test_spans_are_told_with_their_counts_and_can_be_read_back():
    made = PiiSpans().process(None, table(*TEXTS))
    spans = spans_of(made["pii"], KINDS)
    raw = TEXTS[0].encode()

    assert [raw[a:b].decode() for a, b in zip(spans.starts[:3], spans.ends[:3], strict=True)] == [
        "ann@oakwood.org",
        "ben@oakwood.org",
        "(212) 555-0123",
    ]
    assert made["pii_email"].to_pylist()[0] == 2
    assert made.schema.equals(PiiSpans().writes)


def test_an_empty_table_gives_empty_columns():
    for stage in (PiiSpans(), DropPii(), MaskPii()):
        assert stage.process(None, table()).num_rows == 0


def test_a_recipe_gives_one_policy_or_one_a_kind():
    everything = PiiSpec.model_validate({"policy": "drop"})
    some = PiiSpec.model_validate({"kinds": ["email", "ip"], "ip": "annotate"})
    mapped = PiiSpec.model_validate({"email": "mask", "key": "drop"})
    stored = PiiSpec.model_validate(mapped.model_dump(mode="json"))

    assert everything.policies() == dict.fromkeys(KINDS, "drop")
    assert some.policies() == {"email": "mask", "ip": "annotate"}
    assert mapped.policies() == {"email": "mask", "key": "drop"} == stored.policies()
    assert PiiSpec().policies() == dict.fromkeys(KINDS, "mask")
