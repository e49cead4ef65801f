import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.contractions import _FACES
from curator.text.segments import segments

# What spaCy 3.8's blank English pipeline makes of these texts.
TOKENS = (
    ("def f(x): return x", "def f(x ): return x"),
    ("**Question:** Why not?", "* * Question :* * Why not ?"),
    ("He said ''no'' twice.", "He said '' no '' twice ."),
    ("the slice a[1:] is empty", "the slice a[1 :] is empty"),
    ("well (;", "well (;"),
    ("see item (8) below", "see item ( 8) below"),
    ("(usw. z.B. heute)", "( usw . z. B. heute )"),
    ("(Dr. Weber)", "( Dr. Weber )"),
    ("x :-) y", "x :-) y"),
    ("nice:-) y", "nice:- ) y"),
    ("the set |A|. Then", "the set |A| . Then"),
    ("यह घर था. वह आया.", "यह घर था . वह आया ."),
)


@pytest.mark.parametrize(("text", "tokens"), TOKENS)
def test_tokens_are_those_of_spacy(text, tokens):
    assert segments(text) == tokens.split()


@pytest.mark.parametrize("face", _FACES.split())
def test_an_emoticon_of_its_own_is_one_token(face):
    assert segments(f"so {face} it goes") == ["so", face, "it", "goes"]


def test_marks_are_not_joined_across_white_space():
    assert segments("f(x ) : y") == ["f(x", ")", ":", "y"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*"():;=-8oO.'*<3/|ab ", "ab", "Dr.", "://", ":)"])).map("".join))
def test_joining_keeps_every_character(text):
    assert "".join(segments(text)) == "".join(text.split())
