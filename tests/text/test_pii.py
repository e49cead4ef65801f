"""What is taken for personal data, against independent readings of the public formats."""

from __future__ import annotations

import ipaddress
import re

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curator.text.accounts import iban_lengths
from curator.text.domains import TOP_LEVEL_DOMAINS
from curator.text.pii import KINDS, find_pii

# HTML Living Standard, "valid e-mail address".
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
HTML_ADDRESS = re.compile(rf"[a-zA-Z0-9.!#$%&'*+\/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*")
# What spans are made of, in pieces that fit together in wrong ways too.
PIECES = (
    "@", ".", "-", "+", ":", "::", "(", ")", "/", "0", "00", "01", "03", "1", "12", "212", "555",
    "0123", "7946", "4111", "1111", "378282246310005", "a", "b7", "name", "x.org", "mail.de",
    "10.2.3.4", "93.184.216.34", "2a00:1450:4001::1", "DE89", "3704", "0044", "0532", " ", "  ",
    "GB82WEST12345698765432", "AKIAIOSFODNN7EXAMPLE", "eyJ", "ghp_", "sk-", "tel:", "call", "+44",
    "+1", "é", "电话", "م", "👩\u200d👧", "\u00a0", "\u2013", "\u202e", "\n", "\t", "<email>",
    "<ip>", "-----BEGIN ", "RSA PRIVATE KEY-----",
)  # fmt: skip
JUNK = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    find_pii(pa.array(["a"], pa.large_string()))  # half a minute where nothing is kept yet


def found(text, **settings):
    """(kind, text of the span) of everything found in one text."""
    spans = find_pii(pa.array([text], pa.large_string()), **settings)
    raw = text.encode()
    return [
        (KINDS[kind], raw[start:end].decode())
        for start, end, kind in zip(spans.starts, spans.ends, spans.kinds, strict=True)
    ]


def luhn_sum(number):
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return sum(digits[::2]) + sum(doubled)


def iban_remainder(number):
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_found_if_the_registry_calls_it_global(address):
    text = str(address)
    assume(sum(len(octet) - 1 for octet in text.split(".")) >= 2)
    public = address.is_global and not address.is_multicast
    relay = address in ipaddress.ip_network("192.88.99.0/24")
    anycast = address in ipaddress.ip_network("192.0.0.0/24")

    assert found(f"from {text}.", kinds=["ip"]) == (
        [("ip", text)] if public and not relay and not anycast else []
    )
    assert found(f"from {text}.", kinds=["ip"], private_ips=True) == [("ip", text)]


@given(st.ip_addresses(v=6), st.sampled_from(["{0.compressed}", "{0.exploded}"]))
def test_an_ipv6_address_is_found_if_it_is_global_unicast(address, written):
    text = written.format(address)
    unicast = address in ipaddress.ip_network("2000::/3")
    special = any(
        address in ipaddress.ip_network(net)
        for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
    )

    assert found(f"({text})", kinds=["ip"]) == ([("ip", text)] if unicast and not special else [])


@given(st.integers(0x2003 << 112, (0x2004 << 112) - 1))
def test_every_spelling_of_a_global_ipv6_address_is_found(number):
    text = ipaddress.IPv6Address(number).compressed.upper()

    assert found(f"ping {text}: ok", kinds=["ip"]) == [("ip", text)]


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4", "section 10.20.30.40", "10.20.30.40.50", "v93.184.216.34", "93.184.216.340",
        "093.184.216.34", "version: 93.184.216.34", "12:34:56:78", "std::vector", "a::b", "ab:cd",
        "2a00:1450:4001:81b:0:0:0:200e:1", "2a00::1::2", "00:1b:44:11:3a:b7",
    ],
)  # fmt: skip
def test_numbers_of_sections_editions_and_times_are_no_addresses(text):
    assert found(text, private_ips=True) == []


