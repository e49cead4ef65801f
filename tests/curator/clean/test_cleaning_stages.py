"""What every stage of cleaning owes to the engine, on text that nobody wants."""

import pyarrow as pa
import pytest

from curator.clean.boilerplate import CutBoilerplate
from curator.clean.encoding import RepairEncoding
from curator.clean.lines import EditLines
from curator.clean.wordlists import BlockWords, WordList
from curator.identity import file_digest
from curator.stage import Site

HOSTILE = [
    "",
    " ",
    "\n\n\n",
    "\x00\x01",
    "a" * 10_000,
    "\u202eevil\u202c",
    "ﷺ" * 50,
    "🖕👧👦",
    "e" + "\u0301" * 500,
    "Ã" * 300,
    "â€" * 200 + "™",
    "<script>alert(1)</script>\n{ }",
    "\u2028line\u2029par\x85nel\rcr",
    "的" * 200,
    "MENU\r\nHOME\r\n",
    "read more",
    "3 likes",
    "bad bad\tbad",
    "\ufeffbom",
    "\U0010ffff\uffff",
]


@pytest.fixture(params=["encoding", "c4", "boilerplate", "words"])
def stage(request, tmp_path):
    words = tmp_path / "words"
    words.write_text("bad\nbad bad\na$$\n🖕\n的的\n")
    return {
        "encoding": RepairEncoding(),
        "c4": EditLines(max_removed=0.5),
        "boilerplate": CutBoilerplate(),
        "words": BlockWords((WordList("x", file_digest(words)),), (str(words),), max_words=2),
    }[request.param]


def processed(stage, texts):
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    made = stage.process(stage.load(Site()), table)
    assert made.num_rows == len(texts)
    return made.select(stage.writes.names).cast(stage.writes).to_pylist()


def test_no_text_stops_a_stage_and_none_of_its_answers_depends_on_the_others(stage):
    whole = processed(stage, HOSTILE)

    assert processed(stage, HOSTILE[::-1]) == whole[::-1]
    assert processed(stage, HOSTILE[:7]) + processed(stage, HOSTILE[7:]) == whole
    assert [row["keep"] is (row["reason"] is None) for row in whole] == [True] * len(whole)
    assert processed(stage, []) == []
