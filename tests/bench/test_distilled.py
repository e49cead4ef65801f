from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import zstandard

from bench.distilled import difference, in_turns, read_texts, trained, ways_of
from curator.score import classifier
from curator.testing import example_texts


def test_every_way_is_timed_and_all_say_the_same(tmp_path: Path):
    texts = example_texts("one", 30) + example_texts("other", 30)
    path = trained(texts, tmp_path, 500)
    lines = classifier.one_line(pa.array(texts, pa.large_string()))
    seconds = in_turns(ways_of(path, lines, tmp_path), 1)

    assert list(seconds) == ["test", "predict", "ours", "end to end"]
    assert difference(path, lines) < 1e-5


def test_texts_are_read_from_every_file_up_to_a_size(tmp_path: Path):
    for name in ("a", "b"):
        lines = "".join(json.dumps({"text": f"{name}{n}" * 5}) + "\n" for n in range(50))
        (tmp_path / name).write_bytes(zstandard.compress(lines.encode()))
    texts = list(read_texts([tmp_path / "a", tmp_path / "b"], 200))

    assert 200 <= sum(map(len, texts)) <= 230
    assert {text[0] for text in texts} == {"a", "b"}
