"""The set of `bench.pii_cases` that was looked at while the detectors were written."""

from __future__ import annotations

import random
import string
import uuid

from bench.pii_cases import (
    ALNUM,
    Make,
    american,
    card,
    digits,
    filled,
    forms,
    grouped,
    iban,
    jwt,
    luhn,
    pem,
    person,
    some,
    v4,
    v6,
)

HEADER = {"alg": "HS256", "typ": "JWT"}
POSITIVES: dict[str, dict[str, Make]] = {
    "email": forms(
        person,
        "{f}.{l}@{s}.com", "{f}@{s}.org", "{f}_{l}{n}@{s}.co.uk", "{f}+news@{s}.io",
        "{f}{n}@mail.{s}.de", "info@{s}.fr", "{f}-{l}@{s}.edu", "{f}.{l}@b\u00fcro-{s}.de",
        "j\u00f6rg.{l}@{s}.at",
    ),
    "ip": {
        "v4": v4,
        "v6": v6,
        "v6 ::": lambda rng: v6(rng, rng.randint(3, 6)),
    },
    "phone": {
        **forms(
            american,
            "(AAA) EEE-####", "AAA-EEE-####", "AAA.EEE.####", "+1 AAA EEE ####",
            "1-AAA-EEE-####", "+1 (AAA) EEE-####", "+1AAAEEE####",
        ),
        **forms(
            filled,
            "+44 20 7### ####", "+44 (0)20 7### ####", "020 7### ####", "+33 1 ## ## ## ##",
            "01 4# ## ## ##", "+49 30 ########", "030/#######", "+49-171-#######", "0171 #######",
            "044 ### ## ##", "+7 495 ###-##-##",
        ),
    },
    "card": {
        "visa": lambda rng: card(rng, "4", 16, (4, 4, 4, 4), " "),
        "visa plain": lambda rng: card(rng, "4", 16),
        "mastercard": lambda rng: card(rng, "53", 16, (4, 4, 4, 4), "-"),
        "mastercard 2": lambda rng: card(rng, "2300", 16, (4, 4, 4, 4), " "),
        "amex": lambda rng: card(rng, "37", 15, (4, 6, 5), " "),
        "amex plain": lambda rng: card(rng, "34", 15),
        "discover": lambda rng: card(rng, "6011", 16),
    },
    "iban": {
        **{
            f"{country} {kind}": lambda rng, c=country, s=sep: iban(rng, c, s)
            for country in ("DE", "FR", "ES", "BE", "AT", "PL")
            for kind, sep in (("plain", ""), ("fours", " "))
        },
        "GB": lambda rng: iban(rng, "GB", " ", string.digits),
        "NL": lambda rng: iban(rng, "NL", "", string.digits + "ABN"),
    },
    "key": {
        "aws": lambda rng: "AKIA" + some(rng, string.ascii_uppercase + "234567", 16),
        "github": lambda rng: "ghp_" + some(rng, ALNUM, 36),
        "slack": lambda rng: f"xoxb-{digits(rng, 12)}-{digits(rng, 12)}-" + some(rng, ALNUM, 24),
        "google": lambda rng: "AIza" + some(rng, ALNUM + "-_", 35),
        "stripe": lambda rng: "sk_live_" + some(rng, ALNUM, 24),
        "openai": lambda rng: "sk-" + some(rng, ALNUM, 48),
        "jwt": lambda rng: jwt(rng, HEADER),
        "pem": lambda rng: pem(rng, "RSA PRIVATE KEY", 8),
    },
}  # fmt: skip
SENTENCES = {
    "email": [
        "Please write to {} before Friday.", "Contact: {}", "She (reach her at {}) will help.",
        "From: Someone <{}>", "mailto:{}?subject=hello", "Ask {}, who wrote it.", "“{}”",
        "<a href=\"mailto:{}\">mail</a>", "{} wrote:", "Questions? Mail {}.",
    ],
    "ip": [
        "The request came from {} at noon.", "Failed login ({})", "host {}, port 22",
        "ping {}: timed out.", "{} - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200",
        "ip={}",
    ],
    "phone": [
        "Call us at {} today.", "Tel: {}", "You can reach the office on {}.",
        "phone {}, ask for Jo",
        "Fax {}", "My number is {} and I am in until five.", "{}", "(phone: {})",
    ],
    "card": [
        "Charge my card {} please.", "card number: {}", "{} exp 12/27", "He paid with {}.",
        "cc {}, cvv 123",
    ],
    "iban": [
        "Transfer to {} by Monday.", "IBAN: {}", "IBAN {}, BIC ABCDEFGH", "({})",
        "Our account is {}.",
    ],
    "key": [
        "export TOKEN={}", "the key is \"{}\"", "Authorization: Bearer {}", "key: {}\n",
        "use {} here.",
    ],
}  # fmt: skip


