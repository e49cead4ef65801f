from __future__ import annotations

import hashlib
import json
import os

import pytest

from curator.ingest.files import Digests, InputFile, cut_file, find_files
from curator.ingest.reader import Piece
from curator.ingest.units import grouped_units


def test_cuts_cover_the_file_at_line_ends_and_digest_their_own_bytes(tmp_path):
    content = b"".join(b"%d\n" % (10**i) for i in range(200))
    path = tmp_path / "a"
    path.write_bytes(content)
    cuts = cut_file(InputFile(str(path), "a", len(content), ""), 1000)
    assert [cut.start for cut in cuts[1:]] == [cut.stop for cut in cuts[:-1]]
    assert (cuts[0].start, cuts[-1].stop) == (0, len(content))
    for cut in cuts:
        part = content[cut.start : cut.stop]
        assert part.endswith(b"\n")
        assert cut.first_line == content[: cut.start].count(b"\n") + 1
        assert cut.digest == hashlib.blake2b(part, digest_size=16).hexdigest()


def test_appending_to_a_file_changes_only_its_last_cut(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"line\n" * 1000)
    before = cut_file(InputFile(str(path), "a", 0, ""), 700)
    path.write_bytes(b"line\n" * 1100)
    after = cut_file(InputFile(str(path), "a", 0, ""), 700)
    assert after[: len(before) - 1] == before[:-1]


def test_an_empty_file_is_one_cut(tmp_path):
    (tmp_path / "a").touch()
    (cut,) = cut_file(InputFile(str(tmp_path / "a"), "a", 0, ""), 0)
    assert (cut.start, cut.stop) == (0, 0)


def test_known_digests_save_reading_until_the_file_changes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    cache = tmp_path / "digests.json"
    known = Digests(cache)
    file = InputFile(str(path), "a", 3, "1")
    first = known.cuts(file, 0)
    known.save()
    path.write_bytes(b"two")
    assert Digests(cache).cuts(file, 0) == first
    assert Digests(cache).cuts(InputFile(str(path), "a", 3, "2"), 0) != first


def test_a_file_changed_behind_the_same_size_and_time_is_read_again(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    known = Digests()
    (before,) = known.cuts(find_files(["a"], str(tmp_path))[0], 0)
    times = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (after,) = known.cuts(find_files(["a"], str(tmp_path))[0], 0)
    assert before.digest != after.digest == hashlib.blake2b(b"two", digest_size=16).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "5",
        "no JSON",
        "[" * 100_000,
        '{"NAME": 5}',
        '{"NAME": {"mark": [3, "1"]}}',
        '{"NAME": {"mark": [3, "1"], "cuts": []}}',
        '{"NAME": {"mark": [3, "1"], "cuts": [[0, 3]]}}',
        '{"NAME": {"mark": [3, "1"], "cuts": [["0", 3, 1, "d"]]}}',
        '{"NAME": {"mark": [3, "1"], "cuts": 7}}',
    ],
)
def test_a_damaged_cache_of_digests_is_made_again(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    cache = tmp_path / "digests.json"
    cache.write_text(content.replace("NAME", f"{path}|0"))
    file = InputFile(str(path), "a", 3, "1")

    known = Digests(cache)
    assert known.cuts(file, 0) == cut_file(file, 0)
    known.save()
    assert set(json.loads(cache.read_text())) == {f"{path}|0"}


def test_labels_hold_no_absolute_folders(tmp_path):
    (tmp_path / "web" / "x").mkdir(parents=True)
    (tmp_path / "web" / "x" / "a.txt").touch()
    labels = {
        find_files([pattern], str(tmp_path))[0].label
        for pattern in (
            "web",
            "web/**/*.txt",
            str(tmp_path / "web"),
            str(tmp_path / "web/**/*.txt"),
        )
    }
    assert labels == {"web/x/a.txt"}


def test_a_file_matched_twice_is_read_once(tmp_path):
    (tmp_path / "a.txt").touch()
    assert len(find_files(["a.txt", "*.txt"], str(tmp_path))) == 1


def units_of(names, size=1 << 20):
    files = [InputFile(name, name, size, "") for name in sorted(names)]
    return grouped_units(files, lambda f: ([Piece(f.path, f.label, f.label, f.size_bytes)], ""))


def test_small_files_are_grouped_and_one_more_changes_one_unit():
    names = [f"part-{i:04d}" for i in range(200)]
    before = {unit.key for unit in units_of(names)}
    after = {unit.key for unit in units_of([*names, "part-0100b"])}
    assert 10 < len(before) < 60
    assert len(after - before) <= 2
    assert len(before - after) <= 1


def test_equal_content_under_equal_labels_still_has_two_keys():
    pieces = [Piece("/a/x", "x", "d"), Piece("/b/x", "x", "d")]
    files = [InputFile(p.path, p.label, 1 << 30, "") for p in pieces]
    one, two = grouped_units(files, lambda f: ([pieces[files.index(f)]], ""))
    assert one.key != two.key
