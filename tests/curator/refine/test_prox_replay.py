from __future__ import annotations

import json

import pytest

from curator.errors import RecipeError
from curator.refine.prox import Prox
from curator.refine.prox_replay import ProxReplay
from curator.refine.testing import check_refiner
from curator.stage import Site
from curator.testing import documents

PROSE = "The river rose after three days of rain and the lower road was closed."
TABLE = documents([f"share this\n{PROSE} {row}\n{PROSE}" for row in range(6)])
IDS = [one.hex() for one in TABLE["doc_id"].to_pylist()]


def recorded(folder, *lines):
    path = folder / "programs.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    return ProxReplay(programs=str(path))


def run(refiner):
    return refiner.refine(refiner.load(Site()), TABLE)


def test_recorded_programs_run_on_their_documents_and_no_others(tmp_path):
    gone = "remove_lines(line_start=0, line_end=0)"
    refiner = recorded(
        tmp_path,
        {"doc_id": IDS[0], "chunks": [[0, 1, gone], [2, 2, "keep_chunk()"]]},
        {"doc_id": IDS[1], "document": "drop_doc()", "chunks": [[0, 2, gone]]},
        {"doc_id": IDS[2], "document": "keep_doc()"},
        {"doc_id": IDS[3], "document": "hm"},
        {"doc_id": IDS[4], "chunks": [[0, 2, "what\never"]]},
    )
    made = run(refiner)

    assert made.children["text"].to_pylist() == [f"{PROSE} 0\n{PROSE}"]
    assert made.outcome["reason"].to_pylist() == [
        None, "prox_replay.drop_doc", None, "prox_replay.unread_document", "prox_replay.errors",
        "prox_replay.unrecorded",
    ]  # fmt: skip
    assert made.outcome["keep"].to_pylist() == [True, False, True, True, True, True]
    check_refiner(refiner)


def test_what_another_refiner_says_of_its_documents_can_be_replayed(tmp_path):
    rules = Prox().refine(None, TABLE)
    lines = [
        {"doc_id": IDS[row], "chunks": json.loads(about)["programs"]}
        for row, about in zip(
            *(rules.children[n].to_pylist() for n in ("row", "about")), strict=True
        )
    ]
    again = run(recorded(tmp_path, *lines))

    assert again.children["text"].equals(rules.children["text"])


def test_the_content_of_the_file_is_the_identity(tmp_path):
    before = recorded(tmp_path, {"doc_id": IDS[0]}).identity()

    assert recorded(tmp_path, {"doc_id": IDS[1]}).identity() != before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "no programs"),
        ("[1]", "line 1: no record"),
        ('{"doc_id": 3}', "line 1: no record"),
        (f'{{"doc_id": "{IDS[0]}", "chunks": [[0, 1]]}}', "line 1: no record"),
        (f'{{"doc_id": "{IDS[0]}", "chunks": [[2, 1, ""]]}}', "line 1: .* in order"),
        (f'{{"doc_id": "{IDS[0]}", "chunks": [[0, 1, ""], [1, 2, ""]]}}', "in order"),
        (f'{{"doc_id": "{IDS[0]}", "chunks": [[-1, 1, ""]]}}', "in order"),
        (f'{{"doc_id": "{IDS[0]}", "document": "\ud800"}}', "line 1: no record"),
        (f'{{"doc_id": "{IDS[0].upper()}F"}}', "wanted 32 hex digits in lower case"),
        (
            f'{{"doc_id": "{IDS[0]}"}}\n{{"doc_id": "{IDS[0]}", "document": "drop_doc()"}}',
            "each once",
        ),
    ],
)
def test_a_file_that_records_no_programs_is_refused(tmp_path, line, message):
    path = tmp_path / "programs.jsonl"
    path.write_bytes(line.encode("utf-8", "surrogatepass"))

    with pytest.raises(RecipeError, match=message):
        ProxReplay(programs=str(path))
