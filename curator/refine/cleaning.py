"""What a model wraps around the text that it was asked for, taken off again.

Chat models announce what they write ("Here is a paraphrase:"), decorate it, say goodbye, and stop
in the middle of a sentence when their tokens are used up. None of that is the text: left in, a
corpus learns it by heart. Maini et al. 2024 (WRAP, arXiv:2401.16380) take openings off; what is
taken off besides, and every pattern here, is ours. Patterns look at beginnings and ends of bounded
length and have no nested repeats, so hostile text costs a linear pass.
"""

from __future__ import annotations

import re
from typing import Final

_LONGEST_OPENING: Final = 240  # characters; a longer first line is text, whatever it says
_PLEASANTRY: Final = re.compile(
    r"(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|yes|gladly|great|no problem)"
    r"[!,.:]\s*",
    re.IGNORECASE,
)
_NAMES: Final = (
    r"(?:paraphras\w*|rephras\w*|rewrit\w*|rewrote|reword\w*|version|simplif\w*|summar\w*|"
    r"text|paragraph|passage|conversation|dialog(?:ue)?|questions?|pairs?|list|facts|tutorial|"
    r"article|lesson)"
)
# "Here is ...", "Below is ..." up to the first colon, line break or end of sentence.
_ANNOUNCED: Final = re.compile(
    r"(?:here(?:['\u2019]s| is| are)|below (?:is|are)|the following (?:is|are)|this is|"
    r"i(?:['\u2019]ve| have) (?:paraphrased|rephrased|rewritten))\b"
    rf"[^\n:.!?]{{0,200}}\b{_NAMES}\b[^\n:.!?]{{0,200}}(?:[:.!]+(?=\s|$)|\n)\s*",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    rf"[^\n:]{{0,200}}\b{_NAMES}\b[^\n:]{{0,100}}:[*_]*[ \t]*(?:\n|$)\s*", re.I
)
# What may head a text as a label, text on the same line: "Paraphrase: The cat ...".
_HEAD: Final = re.compile(
    r"(?:\*\*|__)?(?:the )?(?:paraphrased?|rephrased|rewritten|reworded|simplified|output)"
    r"(?: (?:text|version|paragraph|passage))?(?:\*\*|__)?:(?:\*\*|__)?\s*",
    re.IGNORECASE,
)
_FAREWELL: Final = re.compile(
    r"(?:i hope (?:this|that|you|these)\b|let me know\b|feel free to\b|please let me know\b|"
    r"is there anything else\b|would you like me to\b|if you (?:have any|need any|need further)\b)"
    r"[^\n]{0,240}$",
    re.IGNORECASE,
)
_REFUSAL: Final = re.compile(
    r"(?:i(?:['\u2019]m| am) (?:very |so )?sorry\b|i apologi[sz]e\b|sorry, (?:but )?i\b|"
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)\b|"
    r"i(?:['\u2019]m| am) (?:an ai\b|just an? ai\b|unable to\b|not able to\b)|"
    r"i (?:cannot|can['\u2019]t|can not|won['\u2019]t|will not|must decline)\b|"
    r"unfortunately,? i (?:cannot|can['\u2019]t|am|do)\b|"
    r"(?:please provide|you (?:have not|haven['\u2019]t|did not|didn['\u2019]t) provided?)\b)",
    re.IGNORECASE,
)
# "The passage describes ...", but neither "the passage of time" nor "a paragraph".
_ABOUT: Final = re.compile(
    r"\b(?:the|this) (?:(?:given|above|following|original) )?(?:passage|excerpt|paragraph|text) "
    r"(?:above|below|is|was|has|can|could|seems|appears|describes|provides|discusses|explains|says|"
    r"states|tells|talks|mentions|highlights)\b",
    re.IGNORECASE,
)
_TURNS: Final = re.compile(
    r"<[|\uff5c][^\n>]{0,40}[|\uff5c]>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|</?s>"
)
_QUOTES: Final = {'"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb", "'": "'"}
_END: Final = re.compile(r"(?:[.!?\u2026]+[\"'\u201d\u2019)\]*_]*(?=\s|$))|[\u3002\uff01\uff1f]")
# A dot after these ends no sentence: titles, "e.g.", initials. "etc." may end one.
_NO_END: Final = re.compile(
    r"(?:^|[\s(\[\"'\u201c])(?:mr|mrs|ms|dr|prof|st|vs|no|fig|eq|e\.g|i\.e|cf|[a-z])\.$", re.I
)


def cleaned(text: str, *, whole: bool) -> str:
    """Return what a model wrote without opening, goodbye, quotation marks and unfinished end.

    Args:
        text: the model's answer.
        whole: whether the model stopped by itself; else its last sentence is taken as unfinished.
    """
    found = without_announcement(text.strip())
    if whole:
        found = without_farewell(found)
    found = without_quotes(found)
    return found if whole else without_unfinished(found)


def without_announcement(text: str) -> str:
    """Return a text without the sentence or line that announces it; text on that line stays.

    The first line goes where it ends in a colon and names a text, paragraph, version or the like
    (WRAP's rule, arXiv:2401.16380, appendix B), and so does a first sentence "Here is ...".
    """
    opening = _PLEASANTRY.match(text)
    rest = text[opening.end() :] if opening else text
    for pattern in (_ANNOUNCED, _LABEL):
        found = pattern.match(rest[:_LONGEST_OPENING])
        if found:
            rest = rest[found.end() :]
            return _HEAD.sub("", rest, count=1) if _HEAD.match(rest) else rest
    head = _HEAD.match(rest)
    if head:
        return rest[head.end() :]
    return text  # "Of course, ..." may begin a text that is announced by nothing


def without_farewell(text: str) -> str:
    """Return a text without a last line that speaks to whoever asked."""
    body, parted, last = text.rstrip().rpartition("\n")
    if parted and _FAREWELL.match(last.strip()):
        return body.rstrip()
    return text


def without_quotes(text: str) -> str:
    """Return a text without quotation marks around all of it; those within it stay."""
    found = text.strip()
    closing = _QUOTES.get(found[:1])
    if closing and len(found) > 1 and found.endswith(closing) and closing not in found[1:-1]:
        return found[1:-1].strip()
    return found


def without_unfinished(text: str) -> str:
    """Return a text up to its last finished sentence; "" if it has none."""
    found = text.rstrip()
    for end in reversed(list(_END.finditer(found))):
        if not _NO_END.search(found[max(0, end.start() - 8) : end.start() + 1]):
            return found[: end.end()]
    return ""


def refuses(text: str) -> bool:
    """Return whether a text begins as a model does that will not, or says what it is."""
    return _REFUSAL.match(_PLEASANTRY.sub("", text.lstrip("\"'* \n\t"), count=1)) is not None


def talks_about(text: str) -> bool:
    """Return whether a text is about a passage, as an answer that describes what it was given."""
    return _ABOUT.search(text) is not None


def speaks_in_turns(text: str) -> bool:
    """Return whether a text has marks of a chat format, which part turns and are no text."""
    return _TURNS.search(text) is not None


# What is emphasized, and what stands in brackets before an address, goes on as plain words.
_MARKS: Final = (
    (re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(r"\*\*([^*\n]{1,500})\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*([^*\s][^*\n]{0,500})\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)__([^_\n]{1,500})__(?!\w)"), r"\1"),
    (re.compile(r"(?<!\w)_([^_\s][^_\n]{0,500})_(?!\w)"), r"\1"),
    (re.compile(r"`([^`\n]{1,500})`"), r"\1"),
    (re.compile(r"!?\[([^\]\n]{1,300})\]\([^)\s]{1,500}\)"), r"\1"),
)


def without_markdown(text: str) -> str:
    """Return a text whose headings, emphasis, code marks and links are plain words."""
    for pattern, plain in _MARKS:
        text = pattern.sub(plain, text)
    return text
