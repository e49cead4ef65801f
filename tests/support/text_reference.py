"""What the text kernels must compute, in plain Python: slow, by the letter of the definitions."""

import re
import unicodedata
from collections import Counter
from functools import cache

from curator.text.c4 import EDITED
from curator.text.unicode import LIMIT, SOLO, TERMINAL, characters

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
CITATION = re.compile(r"\[[0-9]*]|\[edit]|\[citation needed]")
POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def fold(character):
    """The character that words are compared by; "" for an accent."""
    if "\u0300" <= character <= "\u036f":
        return ""
    if ord(character) >= LIMIT:
        return character
    base = unicodedata.normalize("NFKD", character)
    if len(base) > 1 and not all("\u0300" <= accent <= "\u036f" for accent in base[1:]):
        base = character
    return base[0].lower()[0]


def is_solo(character):
    return ord(character) < LIMIT and bool(characters().classes[ord(character)] & SOLO)


def normalized_words(text):
    """(word, first byte, end byte) of each word, as `curator.text.words` defines them."""
    words, at = [], 0
    inside = alone = False  # in a word; in a word that the next letter does not go on
    for character in text:
        size = len(character.encode())
        known = ord(character) < LIMIT
        core = known and (character.isalpha() or character.isnumeric())
        mark = known and unicodedata.category(character)[0] == "M"
        if core and (is_solo(character) or not inside or alone):
            words.append([fold(character), at, at + size])
            inside, alone = True, is_solo(character)
        elif (core or mark) and inside:
            words[-1][0] += fold(character)
            words[-1][2] = at + size
        else:
            inside = False
        at += size
    return [tuple(word) for word in words]


@cache
def sentence_ends():
    return {chr(code) for code in range(LIMIT) if characters().classes[code] & TERMINAL}


def repeated(pieces):
    """How many pieces were there before, and the characters in them."""
    seen, count, size = set(), 0, 0
    for piece in pieces:
        if piece in seen:
            count, size = count + 1, size + len(piece)
        seen.add(piece)
    return count, size


def top_gram(tokens, n):
    grams = [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    if not grams:
        return 0
    gram, count = Counter(grams).most_common(1)[0]
    return len(gram) * count


def repeated_grams(tokens, n):
    seen, size, at = set(), 0, 0
    while at < len(tokens) - n + 1:
        gram = tuple(tokens[at : at + n])
        if gram in seen:
            size += sum(map(len, gram))
            at += n
        else:
            seen.add(gram)
            at += 1
    return size


def ellipsis_end(line):
    return line.rstrip().endswith(("...", "…"))


def stretches(text):
    """The counts of `curator.text.lines.STRETCHES`."""
    lines = re.split("\n+", text)
    visible = [line for line in text.split("\n") if line.strip()]
    paragraphs = re.split("\n{2,}", text.strip())
    stops = sentence_ends()
    found = {
        "characters": len(text),
        "hashes": text.count("#"),
        "ellipses": text.count("...") + text.count("…"),
        "newlines": text.count("\n"),
        "repetition_lines": len(lines),
        "visible_lines": len(visible),
        "ended_lines": sum(line[-1] in stops for line in visible),
        "short_lines": sum(len(line) <= 30 for line in visible),
        "repeated_visible_characters": repeated(visible)[1],
        "paragraphs": len(paragraphs),
    }
    found["repeated_lines"], found["repeated_line_characters"] = repeated(lines)
    both = repeated(paragraphs)
    found["repeated_paragraphs"], found["repeated_paragraph_characters"] = both
    return found


def c4_edit(text, segments):
    """The edited text, and the counts of `curator.text.c4.COUNTS` that decide."""
    kept, found = [], Counter()
    for raw in text.splitlines():
        line = raw.strip()
        words = line.split()
        edited = CITATION.sub("", line)
        ended = edited.endswith((".", "?", "!", '"', "'")) and not edited.endswith("...")
        lowered = edited.lower()
        if any(len(word) > 1000 for word in words):
            found["long_word_lines"] += 1
        elif not ended:
            found["unended_lines"] += 1
        elif len(words) < 3:
            found["few_word_lines"] += 1
        else:
            found["lorem_ipsum_lines"] += "lorem ipsum" in lowered
            found["curly_bracket_lines"] += "{" in edited and "javascript" not in lowered
            if "javascript" in lowered:
                found["javascript_lines"] += 1
            elif any(policy in lowered for policy in POLICIES):
                found["policy_lines"] += 1
            else:
                found["kept_lines"] += 1
                found["sentences"] += sentences(segments(edited))
                kept.append(edited)
    return "\n".join(kept).strip(), found


def sentences(tokens):
    stops = sentence_ends()
    count, closed = (1 if tokens else 0), False
    for token in tokens:
        punctuation = all(unicodedata.category(c)[0] == "P" for c in token)
        if token in stops:
            closed = True
        elif closed and not punctuation:
            count, closed = count + 1, False
    return count


def statistics(text, segments):
    """Every count of `curator.text.statistics.COUNTS` that this reference knows."""
    tokens = segments(text)
    lines = text.splitlines()
    found = stretches(text)
    found |= {
        "tokens": len(tokens),
        "alphabetic_tokens": sum(any(c.isalpha() for c in token) for token in tokens),
        "stop_words": len(STOP_WORDS & set(tokens)),
        "lines": len(lines),
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines),
        "ellipsis_lines": sum(map(ellipsis_end, lines)),
    }
    found |= {f"top_{n}_gram_characters": top_gram(tokens, n) for n in range(2, 5)}
    found |= {f"repeated_{n}_gram_characters": repeated_grams(tokens, n) for n in range(5, 11)}
    edited, c4 = c4_edit(text, segments)
    found |= {f"c4_{name}": count for name, count in c4.items()}
    found |= {f"edited_{name}": stretches(edited)[name] for name in EDITED}
    found["edited_tokens"] = len(segments(edited))
    return found, edited
