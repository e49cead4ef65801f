import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.clean import blocklists
from curator.clean.blocklists import ListFile, write_blocklist
from curator.clean.hosts import canonical
from curator.clean.urls import BlockUrls
from curator.stage import Site

ENTRIES = {
    "adult": "evil.com\nbücher.example\n1.2.3.4\nsub.games.com\n"
    "good.com/~bad\ngood.com/x?y=1\ngeo.com/\n",
    "games": "games.com\nevil.com\nco.uk.net\n",
}


def blocked(folder, entries, urls, **settings):
    files = []
    for category, text in entries.items():
        (folder / category).write_text(text)
        files.append(ListFile(folder / category, category))
    write_blocklist(files, folder / "blocklist.arrow")
    stage = BlockUrls(blocklist="digest", path=str(folder / "blocklist.arrow"), **settings)
    return stage.process(stage.load(Site()), pa.table({"url": pa.array(urls, pa.string())}))


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://evil.com", "evil.com"),
        ("http://a.b.EVIL.com:8080/x", "evil.com"),
        ("http://good.com@evil.com/", "evil.com"),
        ("http://notevil.com", None),
        ("http://evil.com.uk", None),
        ("http://com", None),
        ("http://q.xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://1.2.3.4/x", "1.2.3.4"),
        ("http://0x01020304/", "1.2.3.4"),
        ("http://9.1.2.3.4/", None),
        ("http://good.com/~bad", "good.com/~bad"),
        ("http://www2.good.com/%7Ebad/x.html", "good.com/~bad"),
        ("http://good.com/./y/../~bad?q", "good.com/~bad"),
        ("http://good.com/~badder", None),
        ("http://sub.good.com/~bad", None),
        ("http://good.com/x?y=1", "good.com/x?y=1"),
        ("http://good.com/x", None),
        ("http://geo.com/a/b/c", "geo.com/"),
        ("http://games.com/x", "games.com"),
        ("http://x.sub.games.com/x", "sub.games.com"),
        ("not a url", None),
        (None, None),
    ],
)
def test_a_url_is_blocked_by_its_domain_or_by_what_its_path_begins_with(tmp_path, url, entry):
    row = blocked(tmp_path, ENTRIES, [url]).to_pylist()[0]

    assert row["url_entry"] == entry
    assert row["keep"] == (entry is None)


def test_the_reason_is_the_first_category_that_was_asked_for(tmp_path):
    urls = ["http://evil.com", "http://x.games.com", "http://sub.games.com", "http://fine.com"]

    rows = blocked(tmp_path, ENTRIES, urls).to_pylist()

    assert [row["reason"] for row in rows] == ["url:adult", "url:games", "url:adult", None]


def test_annotating_tells_and_decides_nothing(tmp_path):
    table = blocked(tmp_path, ENTRIES, ["http://evil.com"], action="annotate")

    assert table.to_pylist() == [{"url_category": "adult", "url_entry": "evil.com"}]


def test_an_empty_list_blocks_nothing(tmp_path):
    assert blocked(tmp_path, {"none": ""}, ["http://evil.com"])["keep"].to_pylist() == [True]


def test_entries_of_equal_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(blocklists, "entry_hashes", lambda keys: np.zeros(len(keys), np.uint64))
    monkeypatch.setattr("curator.clean.urls.entry_hashes", blocklists.entry_hashes)

    urls = ["http://games.com", "http://evil.com", "http://fine.com", "http://good.com/~bad"]

    assert blocked(tmp_path, ENTRIES, urls)["url_entry"].to_pylist() == [
        "games.com", "evil.com", None, "good.com/~bad",
    ]  # fmt: skip


LABELS = st.lists(st.sampled_from(["a", "b", "co", "uk", "com", "www"]), min_size=1, max_size=4)


@settings(max_examples=30)
@given(
    st.lists(LABELS.map(".".join), min_size=1, max_size=4),
    st.lists(LABELS.map(".".join), min_size=1, max_size=6),
)
def test_domains_are_matched_as_a_walk_over_suffixes_would(tmp_path_factory, listed, hosts):
    folder = tmp_path_factory.mktemp("list")

    table = blocked(folder, {"bad": "\n".join(listed)}, [f"http://{host}/x" for host in hosts])

    def walks(host):
        labels = canonical(f"//{host}").host.split(".")
        return any(".".join(labels[at:]) in listed for at in range(len(labels)))

    assert table["keep"].to_pylist() == [not walks(host) for host in hosts]
