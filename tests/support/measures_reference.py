"""What `curator.text.measures` must count, in plain Python: slow, by the letter of the sources.

Lower case and NFD are taken character by character, as the kernels document.
"""

import math
import re
import statistics
import string
import unicodedata
from collections import Counter

from curator.text.unicode import LIMIT
from tests.support.text_reference import is_solo

REQUIRED = {"the", "be", "to", "of", "and", "that", "have", "with"}
BULLETS = tuple("\u2022\u2023\u25b6\u25c0\u25e6\u25a0\u25a1\u25aa\u25ab\u2013")


def is_letter(character):
    return ord(character) < LIMIT and character.isalpha()


def is_wordy(character):
    return (ord(character) < LIMIT and (character.isalnum() or character.isnumeric())) or (
        character == "_"
    )


def plain(word):
    """A word as RedPajama-V2 compares it; "" where nothing is left."""
    kept = [character for character in word if character not in string.punctuation]
    return "".join(c.lower()[0] if ord(c) < LIMIT else c for c in kept)


def plain_length(word):
    kept = [character for character in word if character not in string.punctuation]
    return sum(len(unicodedata.normalize("NFD", c.lower())) if ord(c) < LIMIT else 1 for c in kept)


def grams(words, n):
    return list(zip(*[words[start:] for start in range(n)], strict=False))


def size(gram):
    return sum(map(len, gram))


def white(text):
    words = text.split()
    bare = [(plain(word), plain_length(word)) for word in words]
    bare = [pair for pair in bare if pair[1]]
    found = {
        "white_words": len(words),
        "white_characters": size(words),
        "symbol_words": sum("#" in word or "…" in word for word in words),
        "lettered_words": sum(any(map(is_letter, word)) for word in words),
        "required_words": sum(word in REQUIRED for word in words),
        "median_length_doubled": int(2 * statistics.median(min(len(w), 64) for w in words))
        if words
        else 0,
        "javascript_words": sum(word.lower() == "javascript" for word in words),
        "plain_words": len(bare),
        "plain_characters": sum(length for _, length in bare),
    }
    for n in (2, 3, 4):
        most = Counter(grams(words, n)).most_common(1)
        found[f"white_top_{n}_gram"] = most[0][1] * size(most[0][0]) if most else 0
    for n in range(5, 11):
        counted = Counter(grams(words, n))
        weights = {gram: count * size(gram) for gram, count in counted.items()}
        found[f"white_copied_{n}_grams"] = sum(w for g, w in weights.items() if counted[g] > 1)
        found[f"white_all_{n}_grams"] = sum(weights.values())
    return found | diversity(bare)


def diversity(bare):
    counted = Counter(word for word, _ in bare)
    entropy = -sum(c / len(bare) * math.log(c / len(bare)) for c in counted.values())
    pairs = Counter(grams(bare, 2)).most_common(1)
    top = pairs[0][1] * sum(length for _, length in pairs[0][0]) if pairs else 0
    return {
        "different_words": len(counted),
        "entropy_millionths": entropy * 1e6,
        "plain_top_2_gram": top if pairs and pairs[0][1] > 1 else 0,
    }


def raw(text):
    """The runs of word characters and of others, by a plain scan, and their kinds."""
    marked = "".join(" " if c.isspace() else "w" if is_wordy(c) else "." for c in text)
    tokens = [text[m.start() : m.end()] for m in re.finditer(r"w+|\.+", marked)]
    known = ["".join(c if ord(c) < LIMIT else "." for c in token) for token in tokens]
    runs = re.split("[.!?]+", text)
    return {
        "raw_tokens": len(tokens),
        "latin_tokens": sum(bool(re.search("[a-zA-Z]", token)) for token in tokens),
        "capital_tokens": sum(token.isupper() for token in known),
        "raw_sentences": sum(any(map(is_wordy, run)) for run in runs),
    }


def lines(text):
    split = text.split("\n")
    counted = Counter(split)
    whole = re.findall(r"[^\n]*\n|[^\n]+$", text)
    return {
        "split_lines": len(split),
        "star_lines": sum(line.startswith(("*", "-")) for line in split),
        "trailing_lines": sum(line.endswith("…") for line in split),
        "copied_lines": sum(count for count in counted.values() if count > 1),
        "copied_line_characters": sum(len(x) * c for x, c in counted.items() if c > 1),
        "open_braces": text.count("{"),
        "lorem_ipsums": len(re.findall("(?i:(?a:lorem ipsum))", text)),
        "whole_lines": len(whole),
        "listed_lines": sum(line.lstrip().startswith(BULLETS) for line in whole),
        "closed_lines": sum(line.rstrip().endswith((".", "!", "?", "”")) for line in whole),
        "dotted_lines": sum(line.rstrip().endswith(("...", "…")) for line in whole),
    }


def letters(text):
    """Words, tokens and words with a letter, where letters of unspaced scripts are words."""
    words = tokens = alphabetic = 0
    inside = lettered = False
    for character in text:
        known = ord(character) < LIMIT
        if known and unicodedata.category(character)[0] == "M":
            continue
        if known and (character.isalpha() or character.isnumeric()):
            alone = is_solo(character)
            if alone or not inside:
                words, tokens, lettered = words + 1, tokens + 1, False
            if character.isalpha() and not lettered:
                alphabetic, lettered = alphabetic + 1, True
            inside = not alone
        else:
            inside = False
            tokens += not (known and character.isspace())
    return {"letter_words": words, "letter_tokens": tokens, "letter_alphabetic": alphabetic}
