"""A receipt of what was taken out: what was asked, found and removed, signed and checkable.

Signed by Ed25519 where the key is a private key in PEM and the package `cryptography` is there, so
that anybody can check it with the public key; else by HMAC-SHA256, which only who has the same key
can check. No text of a document is in it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from curator.errors import LedgerError, RecipeError

FORMAT: Final = "curator.optout.receipt/1"
ED25519: Final = "Ed25519"
HMAC: Final = "HMAC-SHA256"
_SIGNED: Final = "signature"
_LEAST_KEY: Final = 32  # bytes: as long as the digest (RFC 2104, section 3)
_ID_BYTES: Final = 16
_PEM: Final = b"-----BEGIN"
# Public keys in forms other than PEM, of OpenSSH and in DER (RFC 8410, section 4): no secrets.
_PUBLIC: Final = (b"ssh-", bytes.fromhex("302a300506032b6570032100"))
_MAKE_KEY: Final = (
    "make one by `openssl genpkey -algorithm ed25519 -out key.pem` or `head -c 32 /dev/urandom > "
    "key.bin`"
)


def signed(content: Mapping[str, Any], key: Path) -> dict[str, Any]:
    """Return a receipt with its signature.

    Raises:
        RecipeError: the key cannot be read, is too short, or needs a package that is not there.
    """
    receipt = {**content, "format": FORMAT}
    receipt.pop(_SIGNED, None)
    secret = _key(key)
    message = canonical_bytes(receipt)
    if _PEM not in secret:
        value = hmac.new(secret, message, hashlib.sha256).hexdigest()
        return {**receipt, _SIGNED: {"algorithm": HMAC, "value": value}}
    private = _private(secret, key)
    public = private.public_key().public_bytes_raw()
    signature = {
        "algorithm": ED25519,
        "public_key": base64.b64encode(public).decode(),
        "value": base64.b64encode(private.sign(message)).decode(),
    }
    return {**receipt, _SIGNED: signature}


def checked(receipt: Mapping[str, Any], key: Path | None) -> str:
    """Return in words what a receipt's signature proves.

    Raises:
        LedgerError: it is no receipt, was changed since it was signed, or another key signed it.
        RecipeError: the key that it needs is not given, or cannot be read.
    """
    told = receipt.get(_SIGNED)
    if receipt.get("format") != FORMAT or not isinstance(told, dict) or "value" not in told:
        raise LedgerError(f"no receipt; wanted an object of format {FORMAT!r} with a signature")
    unsigned = {name: value for name, value in receipt.items() if name != _SIGNED}
    message = canonical_bytes(unsigned)
    if told.get("algorithm") == HMAC:
        if key is None:
            raise RecipeError(f"it is signed by {HMAC}; give the --key that signed it")
        secret = _key(key)
        if _PEM in secret:  # everybody has a public key, and could sign so with it
            raise LedgerError(f"signed by {HMAC}, and {key} is a key of {ED25519}: another signed")
        value = hmac.new(secret, message, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(value.encode(), ascii(told["value"])[1:-1].encode()):
            raise _forged()
        return "signed with this key, and unchanged"
    if told.get("algorithm") == ED25519:
        return _checked_public(told, message, key)
    raise LedgerError(f"signed by {told.get('algorithm')!r}; wanted {ED25519} or {HMAC}")


def canonical_bytes(content: Mapping[str, Any]) -> bytes:
    """Return what is signed: canonical JSON, keys sorted, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def read_receipt(path: Path) -> dict[str, Any]:
    """Return a receipt, its signature not looked at.

    Raises:
        LedgerError: it is none.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise LedgerError(f"cannot be read ({error})", where=str(path)) from None
    if not isinstance(content, dict):
        raise LedgerError("holds no object; wanted a receipt", where=str(path))
    return content


def ids_in(receipt: Mapping[str, Any]) -> list[bytes]:
    """Return the ids of the documents that a receipt is about.

    Raises:
        LedgerError: it does not name them; whoever signed it wrote it otherwise than this module.
    """
    try:
        ids = [bytes.fromhex(one["doc_id"]) for one in receipt["documents"]]
    except (KeyError, TypeError, ValueError):
        ids = [b""]
    if any(len(one) != _ID_BYTES for one in ids):
        raise LedgerError(
            "names no `documents` each with its `doc_id`, so nothing can be looked for"
        )
    return ids


def require_key(key: Path) -> None:
    """Refuse a key that cannot sign, before anything is removed.

    Raises:
        RecipeError: as `signed`.
    """
    signed({}, key)


def _key(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # /dev/urandom has no end
            raise RecipeError(f"--key {path} is no file; {_MAKE_KEY}")
        content = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"--key {path} cannot be read ({error.strerror}); {_MAKE_KEY}") from None
    if len(content) < _LEAST_KEY:
        raise RecipeError(
            f"--key {path} has {len(content)} bytes; wanted {_LEAST_KEY} or more: {_MAKE_KEY}"
        )
    if content.startswith(_PUBLIC):
        raise RecipeError(
            f"--key {path} is a public key, and no PEM; wanted a PEM file, or a secret"
        )
    return content


def _private(content: bytes, path: Path) -> Any:
    serialization, ed25519 = _cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        found = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RecipeError(f"--key {path} is no private key in PEM ({error})") from None
    if not isinstance(found, ed25519.Ed25519PrivateKey):
        raise RecipeError(f"--key {path} is no key of {ED25519}; {_MAKE_KEY}")
    return found


def _checked_public(told: Mapping[str, Any], message: bytes, key: Path | None) -> str:
    serialization, ed25519 = _cryptography()
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        claimed = base64.b64decode(str(told.get("public_key")), validate=True)
        value = base64.b64decode(str(told["value"]), validate=True)
        ed25519.Ed25519PublicKey.from_public_bytes(claimed).verify(value, message)
    except (ValueError, InvalidSignature):
        raise _forged() from None
    if key is None:
        return "unchanged since the key that it names signed it; whose key that is, --key tells"
    content = _key(key)
    try:
        owner = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        owner = _private(content, key).public_key()
    if not isinstance(owner, ed25519.Ed25519PublicKey) or owner.public_bytes_raw() != claimed:
        raise LedgerError(f"another key than {key} signed it")
    return "signed with this key, and unchanged"


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise RecipeError(
            f"keys in PEM need the package `cryptography` ({ED25519}); pip install cryptography, "
            f"or give a file of {_LEAST_KEY} random bytes ({HMAC})"
        ) from None
    return serialization, ed25519


def _forged() -> LedgerError:
    return LedgerError("the signature is not of this content; the receipt was changed, or forged")
