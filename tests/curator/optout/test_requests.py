"""A list of requests is read whole or not at all."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.optout.requests import read_requests

ID = "0123456789abcdef" * 2
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def listed(tmp_path, *lines: str):
    path = tmp_path / "list.txt"
    path.write_text("\n".join(lines))
    return read_requests(path)


def test_every_kind_is_read_and_comments_are_none(tmp_path):
    (tmp_path / "mine.txt").write_text("what I wrote")
    found = listed(
        tmp_path, "# why", "", f"id {ID}", "url https://Example.org/People/jane",
        "domain A.example.org",
        f"sha256 {SHA.upper()}", "text mine.txt",
    )  # fmt: skip

    assert found.ids == (ID,)
    assert found.urls == ("example.org/people/jane",)
    assert found.domains == ("a.example.org",)
    assert found.hashes == (SHA,)
    assert found.texts == (("mine.txt", "what I wrote"),)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("id 0123", "wanted 32 hex digits"),
        ("url https://jane@example.org/a", "wanted https://HOST/PATH"),
        ("url https://example.org/a b", "wanted https://HOST/PATH"),
        ("url https://example.org/#!/jane", "needs no"),
        ("url https://example.org/jane*", "needs no"),
        ("url example.org", "wanted https://HOST/PATH"),
        ("url https://localhost/a", "wanted https://HOST/PATH"),
        ("url ftp://example.org/a", "wanted https://HOST/PATH"),
        ("domain com", "wanted one such as example.org"),
        ("domain co.uk", "anybody registers under"),
        ("domain 10.0.0.1", "wanted one such as example.org"),
        ("domain exa mple.org", "wanted one such as example.org"),
        ("sha256 abc", "wanted 64 hex digits"),
        ("text ../secret.txt", "outside of the folder"),
        ("text /etc/passwd", "outside of the folder"),
        ("text absent.txt", "cannot be read"),
        ("please remove me", "begins with no kind"),
        ("id", "'id' of nothing"),
        ("x" * 9000, "characters, which no request has"),
    ],
)
def test_a_line_that_is_no_request_refuses_the_whole_list(tmp_path, line, message):
    with pytest.raises(RecipeError, match=f"line 2: .*{message}.*Nothing of the list was done"):
        listed(tmp_path, f"id {ID}", line)


def test_what_editors_leave_in_a_list_is_read_past(tmp_path):
    assert listed(tmp_path, f"\ufeffid\t{ID.upper()} ").ids == (ID,)


def test_all_faults_are_named_at_once(tmp_path):
    with pytest.raises(RecipeError, match=r"line 1: .*line 3: "):
        listed(tmp_path, "id x", f"id {ID}", "domain x")


def test_a_list_that_asks_for_nothing_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="asks for nothing"):
        listed(tmp_path, "# nothing")


def test_an_empty_text_is_refused(tmp_path):
    (tmp_path / "blank.txt").write_text(" \n")
    with pytest.raises(RecipeError, match="is empty"):
        listed(tmp_path, "text blank.txt")


def test_the_digest_is_of_what_is_asked_and_not_of_its_order(tmp_path):
    one = listed(tmp_path, f"id {ID}", "domain example.org", "domain example.org")
    other = listed(tmp_path, "domain example.org", "", f"id {ID}")

    assert one.digest == other.digest
    assert listed(tmp_path, f"id {ID}").digest != one.digest


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_line_is_read_or_refused(tmp_path_factory, line):
    path = tmp_path_factory.mktemp("list") / "list.txt"
    path.write_text(f"id {ID}\n{line}", encoding="utf-8")
    try:
        found = read_requests(path)
    except RecipeError as error:
        found = error.message
    assert "line" in found if isinstance(found, str) else ID in found.ids


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipeError, match="no file"):
        listed(tmp_path, "text pipe")
    with pytest.raises(RecipeError, match="no name of a file"):
        listed(tmp_path, "text a\0b")
