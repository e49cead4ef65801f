from __future__ import annotations

import subprocess
import sys

import pytest

from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.ingest.reader import READERS, make_reader, reader_class


def test_every_reader_is_found_under_its_own_name():
    assert all(reader_class(name).name == name for name in READERS)


def test_all_mistakes_are_reported_at_once_with_suggestions():
    spec = {"reader": "jsonl", "fles": "a", "max_line_bytes": "big", "txt": "t"}
    with pytest.raises(RecipeError) as caught:
        make_reader(spec, where="ingest[0]")
    message = str(caught.value)
    assert message.startswith("ingest[0]: ")
    for part in ("'fles' (did you mean 'files'?)", "max_line_bytes is 'big'", "`source` is missing",
                 "'txt' (did you mean 'text'?)"):  # fmt: skip
        assert part in message


def test_an_unknown_reader_is_refused_with_a_suggestion():
    with pytest.raises(RecipeError, match=r"no reader 'jsnl' \(did you mean 'jsonl'\?\)"):
        make_reader({"reader": "jsnl"})


def test_where_files_lie_and_how_they_are_cut_is_no_identity(tmp_path):
    one = make_reader({"reader": "jsonl", "source": "s", "files": "a", "block_bytes": 5})
    two = make_reader({"reader": "jsonl", "source": "s", "files": "b"}, base="/elsewhere")
    other = make_reader({"reader": "jsonl", "source": "s", "files": "a", "text": "body"})
    assert fingerprint(one.identity()) == fingerprint(two.identity())
    assert fingerprint(one.identity()) != fingerprint(other.identity())


def test_a_setting_of_the_wrong_type_is_refused():
    for wrong in ({"max_ratio": True}, {"files": 3}, {"text": []}, {"id": 5}):
        with pytest.raises(RecipeError, match="wanted"):
            make_reader({"reader": "jsonl", "source": "s", "files": "a", **wrong})


def test_making_a_jsonl_reader_loads_no_heavy_library():
    code = (
        "import sys; from curator.ingest.reader import make_reader\n"
        "make_reader({'reader': 'jsonl', 'source': 's', 'files': 'a'})\n"
        "heavy = {'datasets', 'torch', 'trafilatura', 'resiliparse', 'numba'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
