import pytest

from bench.filters import rounds, spread
from bench.shared_rules import PEERS, speeds
from curator.clean.rules import RULES

LINES = [f'{{"text": "{number}"}}\n'.encode() for number in range(100)]


def test_a_sample_is_whole_documents_at_even_distances():
    size = sum(map(len, LINES))

    assert spread(LINES, size / 10) == LINES[::10]
    assert spread(LINES, 2 * size) == LINES


def test_a_round_gives_every_document_once_and_the_next_in_another_order():
    size = sum(map(len, LINES))
    first, second = b"".join(rounds(LINES, size)), b"".join(rounds(LINES, 2 * size))

    assert sorted(first.splitlines(keepends=True)) == sorted(LINES)
    assert second.startswith(first)
    assert sorted(second[len(first) :].splitlines(keepends=True)) == sorted(LINES)
    assert second[len(first) :] != first


def test_blocks_end_once_there_is_enough():
    size = sum(map(len, rounds(LINES, 50)))

    assert 50 <= size < 50 + max(map(len, LINES))


@pytest.mark.parametrize("peer", PEERS.values(), ids=list(PEERS))
def test_counterparts_are_rules_that_we_have(peer):
    named = {
        word
        for ours in peer.shared.values()
        for word in ours.replace(",", " ").split()
        if word.partition(".")[0] in RULES
    }

    for word in named:
        owner, _, rule = word.partition(".")
        assert not rule or rule in {each.name for each in RULES[owner]}


def test_speeds_count_parsing_and_what_the_chain_dropped():
    told = {
        "documents": 10,
        "kept": 4,
        "chain": 0.5,
        "each": 1.0,
        "rules": {"word_count": 0.25, "other": 0.5},
    }

    found = speeds(PEERS["nemo-curator"], told, 1.0)

    assert [(each.speed, each.whole) for each in found] == [
        (2.0, True),
        (1.0, True),
        (4.0, False),
        (2.0, False),
    ]
    assert "4 of 10" in found[0].what
    assert "min_words" in found[2].what
    assert "no rule of ours" in found[3].what


def test_dolma_gets_the_faster_version_of_each_tagger():
    rules = {"gopher_v1": 1.0, "gopher_v2": 2.0, "c4_v1": 0.9, "c4_v2": 0.5}

    best = speeds(PEERS["dolma"], {"parse": 0.5, "rules": rules}, 4.0)[0]

    assert best.speed == 2.0