def failing(rng: random.Random, prefix: str, size: int) -> str:
    body = prefix + digits(rng, size - len(prefix) - 1)
    return body + str((int(luhn(body)) + rng.randint(1, 9)) % 10)


NEGATIVES: dict[str, Make] = {
    "version": lambda rng: (
        f"version {rng.randint(1, 40)}.{rng.randint(10, 99)}.1.{rng.randint(0, 9)}"
    ),
    "section": lambda rng: f"section 1.{rng.randint(1, 9)}.3.{rng.randint(1, 30)}.5",
    "small section": lambda rng: filled(rng, "X.X.X.X"),
    "iso date": lambda rng: filled(rng, "20##-0X-1# 1#:##:##"),
    "date": lambda rng: filled(rng, "1#.0X.199#"),
    "us date": lambda rng: filled(rng, "0X/1#/20##"),
    "isbn-13": lambda rng: filled(rng, "978-0-###-#####-#"),
    "isbn-10": lambda rng: filled(rng, "0-###-#####-X"),
    "order, Luhn fails": lambda rng: failing(rng, "4", 16),
    "order in fours, Luhn fails": lambda rng: grouped(failing(rng, "5300", 16), (4, 4, 4, 4), " "),
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128))),
    "sha1": lambda rng: some(rng, "0123456789abcdef", 40),
    "mac": lambda rng: ":".join(some(rng, "0123456789abcdef", 2) for _ in range(6)),
    "css": lambda rng: "@media screen and (max-width: 600px)",
    "decorator": lambda rng: "@app.route('/user')",
    "handle": lambda rng: "@" + rng.choice(["jack", "nasa.official", "anna_k"]),
    "retina image": lambda rng: f"logo{rng.randint(1, 99)}@2x.png",
    "git url": lambda rng: "git@github.com:user/repo.git",
    "private ip": lambda rng: f"192.168.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
    "localhost": lambda rng: "127.0.0.1",
    "example address": lambda rng: person(rng, "{f}.{l}@example.com"),
    "matrix product": lambda rng: "A@B.T + c@d.shape",
    "c++ scope": lambda rng: "std::vector<ab::cd> x",
    "time": lambda rng: filled(rng, "1#:##:## UTC"),
    "price": lambda rng: filled(rng, "$X,###,###.##"),
    "integer": lambda rng: filled(rng, "X#########"),
    "decimal": lambda rng: filled(rng, "0.################"),
    "years": lambda rng: filled(rng, "19##-20##"),
    "zip": lambda rng: filled(rng, "CA #####-####"),
    "IBAN with a wrong digit": lambda rng: wrong_iban(rng),
    "latex": lambda rng: "\\cite{smith@2004} \\@ifnextchar",
    "table": lambda rng: filled(rng, "12 34 56 78 90 12 34 56 78 90"),
    "public key": lambda rng: pem(rng, "PUBLIC KEY", 4),
    "words with sk-": lambda rng: "sk-learn and task-runner-for-everything-that-runs-here",
}
BARE = ["It says {} there.", "{}", "see {} and more", "({})", "x = {}\n", "• {}, then"]


def wrong_iban(rng: random.Random) -> str:
    number = iban(rng, "DE")
    return number[:-1] + str((int(number[-1]) + 1) % 10)