@given(
    st.sampled_from(sorted(iban_lengths())),
    st.text("0123456789ABCXYZ", min_size=30, max_size=30),
    st.sampled_from(["", " ", "\u00a0"]),
)
def test_an_iban_is_found_by_its_check_digits_and_not_without(country, body, between):
    body = body[: iban_lengths()[country] - 4]
    check = next(c for c in range(2, 99) if iban_remainder(f"{country}{c:02d}{body}") == 1)
    for digits in (check, check - 1):
        number = f"{country}{digits:02d}{body}"
        text = between.join(number[at : at + 4] for at in range(0, len(number), 4))
        right = iban_remainder(number) == 1

        assert found(f"to {text}.", kinds=["iban"]) == ([("iban", text)] if right else [])


@given(st.from_regex(r"\A(4[0-9]{15}|5[1-5][0-9]{14}|3[47][0-9]{13})\Z"), st.sampled_from(" -"))
def test_a_card_is_found_if_it_passes_luhns_test(number, between):
    right = luhn_sum(number) % 10 == 0 and len(set(number)) > 1
    sizes = (4, 6, 5) if len(number) == 15 else (4, 4, 4, 4)
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    for text in (number, between.join(parts)):
        assert found(f"card {text}, please", kinds=["card"]) == ([("card", text)] if right else [])


def test_a_card_inside_a_longer_number_is_none():
    for text in (
        "24111111111111111",
        "0.4111111111111111",
        "4111111111111111-a",
        "x4111111111111111",
    ):
        assert found(text, kinds=["card"]) == []


local_part = st.from_regex(r"\A[a-z0-9_](?:[a-z0-9!#$%&'*+^_~-]|\.(?=[a-z])){0,20}[a-z0-9]\Z")
domain = st.from_regex(r"\A(?:[a-z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?\.){1,3}\Z")


@given(local_part, domain, st.sampled_from(["com", "ORG", "de", "co.uk", "museum", "xn--p1ai"]))
def test_addresses_that_browsers_accept_are_found(local, labels, top):
    address = f"{local}@{labels}{top}"
    assume(not re.search(r"(^|\.)example\.(com|net|org)$", address.partition("@")[2].lower()))
    assert HTML_ADDRESS.fullmatch(address)

    assert found(f"write to <{address}>, soon", kinds=["email"]) == [("email", address)]


@given(JUNK)
def test_every_address_found_in_ascii_is_one_that_browsers_accept(text):
    for _, address in found(text.encode("ascii", "replace").decode(), kinds=["email"]):
        assert HTML_ADDRESS.fullmatch(address.rpartition("@")[0].rpartition("@")[2] + "@x.y")
        assert address.rpartition(".")[2].lower() in TOP_LEVEL_DOMAINS


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("联系abc@x.com联系", "abc@x.com"),
        ("почта:иван@почта.рф.", "иван@почта.рф"),
        ("see...me@x.com.", "me@x.com"),
        ("a@b.com.Then", "a@b.com"),
        ("to=me@x.de&x", "me@x.de"),
        ("b+me=x.de@list.org", "b+me=x.de@list.org"),
        ("'o'neil@x.ie'", "o'neil@x.ie"),
        ("*me@x.io*", "me@x.io"),
    ],
)
def test_an_address_ends_where_it_should(text, address):
    assert found(text) == [("email", address)]


@pytest.mark.parametrize(
    "text",
    ["@media", "a@b", "logo@2x.png", "git@github.com:a/b", "me@example.com", "x@y.reshape(2)",
     "@a.com", "a.@b.com", "me@sub.example.org", "a @ b.com", "w@1.2.3"],
)  # fmt: skip
def test_what_is_no_address_is_left(text):
    assert found(text, kinds=["email"]) == []


@pytest.mark.parametrize(
    "number",
    ["(212) 555-0123", "212-555-0123", "212.555.0123", "+1 212-555-0123", "+44 (0)20 7946 0958",
     "+4915112345678", "020 7946 0958", "01 42 68 53 00", "030/1234567", "(02) 9876 5432",
     "044 668 18 00", "(+44)131/2920000", "+7 495 123-45-67", "212\u2011555\u20110123",
     "0049 6473 4120829", "00 39 06 1234 5678", "0044-20-7946-0958"],
)  # fmt: skip
def test_a_telephone_number_is_found_by_its_shape(number):
    assert found(f"or {number}, then") == [("phone", number)]


