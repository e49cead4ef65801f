"""A receipt is signed, and whatever was changed since is told."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path

import pytest

from curator.errors import LedgerError, RecipeError
from curator.optout.receipt import FORMAT, canonical_bytes, checked, ids_in, read_receipt, signed

CONTENT = {"documents": [{"doc_id": "00", "why": "id"}], "time": "2026-11-21T00:00:00+00:00"}


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.bin"
    path.write_bytes(bytes(range(32)))
    return path


@pytest.fixture
def private(tmp_path):
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives import serialization as form

    path = tmp_path / "key.pem"
    made = ed25519.Ed25519PrivateKey.generate()
    path.write_bytes(
        made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    )
    return path


def test_a_receipt_is_checked_with_the_key_that_signed_it(key):
    receipt = signed(CONTENT, key)

    assert receipt["signature"]["algorithm"] == "HMAC-SHA256"
    assert checked(json.loads(json.dumps(receipt)), key) == "signed with this key, and unchanged"


def test_a_changed_receipt_and_another_key_are_told(key, tmp_path):
    receipt = signed(CONTENT, key)
    other = tmp_path / "other.bin"
    other.write_bytes(bytes(32))

    with pytest.raises(LedgerError, match="changed, or forged"):
        checked({**receipt, "documents": []}, key)
    with pytest.raises(LedgerError, match="changed, or forged"):
        checked(receipt, other)


def test_the_key_is_needed_and_long_enough(key, tmp_path):
    short = tmp_path / "short"
    short.write_bytes(b"secret")

    with pytest.raises(RecipeError, match="give the --key"):
        checked(signed(CONTENT, key), None)
    with pytest.raises(RecipeError, match="has 6 bytes; wanted 32"):
        signed(CONTENT, short)
    with pytest.raises(RecipeError, match="cannot be read"):
        signed(CONTENT, tmp_path / "absent")


@pytest.mark.parametrize("content", [{}, {"format": "other"}, {"signature": {}}])
def test_what_is_no_receipt_is_refused(content, key):
    with pytest.raises(LedgerError, match="no receipt"):
        checked(content, key)


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "r.json"
    path.write_text("[1]")
    with pytest.raises(LedgerError, match="holds no object"):
        read_receipt(path)
    path.write_text("{")
    with pytest.raises(LedgerError, match="cannot be read"):
        read_receipt(path)


def test_pem_without_the_package_says_what_to_do(tmp_path, monkeypatch):
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nxxxxxxxxxxxxxxxx\n-----END PRIVATE KEY-----\n")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)

    with pytest.raises(RecipeError, match="pip install cryptography"):
        signed(CONTENT, path)


def test_anybody_can_check_a_receipt_of_a_private_key(private, key):
    receipt = signed(CONTENT, private)

    assert receipt["signature"]["algorithm"] == "Ed25519"
    assert "whose key that is" in checked(receipt, None)
    assert checked(receipt, private) == "signed with this key, and unchanged"
    with pytest.raises(LedgerError, match="changed, or forged"):
        checked({**receipt, "documents": []}, None)


def test_a_public_key_signs_nothing(tmp_path):
    public = tmp_path / "public.pem"
    public.write_bytes(b"-----BEGIN PUBLIC KEY-----\n" + b"x" * 60)
    forged = {**CONTENT, "format": FORMAT}
    for before in (b"", b"Bag Attributes\n"):
        public.write_bytes(before + public.read_bytes())
        value = hmac.new(public.read_bytes(), canonical_bytes(forged), hashlib.sha256).hexdigest()
        signature = {"algorithm": "HMAC-SHA256", "value": value}

        with pytest.raises(LedgerError, match="another signed"):
            checked({**forged, "signature": signature}, public)


@pytest.mark.parametrize(
    "content", [b"ssh-ed25519 " + b"A" * 68, bytes.fromhex("302a300506032b6570032100") + bytes(32)]
)
def test_a_public_key_that_is_no_pem_is_no_secret(tmp_path, content):
    (tmp_path / "public").write_bytes(content)
    with pytest.raises(RecipeError, match="is a public key"):
        signed(CONTENT, tmp_path / "public")


def test_a_key_without_an_end_is_not_waited_for():
    with pytest.raises(RecipeError, match="is no file"):
        signed(CONTENT, Path("/dev/zero"))


@pytest.mark.parametrize(
    "documents", [None, 5, [1], [{}], [{"doc_id": "zz"}], [{"doc_id": "00"}], [{"doc_id": 5}]]
)
def test_a_receipt_that_names_no_documents_says_so(documents):
    assert ids_in({"documents": [{"doc_id": "00" * 16}]}) == [bytes(16)]
    with pytest.raises(LedgerError, match="nothing can be looked for"):
        ids_in({"documents": documents})


def test_only_the_owner_of_a_private_key_is_believed(private, key, tmp_path):
    from cryptography.hazmat.primitives import serialization as form

    receipt = signed(CONTENT, private)
    owner = form.load_pem_private_key(private.read_bytes(), password=None)
    public = tmp_path / "public.pem"
    public.write_bytes(
        owner.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    other = tmp_path / "other.pem"
    other.write_bytes(public.read_bytes().replace(b"MCowBQYDK2Vw", b"MCowBQYDK2Vu"))

    assert checked(receipt, public) == "signed with this key, and unchanged"
    with pytest.raises(RecipeError, match="no private key in PEM"):
        signed(CONTENT, public)
    for none in (key, other):  # no PEM, and a kind of key that signs nothing
        with pytest.raises((LedgerError, RecipeError), match=r"another key|no private key"):
            checked(receipt, none)
    for change in (
        {"public_key": None},
        {"public_key": "A" * 44},
        {"value": 5},
        {"value": "\u00e9"},
    ):
        with pytest.raises(LedgerError, match="changed, or forged"):
            checked({**receipt, "signature": {**receipt["signature"], **change}}, private)


@pytest.mark.parametrize("value", ["é" * 64, 5, None, ["a"], "\ud800"])
def test_a_signature_that_is_no_digest_is_forged(key, value):
    receipt = signed(CONTENT, key)
    with pytest.raises(LedgerError, match="changed, or forged"):
        checked({**receipt, "signature": {**receipt["signature"], "value": value}}, key)


def test_a_receipt_of_nothing_but_brackets_is_none(tmp_path):
    (tmp_path / "deep").write_bytes(b"[" * 100_000)
    with pytest.raises(LedgerError, match="cannot be read"):
        read_receipt(tmp_path / "deep")
