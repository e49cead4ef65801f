import gzip

import pytest

from curator.clean.blocklists import find_lists, write_blocklist
from curator.errors import RecipeError
from curator.shards import Shard, read_shard


def written(folder, *paths, categories=None):
    path = folder / "blocklist.arrow"
    write_blocklist(find_lists([str(each) for each in paths], categories), path)
    rows = read_shard(Shard("blocklist", str(path), 0, 0, "")).to_pylist()
    return {row["entry"]: row["category"] for row in rows}


@pytest.fixture
def ut1(tmp_path):
    for category, name, text in [
        ("adult", "domains", "# a comment\nEvil.com\r\n.dotted.org\n\nboth.net\n"),
        ("adult", "urls", "good.com/~bad\nwww3.good.com:80/x/\nhttp://geo.com\n"),
        ("games", "domains", "both.net\nwww.com\n"),
        ("games", "usage", "blacklist"),
    ]:
        (tmp_path / "lists" / category).mkdir(parents=True, exist_ok=True)
        (tmp_path / "lists" / category / name).write_text(text)
    return tmp_path / "lists"


def test_a_folder_of_categories_is_read_as_ut1_writes_it(ut1, tmp_path):
    assert written(tmp_path, ut1) == {
        "evil.com": "adult",
        "dotted.org": "adult",
        "both.net": "adult",
        "good.com/~bad": "adult",
        "good.com/x": "adult",
        "geo.com": "adult",
        "www.com": "games",
    }


def test_the_order_of_categories_decides_whose_an_entry_is(ut1, tmp_path):
    assert written(tmp_path, ut1, categories=["games", "adult"])["both.net"] == "games"
    assert written(tmp_path, ut1, categories=["games"]) == {"both.net": "games", "www.com": "games"}


def test_plain_and_gzipped_files_are_lists_named_by_their_files(tmp_path):
    (tmp_path / "mine.txt").write_bytes(b"\xef\xbb\xbfa.com\nb.com/x # why\n")
    (tmp_path / "other.gz").write_bytes(gzip.compress("c.com\nmünchen.de\n".encode()))
    (tmp_path / "old").write_bytes("d.com\nf\xfcr.de\n".encode("latin-1"))

    found = written(tmp_path, tmp_path / "mine.txt", tmp_path / "other.gz", tmp_path / "old")

    assert found == {
        "a.com": "mine", "b.com/x": "mine", "c.com": "other", "xn--mnchen-3ya.de": "other",
        "d.com": "old", "xn--fr-xka.de": "old",
    }  # fmt: skip


def test_all_that_leads_nowhere_is_told_at_once(ut1, tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(
        RecipeError,
        match=r"'.*nowhere' has no list.*'.*empty' has no list.*'adlut'; did you mean 'adult'",
    ):
        find_lists([str(tmp_path / "nowhere"), str(tmp_path / "empty"), str(ut1)], ["adlut"])


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"a.com\n" * 1000)[:30]])
def test_a_broken_archive_is_refused(tmp_path, content):
    (tmp_path / "list.gz").write_bytes(content)

    with pytest.raises(RecipeError, match="no whole gzip file"):
        written(tmp_path, tmp_path / "list.gz")


def test_an_archive_that_grows_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("curator.clean.blocklists._MOST_BYTES", 1000)
    (tmp_path / "list.gz").write_bytes(gzip.compress(b"a.com\n" * 100_000))

    with pytest.raises(RecipeError, match="over 1,000 bytes"):
        written(tmp_path, tmp_path / "list.gz")


def test_an_empty_list_is_a_list(tmp_path):
    (tmp_path / "none").write_text("# nothing\n")

    assert written(tmp_path, tmp_path / "none") == {}


@pytest.mark.parametrize(
    "content",
    [
        b"# hosts\n0.0.0.0 a.com\n127.0.0.1\tb.com\n",
        b"||a.com^\n*.b.com\nc.com\n",
        "a.com\nb.com\n".encode("utf-16"),
    ],
)
def test_lists_in_another_form_are_refused_rather_than_read_as_nothing(tmp_path, content):
    (tmp_path / "hosts").write_bytes(content)
    (tmp_path / "hosts.gz").write_bytes(gzip.compress(content))

    for name in ("hosts", "hosts.gz"):
        with pytest.raises(RecipeError, match=r"no domain or URL, such as .* convert the list"):
            find_lists([str(tmp_path / name)])


def test_a_few_lines_that_are_no_address_are_passed_over(tmp_path):
    (tmp_path / "mine").write_text("a.com\nb b.com\n::1\nhttp://[::2]/x\nб.рф\n")

    assert "xn--90a.xn--p1ai" in written(tmp_path, tmp_path / "mine")
