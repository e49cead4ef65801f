import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.blocks import SLACK, between, copy, folded, lowest, ones, same, word_at
from curator.text.compile import part
from curator.text.hashing import hash_bytes, hash_of_bytes
from curator.text.masks import (
    SCANNED,
    count_continued,
    has_one,
    is_set,
    mask_room,
    next_one,
    next_zero,
    scan,
)
from tests.support.hostile import TEXTS, texts

BLANKS = [chr(code) for code in range(0x3001) if chr(code).isspace()]
BREAKS = [mark for mark in BLANKS if len(f"a{mark}b".splitlines()) == 2]
wide_texts = st.text(
    st.sampled_from([*BLANKS, "a", "Z", ".", "…", "é", "日", "🙂", "#"]), max_size=300
)


@part
def answers(data, at):
    return (
        between(data, at, 97, 26),
        same(data, at, 32),
        folded(data, at, 116),
        word_at(data, at),
        ones(same(data, at, 32)),
        lowest(same(data, at, 255)),
    )


@part
def copied(target, source, size):
    copy(target, 3, source, 2, size)


@part
def scanned(data, end):
    masks, out = mask_room(end), np.zeros(len(SCANNED), np.int64)
    scan(data, 0, end, masks, out)
    return masks, out


@part
def places_of(bits, end):
    found, at = [0], 0
    while at < end:
        at = next_one(bits, at)
        found.append(at)
        at = next_zero(bits, at)
    return found[1:]


@part
def has(bits, low, high):
    return has_one(bits, low, high), is_set(bits, low)


@part
def hashed(data, at, size):
    return hash_bytes(data, at, size)


@part
def continued(data, at, end):
    return count_continued(data, at, end)


def padded(written, rest=b"\xff"):
    data = np.frombuffer(written + rest * SLACK, np.uint8)
    data.flags.writeable = False
    return data


def bits_of(mask, size):
    return [bool(int(mask[at // 64]) >> at % 64 & 1) for at in range(size)]


def assert_scanned(text, rest=b"\xff"):
    written = text.encode()
    masks, out = scanned(padded(written, rest), len(written))
    characters = [character for character in text for _ in character.encode()]
    firsts = [not at for character in text for at in range(len(character.encode()))]
    size = len(written)

    assert bits_of(masks.blank, size) == [each.isspace() for each in characters]
    assert bits_of(masks.wide, size) == [each > "\x7f" for each in characters]
    assert bits_of(masks.newlines, size) == [each == "\n" for each in characters]
    assert bits_of(masks.other, size) == [not re.match("[A-Za-z]", each) for each in characters]
    assert bits_of(masks.breaks, size) == [
        first and each in BREAKS for first, each in zip(firsts, characters, strict=True)
    ]
    assert out.tolist() == [
        len(text),
        text.count("#"),
        text.count("...") + text.count("…"),
        text.count("\n"),
        sum(map(text.count, BREAKS)),
        int(not text.isascii()),
    ]
    for mask in masks[:1] + masks[1:]:
        assert next_place(mask, size) == size  # past the end every search stops


def next_place(mask, at):
    return at + next(
        step for step in range(65) if int(mask[(at + step) // 64]) >> (at + step) % 64 & 1
    )


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("rest", [b"\xff", b"a", b".", b" ", b"\n", b"\x80"])
def test_what_stands_past_a_text_does_not_count(text, rest):
    assert_scanned(text, rest)


@settings(max_examples=150, deadline=None)
@given(texts() | wide_texts)
def test_bytes_are_what_python_says_of_their_characters(text):
    assert_scanned(text)


@pytest.mark.parametrize("mark", BLANKS)
def test_white_space_is_found_across_the_edge_of_a_block(mark):
    for before in range(58, 67):
        assert_scanned("x" * before + mark + "y" * 70)


def test_only_white_space_is_white_space():
    assert_scanned("".join(map(chr, [*range(0xD800), *range(0xE000, 0x11000), 0x1F600])))


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=64, max_size=64))
def test_a_question_is_answered_for_each_byte(block):
    found = answers(padded(b"?" + block), 1)

    expected = [
        [97 <= byte < 123 for byte in block],
        [byte == 32 for byte in block],
        [byte in b"tT" for byte in block],
    ]
    assert [bits_of([word], 64) for word in found[:3]] == expected
    assert found[3] == int.from_bytes(block[:8], "little")
    assert found[4] == block.count(b" ")
    assert found[5] == (block.find(b"\xff") if b"\xff" in block else 64)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 63, 64, 65, 200])
def test_so_many_bytes_are_copied(size):
    source = padded(bytes(range(1, 250)))
    target = np.zeros(300, np.uint8)

    copied(target, source, size)

    assert target.tolist() == [0] * 3 + source[2 : 2 + size].tolist() + [0] * (297 - size)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=1))
def test_a_hash_depends_on_the_bytes_alone(written, rest):
    assert hashed(padded(b"??" + written, rest), 2, len(written)) == hash_of_bytes(written)


def test_short_strings_have_different_hashes():
    strings = {bytes([a, b])[:size] for a in range(64) for b in range(64) for size in (1, 2)}
    strings |= {each + bytes(zeros) for each in strings for zeros in range(12)}

    assert len({int(hash_of_bytes(each)) for each in strings}) == len(strings)


@settings(max_examples=50, deadline=None)
@given(texts())
def test_continued_bytes_are_those_that_are_no_character(text):
    written = text.encode()

    assert continued(padded(written, b"\x80"), 0, len(written)) == len(written) - len(text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=300), st.data())
def test_searches_find_what_a_plain_loop_finds(bits, drawn):
    words = np.zeros(len(bits) // 64 + 2, np.uint64)
    for at, bit in enumerate(bits):
        words[at // 64] |= np.uint64(int(bit) << at % 64)
    words[len(bits) // 64] |= np.uint64(2**64 - (1 << len(bits) % 64))
    low = drawn.draw(st.integers(0, len(bits) - 1))
    high = drawn.draw(st.integers(low, len(bits)))
    starts = [at for at in range(len(bits)) if bits[at] and (at == 0 or not bits[at - 1])]

    assert has(words, low, high) == (any(bits[low:high]), bits[low])
    assert [at for at in places_of(words, len(bits)) if at < len(bits)] == starts
