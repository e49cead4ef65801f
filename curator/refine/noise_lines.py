"""Lines as sites put around texts, made up: what a refiner that cuts them can be held to.

Wordings are this project's own. They are meant to be like what sites write and not like the
expressions of `curator.refine.line_rules`, which miss some of them.
"""

from __future__ import annotations

from typing import Final

_PLACES: Final = (
    "Home", "About", "Contact", "News", "Products", "Services", "Blog", "Shop", "Gallery", "Events",
    "Careers", "Support", "Forum", "Archive", "Press", "Team", "Downloads", "Pricing",
)  # fmt: skip
_NETWORKS: Final = (
    "Facebook", "Twitter", "Pinterest", "LinkedIn", "WhatsApp", "Reddit", "Email", "Tumblr",
)  # fmt: skip
_HOSTS: Final = ("riverside", "harbor-news", "greenfield", "oldtown", "northlight", "papermill")
_TAILS: Final = ("articles", "index", "category/latest", "item", "print", "feed")
# `{n}` is a number to 400, `{m}` a larger one, `{place}` and so on one of the words above.
_WORDINGS: Final[dict[str, tuple[str, ...]]] = {
    "menu": (
        "{place} | {place} | {place} | {place}",
        "{place} » {place} » {place}",
        "{place} • {place} • {place} • {place} • {place}",
        "{place} {place} {place} {place} {place} {place}",
        "Main menu: {place}, {place}, {place}",
        "You are here: {place} > {place}",
        "Skip to the content",
        "Toggle navigation",
    ),
    "cookies": (
        "We use cookies to give you the best experience on our site.",
        "This site uses cookies. By going on you agree to their use.",
        "Accept all cookies",
        "Manage cookie preferences",
        "Our partners and we store information on your device. Learn how in our privacy notice.",
        "By clicking Agree you consent to our use of cookies for analysis and advertising.",
    ),
    "share": (
        "Share this: {network} {network} {network}",
        "Share on {network}",
        "Tweet this",
        "{n} shares",
        "Did you like this article? Tell a friend!",
        "Follow us on {network} and {network}",
        "Click to email this to a friend (Opens in new window)",
        "Sign up for our newsletter",
    ),
    "page": ("Page {n} of {m}", "- {n} -", "{n}", "p. {n}", "{n} / {m}", "Next page >"),
    "address": (
        "https://www.{host}.example/{tail}?id={n}",
        "http://{host}.example/{tail}/{n}",
        "www.{host}.example",
        "Source: https://{host}.example/{tail}",
        "editor@{host}.example",
    ),
    "footer": (
        "Copyright 20{y} {place} Media. All rights reserved.",
        "Posted in {place}, {place} | {n} Comments",
        "Terms of use | Privacy | Imprint",
        "Related posts",
        "Read more...",
        "Loading...",
        "Leave a reply",
        "Advertisement",
    ),
}
NOISE_KINDS: Final = tuple(_WORDINGS)


def noise_line(kind: str, bits: int) -> str:
    """Return a line of this kind, decided by 64 bits of chance."""
    wordings = _WORDINGS[kind]
    bits, place = divmod(bits, len(wordings))
    made = wordings[place]
    for slot, words in (("place", _PLACES), ("network", _NETWORKS), ("host", _HOSTS)):
        while f"{{{slot}}}" in made:
            bits, at = divmod(bits, len(words))
            made = made.replace(f"{{{slot}}}", words[at], 1)
    bits, tail = divmod(bits, len(_TAILS))
    bits, number = divmod(bits, 400)
    year = 10 + bits % 15
    numbers = {"n": str(number + 1), "m": str(number + 1 + bits % 90), "y": str(year)}
    for slot, word in (*numbers.items(), ("tail", _TAILS[tail])):
        made = made.replace(f"{{{slot}}}", word)
    return made
