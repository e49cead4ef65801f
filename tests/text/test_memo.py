import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.compile import part
from curator.text.memo import LONGEST, MOST, knows, memo_room, read_run, recall, remember
from curator.text.runs import token_room
from curator.text.segments import segments
from tests.support.hostile import PIECES


@part
def kept(data, size, made, room):
    memo, tokens = memo_room(), token_room(room)
    first, second, line = read_run(data, 0, size)
    before = knows(memo, line, first, second, size)
    for place in range(made):
        tokens.hashes[place] = 1 << (50 + place)
        tokens.lengths[place] = 13 + place
        tokens.kinds[place] = 15 - place
    remember(memo, line, first, second, size, tokens, 0, made)
    found = knows(memo, line, first, second, size)
    count = recall(memo, line, tokens, made) if found else made
    longer = knows(memo, line, first, second, size + 1)
    return before, found, longer, count, tokens


@pytest.mark.parametrize("size", range(1, LONGEST + 1))
@pytest.mark.parametrize("made", range(1, MOST + 2))
def test_what_was_made_of_a_run_comes_back(size, made):
    data = np.frombuffer(b"\0" * 40, np.uint8)

    before, found, longer, count, tokens = kept(data, size, made, 16)

    assert not before
    assert not longer
    assert found == (made <= MOST)
    if found:
        assert count == 2 * made
        for column in tokens:
            assert column[:made].tolist() == column[made:count].tolist()


runs = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(runs, max_size=20))
def test_a_run_that_was_cut_before_is_cut_alike(words):
    once = [token for word in words for token in segments(word)]

    assert segments(" ".join(words)) == once
    assert segments(" ".join(words + words)) == once * 2
