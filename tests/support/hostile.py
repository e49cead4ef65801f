"""Texts that break careless text code, and a hypothesis strategy of more of them."""

from hypothesis import strategies as st

PIECES = (
    "the", "cat", "sat", "don't", "Mr.", "e.g.", "http://a.bc/d", "x=1", "...", "…", "•", "-", "#",
    "[1]", "[edit]", "[citation needed]", "javascript", "Lorem ipsum", "privacy policy", "{",
    "日本", "ไทย", "e\u0301", "é", "İ", "ﬁ",
    "🙂", "\u200d", "\ufeff", "\x00", "\x85", "\u2028", "\x1c",
    "\r\n", "\n", "\n\n", "\n \n", "\t", " ", "  ", "\xa0", ".", "!", "?", '"', "'", "。", "߹",
    "a" * 40,
    "5km", "10am", "A.", "US$", "$5", "1,000.5", "a-b", "a--b", "(x)", "“q”", "’s", "\U0001f600",
    "\U000e0100", "\U00020000",
)  # fmt: skip
TEXTS = (
    "",
    " ",
    "\n",
    "\n\n\n",
    "a",
    ".",
    "a" * 10_000,
    "." * 5_000,
    "ab " * 3_000,
    "one line\r\nanother\r\n\r\n",
    "• a\n• b\n- c...\n  – d…\n",
    "\n lead and trail \n",
    "same\n\nsame\n\nsame",
    "日本語のテキスト。もう一つ。",
    "\x00\x01\x02",
    "<html><body>{}</body></html>",
    "[1] Cited first line here. Then more! Really?\nshort one.\nWe use cookies on this page.\n"
    "This page needs JavaScript to work.\nIt ends in dots...\nGood words are kept here [12].\n",
    "x" * 1_001 + " is a long word here.",
)


def texts():
    """Short texts of awkward pieces and arbitrary characters."""
    piece = st.sampled_from(PIECES) | st.text(max_size=4)
    return st.lists(piece, max_size=30).map("".join) | st.lists(piece, max_size=60).map(" ".join)
