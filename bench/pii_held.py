"""The set of `bench.pii_cases` that was scored once the detectors were done: other forms."""

from __future__ import annotations

import base64
import random
import string

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

POSITIVES: dict[str, dict[str, Make]] = {
    "email": forms(
        person,
        "{f}@{s}.museum", "{f}.{l}.{n}@students.{s}.edu.au", "{n}{f}@{s}.xyz",
        "{f}.o'{l}@{s}.ie", "{f}@{s}-{l}.technology", "{f}&{l}@{s}.net", "SALES@{s}.COM",
        "{f}.{l}@\u043f\u043e\u0447\u0442\u0430-{s}.\u0440\u0444",
        "\u0438\u0432\u0430\u043d.{n}@{s}.ru",
        "bounce-{n}+{f}={s}.com@lists.{s}.org", "{f}@xn--{s}-9db.xn--p1ai", "{f}--{l}@{s}.co.jp",
        "_{f}@{s}.dev", "{f}.{l}@{n}.{s}.eu",
    ),
    "ip": {
        "v4 in a list": lambda rng: v4(rng),
        "v6 upper case": lambda rng: v6(rng, 8, upper=True),
        "v6 :: at the end": lambda rng: filled(rng, "2a03:X##b:##::"),
        "v6 :: upper case": lambda rng: v6(rng, 4, upper=True),
        "v6 padded": lambda rng: filled(rng, "2607:0###:00ab:####:0000:0#f#:c###:00##"),
    },
    "phone": {
        **forms(american, "AAA EEE ####", "(AAA)EEE-####", "AAA/EEE-####", "1 (AAA) EEE-####",
                "+1-AAA-EEE-####", "AAA-EEE-#### x##", "1.AAA.EEE.####"),
        **forms(
            filled,
            "+91 9#### #####", "+81 3-####-####", "03-####-####", "(02) 9### ####",
            "04## ### ###", "+55 (11) 9####-####", "+86 138 #### ####", "+61 4## ### ###",
            "+352 ## ## ## ##", "(0221) ######", "09131 / ######", "+39 06 #### ####",
            "+34 91# ### ###", "+46-8-### ## ##", "+380 44 ### ## ##", "+971 4 ### ####",
            "0039 06 #### ####", "+27.11.###.####", "06-########", "0800 ### ####",
        ),
    },
    "card": {
        "jcb": lambda rng: card(rng, "3540", 16, (4, 4, 4, 4), " "),
        "diners": lambda rng: card(rng, "36", 14, (4, 6, 4), " "),
        "amex dashes": lambda rng: card(rng, "37", 15, (4, 6, 5), "-"),
        "unionpay 19": lambda rng: card(rng, "62", 19),
        "unionpay 19 in groups": lambda rng: card(rng, "62", 19, (4, 4, 4, 4, 3), " "),
        "maestro": lambda rng: card(rng, "6759", 16, (4, 4, 4, 4), " "),
        "visa dashes": lambda rng: card(rng, "49", 16, (4, 4, 4, 4), "-"),
        "discover 65": lambda rng: card(rng, "65", 16, (4, 4, 4, 4), " "),
        "visa, no-break spaces": lambda rng: card(rng, "4", 16, (4, 4, 4, 4), "\u00a0"),
    },
    "iban": {
        **{
            f"{country} {name}": lambda rng, c=country, s=sep: iban(rng, c, s)
            for country in ("IT", "CH", "NO", "PT", "TR", "UA", "LT", "MT", "SE", "GR")
            for name, sep in (("plain", ""), ("fours", " "), ("no-break", "\u00a0"))
        },
        "KW": lambda rng: iban(rng, "KW", " ", string.digits + string.ascii_uppercase),
        "BR": lambda rng: iban(rng, "BR", ""),
    },
    "key": {
        "aws session": lambda rng: "ASIA" + some(rng, string.ascii_uppercase + "234567", 16),
        "github fine": lambda rng: f"github_pat_{some(rng, ALNUM, 22)}_{some(rng, ALNUM, 59)}",
        "github server": lambda rng: "ghs_" + some(rng, ALNUM, 36),
        "gitlab": lambda rng: "glpat-" + some(rng, ALNUM, 20),
        "slack user": lambda rng: (
            filled(rng, "xoxp-X##########-X###########-X###########-")
            + some(rng, "0123456789abcdef", 32)
        ),
        "stripe restricted": lambda rng: "rk_live_" + some(rng, ALNUM, 40),
        "openai project": lambda rng: (
            f"sk-proj-{some(rng, ALNUM + '-_', 74)}T3BlbkFJ{some(rng, ALNUM + '-_', 73)}A"
        ),
        "openai old": lambda rng: f"sk-{some(rng, ALNUM, 20)}T3BlbkFJ{some(rng, ALNUM, 20)}",
        "anthropic": lambda rng: f"sk-ant-api03-{some(rng, ALNUM + '-_', 93)}AA",
        "hugging face": lambda rng: "hf_" + some(rng, ALNUM, 34),
        "npm": lambda rng: "npm_" + some(rng, ALNUM, 36),
        "pypi": lambda rng: "pypi-AgEIcHlwaS5vcmc" + some(rng, ALNUM + "-_", 160) + "x",
        "jwt rs256": lambda rng: jwt(rng, {"kid": some(rng, ALNUM, 8), "alg": "RS256"}),
        "pem pkcs8": lambda rng: pem(rng, "PRIVATE KEY", 12),
        "pem openssh": lambda rng: pem(rng, "OPENSSH PRIVATE KEY", 5),
        "pem on one line": lambda rng: pem(rng, "PRIVATE KEY", 6, "\\n"),
        "pgp": lambda rng: pem(rng, "PGP PRIVATE KEY BLOCK", 9),
    },
}  # fmt: skip
SENTENCES = {
    "email": [
        "[Write us](mailto:{})", "Author:: {} (since 2011)", "\"email\": \"{}\",",
        "{}; cc: the team",
        "\u8054\u7cfb\u65b9\u5f0f\uff1a{}\u3002", "reply to _{}_ or call", "| {} | staff |",
        "kontakt: {}!",
        "sent by {}\nto nobody", "E-mail\t{}",
    ],
    "ip": [
        "Accepted connection from {}\n", "{{\"addr\": \"{}\"}}", "banned {}, again", "via [{}]",
        "Received: from relay (HELO x) ({}) by us", "whois {} | less",
    ],
    "phone": [
        "For bookings dial {} or write.", "Mobile: {}", "Reception {}\nOpen daily", "T. {}",
        "\u260e {}", "Ring {}; we answer.", "Hotline ({})", "| {} | front desk |",
    ],
    "card": [
        "\"pan\": \"{}\"", "Card no. {}; valid thru 09/28", "Kartennummer {}", "refunded to {}.",
        "number {}\nname J DOE",
    ],
    "iban": [
        "Kontoverbindung: {}\nBank", "pay into {} only", "\"iban\": \"{}\"", "acct {}; ref 77",
        "Conto corrente {}.",
    ],
    "key": [
        "TOKEN='{}'", "{{\"secret\": \"{}\"}}", "curl -H 'X-Key: {}' https://x",
        "password is {} ok",
        "{}\n",
    ],
}  # fmt: skip


