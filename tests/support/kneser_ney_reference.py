"""Modified Kneser-Ney by its definition and ARPA files by theirs: slow, with dictionaries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"


class KneserNey:
    """Chen & Goodman 1999, interpolated, with unigrams interpolated with the uniform."""

    def __init__(self, lines: Sequence[str], order: int, prune: Sequence[int] = ()) -> None:
        sentences = [[BEGIN, *line.split(), END] for line in lines if line.split()]
        self.order = order
        self.words = sorted({word for sentence in sentences for word in sentence[1:-1]})
        raw: list[Counter] = [Counter() for _ in range(order + 1)]
        for sentence in sentences:
            for n in range(1, order + 1):
                for end in range(max(n, 2), len(sentence) + 1):
                    raw[n][tuple(sentence[end - n : end])] += 1
        lefts = defaultdict(set)
        for n in range(2, order + 1):
            for gram in raw[n]:
                lefts[gram[1:]].add(gram[0])
        limits = ([*prune] or [0]) + [([*prune] or [0])[-1]] * order
        self.kept = {g for n in range(1, order + 1) for g, c in raw[n].items() if c > limits[n - 1]}
        self.kept |= set(raw[1])
        self.counts = {
            gram: count if n == order or gram[0] == BEGIN else len(lefts[gram])
            for n in range(1, order + 1)
            for gram, count in raw[n].items()
        }
        self.discounts = [self._discounts(n) for n in range(1, order + 1)]
        self.after = defaultdict(list)
        for gram in self.counts:
            self.after[gram[:-1]].append(gram)

    def _discounts(self, n: int) -> tuple[float, float, float]:
        times = Counter(count for gram, count in self.counts.items() if len(gram) == n)
        if not (times[1] and times[2] and times[3]):
            return (0.5, 1.0, 1.5)
        y = times[1] / (times[1] + 2 * times[2])
        found = tuple(k - (k + 1) * y * times[k + 1] / times[k] for k in (1, 2, 3))
        inside = all(0 < one <= k for k, one in enumerate(found, 1))
        return found if inside else (0.5, 1.0, 1.5)

    def taken(self, gram: tuple[str, ...]) -> float:
        return self.discounts[len(gram) - 1][min(self.counts[gram], 3) - 1]

    def prob(self, word: str, context: tuple[str, ...]) -> float:
        """P(word | context)."""
        context = (
            context[len(context) - self.order + 1 :] if len(context) >= self.order else context
        )
        followers = self.after[context]
        lower = self.prob(word, context[1:]) if context else 1 / (len(self.words) + 2)
        if not followers:
            return lower
        total = sum(self.counts[gram] for gram in followers)
        spare = sum(self.taken(g) if g in self.kept else self.counts[g] for g in followers)
        gram = (*context, word)
        seen = self.counts[gram] - self.taken(gram) if gram in self.kept else 0.0
        return seen / total + spare / total * lower


class Arpa:
    """An ARPA file as its format says: the longest n-gram, and weights of the contexts left out."""

    def __init__(self, path: Path) -> None:
        self.prob, self.backoff = {}, {}
        n = 0
        for line in path.read_text().splitlines():
            if line.endswith("-grams:"):
                n = int(line[1:].split("-")[0])
            elif n and "\t" in line:
                fields = line.split("\t")
                gram = tuple(fields[1].split(" "))
                assert len(gram) == n
                self.prob[gram] = float(fields[0])
                self.backoff[gram] = float(fields[2]) if len(fields) == 3 else 0.0
        self.order = n
        self.words = [gram[0] for gram in self.prob if len(gram) == 1 and gram[0] != BEGIN]

    def log10(self, word: str, context: tuple[str, ...]) -> float:
        """log10 P(word | context)."""
        word = word if (word,) in self.prob else UNKNOWN
        context = context[max(len(context) - self.order + 1, 0) :]
        if (*context, word) in self.prob:
            return self.prob[(*context, word)]
        return self.backoff.get(context, 0.0) + self.log10(word, context[1:])

    def of_text(self, text: str) -> float:
        """The sum over the words and ends of all lines."""
        total = 0.0
        for line in filter(str.strip, text.split("\n")):
            words = [BEGIN]
            for word in [*line.split(), END]:
                total += self.log10(word, tuple(words))
                words.append(word if (word,) in self.prob else UNKNOWN)
        return total
