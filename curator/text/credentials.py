"""Keys and tokens that services issue in a form of their own, and private keys in PEM.

Forms as gitleaks (github.com/gitleaks/gitleaks, config/gitleaks.toml) collects them from the
services: AWS access key ids, GitHub, GitLab, Slack, Google, Stripe, OpenAI, Anthropic, Hugging
Face, npm and PyPI tokens. A JSON Web Token (RFC 7519) must have a header that decodes and names its
algorithm (RFC 7515, 4.1.1). Passwords and other secrets without a form are not looked for.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.ascii import is_alphanumeric, is_digit, is_upper, is_wordlike, starts_with
from curator.text.compile import block, leaf

Data = npt.NDArray[np.uint8]
_DASH, _UNDERSCORE, _DOT, _EQUALS = 45, 95, 46, 61
# What follows a prefix: letters and digits; those and underscore; those and hyphen; all four; or
# capitals and 2-7 (base32).
PLAIN, WORDLIKE, DASHED, URL_SAFE, BASE32 = 0, 1, 2, 3, 4


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


# Prefix, what follows it, fewest and most characters of that. What sets off the search is the first
# `_` or `-` of the prefix; without one, its first letter, an A.
_FORMS: Final = (
    ("AKIA", BASE32, 16, 16), ("ASIA", BASE32, 16, 16), ("ABIA", BASE32, 16, 16),
    ("ACCA", BASE32, 16, 16), ("AIza", URL_SAFE, 35, 35),
    ("ghp_", PLAIN, 36, 36), ("gho_", PLAIN, 36, 36), ("ghu_", PLAIN, 36, 36),
    ("ghs_", PLAIN, 36, 36), ("ghr_", PLAIN, 36, 36), ("github_pat_", WORDLIKE, 82, 82),
    ("hf_", PLAIN, 34, 34), ("npm_", PLAIN, 36, 36),
    ("sk_live_", PLAIN, 10, 99), ("sk_test_", PLAIN, 10, 99), ("sk_prod_", PLAIN, 10, 99),
    ("rk_live_", PLAIN, 10, 99), ("rk_test_", PLAIN, 10, 99), ("rk_prod_", PLAIN, 10, 99),
    ("glpat-", URL_SAFE, 20, 20), ("pypi-AgEIcHlwaS5vcmc", URL_SAFE, 50, 1000),
    ("xoxb-", DASHED, 20, 250), ("xoxp-", DASHED, 20, 250), ("xoxa-", DASHED, 20, 250),
    ("xoxe-", DASHED, 20, 250), ("xoxo-", DASHED, 20, 250), ("xoxr-", DASHED, 20, 250),
    ("xoxs-", DASHED, 20, 250), ("xapp-", DASHED, 20, 250),
    ("sk-ant-api03-", URL_SAFE, 95, 95), ("sk-ant-admin01-", URL_SAFE, 95, 95),
    ("sk-proj-", URL_SAFE, 40, 200), ("sk-svcacct-", URL_SAFE, 40, 200),
    ("sk-admin-", URL_SAFE, 40, 200), ("sk-", PLAIN, 48, 48),
)  # fmt: skip
_PREFIXES: Final = _bytes("".join(prefix for prefix, *_ in _FORMS))
_STARTS: Final = np.cumsum([0, *(len(prefix) for prefix, *_ in _FORMS)]).astype(np.int64)
_BACK: Final = np.array(  # where in the prefix the byte stands that sets off the search
    [next((at for at, byte in enumerate(prefix) if byte in "_-"), 0) for prefix, *_ in _FORMS],
    np.int64,
)
_RULES: Final = np.array([rule for _, *rule in _FORMS], np.int64)
_DIFFERENT: Final = 8  # characters: what gitleaks' entropy of 3 bits asks at least; genes have four
_BEGIN: Final = _bytes("-----BEGIN ")
_PRIVATE: Final = _bytes("PRIVATE KEY")
_END: Final = _bytes("-----END ")
_ALGORITHM: Final = _bytes('"alg"')
_TYPE_BYTES: Final = 80  # between BEGIN and the five hyphens
_KEY_BYTES: Final = 1 << 14  # an RSA key of 16,384 bits has 12.7 kB in PEM
_FEWEST_BODY: Final = 40  # base64 characters; an Ed25519 key (RFC 8410, 10.3) has 64


@block
def token_span(data: Data, low: int, at: int, high: int) -> tuple[int, int]:
    """The token in whose prefix the byte at `at` sets off the search; (-1, -1): none."""
    best = -1
    for form in range(len(_RULES)):
        start = at - _BACK[form]
        if start < low or _PREFIXES[_STARTS[form]] != data[start]:
            continue
        size = _STARTS[form + 1] - _STARTS[form]
        if start + size > high or not _prefixed(data, start, form, size):
            continue
        if start > low and is_wordlike(data[start - 1]):
            return -1, -1
        best = max(best, _body_end(data, start + size, high, form))
        if best > 0:
            return start, best
    return -1, -1


@leaf
def _prefixed(data: Data, start: int, form: int, size: int) -> bool:
    same = True
    for place in range(size):
        same = same and data[start + place] == _PREFIXES[_STARTS[form] + place]
    return same


@block
def _body_end(data: Data, begin: int, high: int, form: int) -> int:
    kind, fewest, most = _RULES[form, 0], _RULES[form, 1], _RULES[form, 2]
    place, marked, seen = begin, False, 0
    while place < high and _belongs(data[place], kind) and place - begin <= most:
        marked = marked or is_digit(data[place]) or is_upper(data[place])
        seen |= 1 << (data[place] & 31)
        place += 1
    if not fewest <= place - begin <= most or (place < high and is_wordlike(data[place])):
        return -1
    different = 0
    while seen:
        seen &= seen - 1
        different += 1
    return place if marked and different >= _DIFFERENT else -1


@leaf
def _belongs(byte: int, kind: int) -> bool:
    if kind == BASE32:
        return is_upper(byte) or 50 <= byte <= 55
    if is_alphanumeric(byte):
        return True
    return (byte == _UNDERSCORE and kind in (WORDLIKE, URL_SAFE)) or (
        byte == _DASH and kind in (DASHED, URL_SAFE)
    )


@block
def jwt_span(data: Data, low: int, at: int, high: int) -> tuple[int, int]:
    """The JSON Web Token that begins at `at` with `eyJ`; (-1, -1): none.

    Two parts or more of base64url with a third, perhaps empty, behind a dot (RFC 7515, 7.1), or
    five (RFC 7516, 7.1).
    """
    if at > low and (is_wordlike(data[at - 1]) or data[at - 1] in (_DOT, _DASH)):
        return -1, -1
    first = _part_end(data, at, high)
    if first >= high or data[first] != _DOT or not _names_algorithm(data, at, first):
        return -1, -1
    second = _part_end(data, first + 1, high)
    if second - first < 3 or second >= high or data[second] != _DOT:
        return -1, -1
    end = _part_end(data, second + 1, high)
    for _ in range(2):
        if end + 1 < high and data[end] == _DOT and _belongs(data[end + 1], URL_SAFE):
            end = _part_end(data, end + 1, high)
    return at, end


@leaf
def _part_end(data: Data, at: int, high: int) -> int:
    while at < high and _belongs(data[at], URL_SAFE):
        at += 1
    return at


@block
def _names_algorithm(data: Data, at: int, end: int) -> bool:
    """True if the base64url between is JSON's `{` ... `"alg"` ... `}`."""
    held, bits, matched, found, byte = 0, 0, 0, False, 0
    for place in range(at, end):
        held = ((held << 6) | _six_bits(data[place])) & 0xFFFF
        bits += 6
        if bits < 8:
            continue
        bits -= 8
        byte = (held >> bits) & 0xFF
        if byte == _ALGORITHM[matched]:
            matched += 1
        else:
            matched = 1 if byte == _ALGORITHM[0] else 0
        if matched == len(_ALGORITHM):
            found, matched = True, 0
    return found and byte == 125


