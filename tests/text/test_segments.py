import pytest
from hypothesis import given, settings

from curator.text.contractions import words
from curator.text.segments import segments
from tests.support.hostile import texts

# Tokens of spaCy 3.8.18's blank English pipeline, written down from its output.
SPACY = {
    "Don't they'll it's I'd've cannot": "Do n't they 'll it 's I 'd 've can not",
    "He’s here, isn’t he?": "He ’s here , is n’t he ?",
    "Mr. Smith (e.g., J. Doe) lives at St. Paul.": (
        "Mr. Smith ( e.g. , J. Doe ) lives at St. Paul ."
    ),
    "The U.S. and USA. rule": "The U.S. and USA . rule",
    "See http://www.example.com/a?b=c#d, or a@b.org.": (
        "See http://www.example.com/a?b=c#d , or a@b.org ."
    ),
    "well-known state-of-the-art 3-4 a--b": ("well - known state - of - the - art 3 - 4 a -- b"),
    "5km 10am $5 5$ US$10 100% +5 5+": "5 km 10 am $ 5 5 $ US$ 10 100 % +5 5 +",
    'He said "Wait..." and left…': 'He said " Wait ... " and left …',
    "lower.Upper end.Begin one,two a/b x=y": ("lower . Upper end . Begin one , two a / b x = y"),
    "[1] {x} <b>bold</b>": "[ 1 ] { x } < b > bold</b >",
    "os.path.join self.x=1": "os.path.join self.x=1",
    "1,000.50 2019-01-02 12:30": "1,000.50 2019 - 01 - 02 12:30",
    "“quoted” ‘single’ (nested [brackets])": "“ quoted ” ‘ single ’ ( nested [ brackets ] )",
}


@pytest.mark.parametrize("text", SPACY)
def test_english_is_cut_as_spacy_cuts_it(text):
    assert segments(text) == SPACY[text].split(" ")


@settings(max_examples=200, deadline=None)
@given(texts())
def test_tokens_are_the_text_without_white_space(text):
    assert "".join(segments(text)) == "".join(text.split())


@settings(max_examples=100, deadline=None)
@given(texts(), texts())
def test_white_space_parts_tokens_whatever_stands_beside(left, right):
    assert segments(left + " " + right) == segments(left) + segments(right)


def test_every_exception_is_cut_as_its_entry_says():
    for word, cuts in words().items():
        starts = [place for place in range(len(word)) if cuts >> place & 1]
        ends = [*starts[1:], len(word)]

        assert segments(word) == [word[a:b] for a, b in zip(starts, ends, strict=True)]
