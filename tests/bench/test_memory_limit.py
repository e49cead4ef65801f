import json

import pytest

from bench.memory_limit import Planted, told, write_documents


def test_planted_documents_are_numbered_and_their_copies_come_last(tmp_path):
    planted = Planted(1000, pairs=10)
    write_documents(tmp_path / "in", planted)

    files = sorted((tmp_path / "in").glob("*.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    texts = {int(row["id"]): row["text"] for row in rows}

    assert sorted(texts) == list(range(1000))
    firsts = {planted.second(number): number for number in range(960, 980)}
    assert sorted(firsts) == sorted(planted.equal | planted.near)
    assert all(texts[copy] == texts[firsts[copy]] for copy in planted.equal)
    for copy in planted.near:
        assert texts[copy] != texts[firsts[copy]]
        assert texts[copy].split()[:-1] == texts[firsts[copy]].split()[:-1]
    assert len(set(texts.values())) == 990


@pytest.mark.parametrize(
    ("exact", "near", "well"),
    [
        ({980, 981}, {982, 983}, True),
        ({976, 981}, {978, 983}, True),  # the first of a pair may go as well
        ({980}, {982, 983}, False),
        ({980, 981}, {982}, False),
        ({980, 981}, {982, 983, 5}, False),
    ],
)
def test_one_of_each_pair_has_to_go_and_nothing_else(exact, near, well, capsys):
    planted = Planted(984, pairs=2)  # firsts 976 to 979, equal 980 and 981, near 982 and 983
    gone = {"dedup.exact": exact, "dedup.minhash": near}

    assert told(planted, gone) is well
    assert "wrongly" in capsys.readouterr().out