@leaf
def _six_bits(byte: int) -> int:
    if is_digit(byte):
        return byte + 4
    if byte == _DASH:
        return 62
    if byte == _UNDERSCORE:
        return 63
    return byte - 65 if is_upper(byte) else byte - 71


@block
def pem_span(data: Data, low: int, at: int, high: int) -> tuple[int, int]:
    """The private key whose `-----BEGIN` is at `at` (RFC 7468; PGP's too); (-1, -1): none.

    To the end of its `-----END ...-----`; without one, to the end of the base64. A heading with
    less than forty characters of base64 behind it is only talked about.
    """
    if not starts_with(data, at, high, _BEGIN):
        return -1, -1
    private, place = False, at + len(_BEGIN)
    limit = min(high, place + _TYPE_BYTES)
    while place < limit and data[place] != _DASH:
        private = private or starts_with(data, place, high, _PRIVATE)
        place += 1
    if not private or place + 5 > high:
        return -1, -1
    place += 5
    body, tail, pure, limit = 0, place, True, min(high, place + _KEY_BYTES)
    while place < limit:
        byte = data[place]
        if byte == _DASH and starts_with(data, place, high, _END):
            place += len(_END)
            while place < limit and data[place] not in (10, _DASH):
                place += 1
            while place < limit and data[place] == _DASH:
                place += 1
            return (at, place) if body >= _FEWEST_BODY else (-1, -1)
        if byte == _DASH and starts_with(data, place, high, _BEGIN):
            break
        coded = is_alphanumeric(byte) or byte in (43, 47, _EQUALS)
        pure = pure and (coded or byte in (10, 13, 32, 9, 34, 92, 43))
        body += 1 if coded else 0
        place += 1
        if pure and coded:
            tail = place
    return (at, tail) if tail - at >= _FEWEST_BODY + 32 else (-1, -1)