@pytest.mark.parametrize("number", ["5551234", "555 12 34", "06612345", "911 234 567"])
def test_another_number_is_one_behind_a_word_for_telephone(number):
    assert found(f"Tel.: {number}") == [("phone", number)]
    assert found(f"call us on {number}") == [("phone", number)]
    assert found(f"no {number}") == []
    assert found(f"Tel.\n{number}") == []


@pytest.mark.parametrize(
    "text",
    ["2023-01-15", "call on 2023-01-15", "call 01.02.2003", "phones 1990-1995", "978-0-306-40615-7",
     "$212.555.0123", "x212-555-0123", "212-555-01234", "112-555-0123", "211-555-0123",
     "-0958-06748", "+5848-12242", "1 212 555 0123 555", "5-212-555-0123-4",
     "a-01-02-03-04-05", "3.2125550123", "+999 123 456 789", "+1 212 555", "0.171 234 567",
     "12 34 56 78 90", "00491512345678", "00-1234-5678", "000 123 456 789"],
)  # fmt: skip
def test_other_numbers_are_no_telephone_numbers(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("AKIAIOSFODNN7EXAMPLE", None),
        ("ACCACAGTCCATGCCATCAC", ""),  # of a gene
        ("ghp_" + "aB3" * 12, ""),  # three characters
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", None),
        ("sk_live_abcdef0123456789", None),
        ("sk_live_xxxxxxxxxxxxxxxxxx", ""),
        ("sk-learn-and-other-things-that-are-long-enough-here-x", ""),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-1", None),
        ("eyJhbHciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-1", ""),
        ("-----BEGIN PRIVATE KEY----- is how it begins", ""),
        ("-----BEGIN PUBLIC KEY-----\n" + "MIIB" * 30 + "\n-----END PUBLIC KEY-----", ""),
        ("-----BEGIN EC PRIVATE KEY-----\n" + "MIIB" * 30 + "\n-----END EC PRIVATE KEY-----", None),
        ("-----BEGIN EC PRIVATE KEY-----\n" + "MIIB" * 30, None),
    ],
)
def test_keys_are_found_by_their_form(text, key):
    expected = [("key", text if key is None else key)] if key != "" else []

    assert found(f"it: {text} ", kinds=["key"]) == expected


@settings(max_examples=300)
@given(st.lists(JUNK, max_size=4))
def test_spans_rise_apart_between_characters_in_any_text(texts):
    spans = find_pii(pa.array(texts, pa.large_string()), private_ips=True)

    for row, text in enumerate(texts):
        at, raw = 0, text.encode()
        for place in range(spans.offsets[row], spans.offsets[row + 1]):
            start, end = spans.starts[place], spans.ends[place]
            assert at <= start < end <= len(raw)
            raw[:start].decode()
            raw[start:end].decode()
            at = end


@given(st.lists(JUNK, min_size=1, max_size=5))
def test_a_text_says_the_same_alone_and_among_others(texts):
    together = find_pii(pa.array(["0", *texts], pa.string())[1:])

    for row, text in enumerate(texts):
        alone = find_pii(pa.chunked_array([pa.array([text], pa.large_string())]))
        low, high = together.offsets[row], together.offsets[row + 1]
        assert together.starts[low:high].tolist() == alone.starts.tolist()
        assert together.ends[low:high].tolist() == alone.ends.tolist()


def test_only_the_kinds_asked_for_are_found():
    text = "me@x.org or +1 212-555-0123"

    assert [kind for kind, _ in found(text)] == ["email", "phone"]
    assert [kind for kind, _ in found(text, kinds=["phone"])] == ["phone"]
    with pytest.raises(ValueError, match="unknown"):
        find_pii(pa.array([text]), ["mail"])
    assert found("") == []