def imei(rng: random.Random) -> str:
    body = "86" + digits(rng, 12)
    return body + luhn(body)


NEGATIVES: dict[str, Make] = {
    "oid": lambda rng: filled(rng, "1.3.6.1.4.1.#####.X.X"),
    "ean-13": lambda rng: filled(rng, "40########0##"),
    "imei": imei,
    "tracking number": lambda rng: "1Z" + filled(rng, "999AA1012345####"),
    "issn": lambda rng: filled(rng, "ISSN X###-###X"),
    "documentation net": lambda rng: f"203.0.113.{rng.randint(1, 254)}",
    "four-part build": lambda rng: (
        f"v{rng.randint(1, 9)}.{rng.randint(10, 99)}.{rng.randint(1, 99)}.0"
    ),
    "release 4 parts": lambda rng: f"release {rng.randint(10, 40)}.{rng.randint(10, 99)}.3.1",
    "too large octet": lambda rng: f"90.0.{rng.randint(300, 999)}.{rng.randint(1, 99)}",
    "case citation": lambda rng: filled(rng, "X## U.S. X## (19##)"),
    "patent": lambda rng: filled(rng, "US X,###,###"),
    "bible": lambda rng: filled(rng, "John X:1#-1#"),
    "css font": lambda rng: "@font-face { src: url(a@b) }",
    "java annotation": lambda rng: "@Override public void run()",
    "user at host": lambda rng: person(rng, "{f}@localhost"),
    "npm package": lambda rng: f"npm i @scope/pkg@{rng.randint(1, 9)}.2.0",
    "python matmul": lambda rng: "w@x.reshape(-1, 2)",
    "dotted date range": lambda rng: filled(rng, "0X.0X.20##-1#.1#.20##"),
    "timestamp": lambda rng: filled(rng, "20##0X1#T1#####"),
    "unix time": lambda rng: filled(rng, "16########"),
    "coordinates": lambda rng: filled(rng, "4#.######, -12#.######"),
    "scientific": lambda rng: filled(rng, "X.######e-##"),
    "part number": lambda rng: filled(rng, "0###-####-##"),
    "social security form": lambda rng: filled(rng, "X##-##-####"),
    "score": lambda rng: filled(rng, "X-X, X-X, X-X"),
    "barcode in groups": lambda rng: filled(rng, "9 78#### ######"),
    "money": lambda rng: filled(rng, "\u20ac X ### ###,##"),
    "chess": lambda rng: "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6",
    "cidr": lambda rng: "10.0.0.0/8",
    "link local": lambda rng: f"fe80::{rng.randint(1, 0xFFFF):x}",
    "time span": lambda rng: filled(rng, "0X:##:##:##"),
    "ruby symbol": lambda rng: "Foo::Bar::Baz and a::b",
    "hex colors": lambda rng: "#" + some(rng, "0123456789abcdef", 6),
    "base64": lambda rng: base64.b64encode(rng.randbytes(36)).decode(),
    "certificate": lambda rng: pem(rng, "CERTIFICATE", 6),
    "ssh public key": lambda rng: "ssh-rsa AAAA" + some(rng, ALNUM + "+/", 120),
    "heading only": lambda rng: "a line -----BEGIN RSA PRIVATE KEY----- opens the file",
    "placeholder": lambda rng: "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx and ghp_xxxx",
    "dotted words": lambda rng: "eyJvb2tzLmxpa2U.a.token",
    "Luhn fails, amex": lambda rng: bad_amex(rng),
    "IBAN-like": lambda rng: "GB" + filled(rng, "## ABCD #### #### ####"),
    "tax number": lambda rng: filled(rng, "DE#########"),
    "matrix of numbers": lambda rng: filled(rng, "### ### #### ### ### ####"),
    "grid": lambda rng: filled(rng, "0.1# 0.2# 0.3# 0.4#"),
    "doi": lambda rng: filled(rng, "10.10##/s#####-0##-#####-X"),
    "arxiv": lambda rng: filled(rng, "arXiv:2#0X.#####v2"),
}


def bad_amex(rng: random.Random) -> str:
    body = "37" + digits(rng, 12)
    return grouped(body + str((int(luhn(body)) + 1) % 10), (4, 6, 5), " ")


BARE = ["noted {} here", "{}\n", "cf. {}; also", '"{}"', "<td>{}</td>", "as {}: fine"]
