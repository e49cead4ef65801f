"""How many near-duplicates are found, how many removals are right, and which families are copies.

    python -m bench.duplicates ../shared/data [--documents 20000] [--planted 5000]

First, candidates against brute force: real documents of up to 20,000 characters from all of
`corpora/`, and planted ones, copies of others among them with words exchanged, a part cut off or a
foreign part put in, at noise that gives similarities from 0.7 up. `bench.exact_pairs` finds every
pair of exact similarity 0.6 or more without any hash; the table says how many of them share a band
and how many should by the formula 1 - (1 - s^8)^14.

Second, removals against labels, of all families of `bench.families` in one corpus: how many
documents left, how many of them for a document of the same group, how many for another's. "by
candidates" is what the same bands give where nothing is verified. "wide" is for copies with much
around them: 40 bands of 4 rows, similarity 0.5, containment 0.9.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.exact_pairs import Pairs, graded, jaccard, shingle_numbers, similar_pairs
from bench.families import FAMILIES, Document, documents, records
from curator.dedup.exact import ExactDuplicates
from curator.dedup.in_memory import near_duplicates, reduced
from curator.dedup.minhash import band_recall
from curator.dedup.near import NearDuplicates
from curator.identity import document_ids
from curator.text.minhash import band_keys, minhash_signatures

LONGEST = 20_000  # characters of a real document
LEAST = 0.6
DEFAULT = NearDuplicates()
WIDE = NearDuplicates(threshold=0.5, containment=0.9, bands=40, rows=4)
UNVERIFIED = NearDuplicates(verify=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--planted", type=int, default=5_000)
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    texts, planted = real_and_planted(asked.data, asked.documents, asked.planted)
    report_recall(texts, planted)
    report_families(documents(asked.data))


def real_and_planted(data: Path, real: int, planted: int) -> tuple[list[str], int]:
    """Real documents by chance of their text, then edited copies of some; and how many are real."""
    found = {
        record["text"]
        for path in sorted(data.glob("corpora/*/*.jsonl.zst"))
        for record in records(path)
        if 0 < len(record["text"]) <= LONGEST
    }
    order = sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest())
    texts = order[:real]
    chance = random.Random(7)
    long = [text for text in texts if 60 <= len(text.split()) <= 3000]
    strangers = [text.split() for text in order[real : real + 200] if len(text.split()) > 60]
    copies = [edited(chance, chance.choice(long), strangers) for _ in range(planted)]
    return [*texts, *copies], len(texts)


def edited(chance: random.Random, text: str, strangers: Sequence[list[str]]) -> str:
    """A copy with noise for a similarity between 0.7 and 1, of one of three kinds."""
    words = text.split()
    wanted = chance.uniform(0.7, 1.0)
    kind = chance.randrange(3)
    if kind == 0:  # k exchanged words break 5 k of n shingles: s = (n - 5 k) / (n + 5 k)
        changes = round(len(words) * (1 - wanted) / (5 * (1 + wanted)))
        for place in chance.sample(range(len(words)), changes):
            words[place] = f"{chance.choice(chance.choice(strangers))}x"
    elif kind == 1:  # a part is cut off: s is the share that is left
        words = words[: max(10, round(len(words) * wanted))]
    else:  # a foreign part of m words is put in: s = n / (n + m)
        size = round(len(words) * (1 / wanted - 1))
        pool = chance.choice(strangers)
        start, place = chance.randrange(len(pool)), chance.randrange(len(words))
        words[place:place] = (pool[start:] + pool * (size // len(pool) + 1))[:size]
    return " ".join(words)


def report_recall(texts: Sequence[str], real: int) -> None:
    """Print how many of the pairs that there are share a band, beside what the formula says."""
    begun = time.process_time()
    sets = shingle_numbers(texts)
    pairs = similar_pairs(sets, LEAST)
    spent = time.process_time() - begun
    signatures = minhash_signatures(pa.array(texts, pa.large_string()))
    keys = band_keys(signatures)
    met = (keys[pairs.first] == keys[pairs.second]).any(axis=1)
    print(f"{len(texts):,} documents, {len(texts) - real:,} of them planted; brute force took")
    print(f"{spent:.0f} s and found {len(met):,} pairs of similarity {LEAST} or more\n")
    expected = band_recall(pairs.jaccard)
    planted = pairs.second >= real
    print(f"{'candidate pairs':34}{'pairs':>8}{'found':>9}{'formula':>9}{'difference':>12}")
    for name, mask in (
        *graded(pairs.jaccard, (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)),
        ("0.80 or more", pairs.jaccard >= 0.8),
        ("0.80 or more, planted", (pairs.jaccard >= 0.8) & planted),
        ("0.80 or more, as they were", (pairs.jaccard >= 0.8) & ~planted),
    ):
        recall_row(name, met[mask], expected[mask])
    report_removals(texts, sets, pairs, met)


def recall_row(name: str, met: npt.NDArray[np.bool_], expected: npt.NDArray[np.float64]) -> None:
    if len(met):
        gap = met.mean() - expected.mean()
        print(f"{name:34}{len(met):8,}{met.mean():9.2%}{expected.mean():9.2%}{gap:+12.2%}")


def report_removals(
    texts: Sequence[str],
    sets: Sequence[npt.NDArray[np.int64]],
    pairs: Pairs,
    met: npt.NDArray[np.bool_],
) -> None:
    """Print what was removed of these documents, each removal measured again by brute force."""
    removed = near_duplicates(table_of(texts), DEFAULT)
    away, stays = removed["row"].to_pylist(), removed["kept_row"].to_pylist()
    exact = np.array([jaccard(sets[a], sets[b]) for a, b in zip(away, stays, strict=True)])
    told = removed["jaccard"].to_numpy()
    right = (exact >= 0.8).sum()
    off = np.abs(exact - told).max(initial=0)
    gone, kept = set(away), set(stays)
    print(f"\n{len(away):,} removed; brute force gives {right:,} of these pairs 0.8 or more;")
    print(f"similarity written down and measured again differ by {off:.4f} at most,")
    print(f"by 0.001 or more in {(np.abs(exact - told) >= 0.001).sum()} removals;")
    print(f"{len(gone & kept)} removed for a document that is itself removed (chains)")
    left = [
        int(number)
        for number in np.flatnonzero(pairs.jaccard >= 0.8)
        if not {int(pairs.first[number]), int(pairs.second[number])} & gone
    ]
    print(
        f"{len(left):,} pairs of 0.8 or more have both documents left: "
        f"{(~met[left]).sum():,} not met, {met[left].sum():,} neither contained in the other"
    )


def report_families(all_documents: Sequence[Document]) -> None:
    """Print what became of each labelled family, all of them in one corpus."""
    table = table_of([document.text for document in all_documents])
    ways = {
        "default": near_duplicates(table, DEFAULT),
        "candidates": near_duplicates(table, UNVERIFIED),
        "wide": near_duplicates(table, WIDE),
        "exact": reduced(ExactDuplicates(), table),
    }
    print(f"\n{'':20}{'':10}{'':8}{'exact':>7}{'verified':>17}{'by candidates':>17}{'wide':>17}")
    heads = "".join(f"{'in group':>10}{'other':>7}" for _ in range(3))
    print(f"{'family':20}{'documents':>10}{'groups':>8}{'':7}{heads}  copies?")
    totals: Counter[str] = Counter()
    for family in FAMILIES:
        members = [n for n, each in enumerate(all_documents) if each.family == family.name]
        groups = {all_documents[n].group for n in members}
        told = {way: fates(all_documents, found, family.name) for way, found in ways.items()}
        cells = "".join(f"{told[way][0]:10,}{told[way][1]:7,}" for way in list(ways)[:3])
        verdict = {True: "yes", False: "no", None: "some"}[family.copies]
        exact = sum(told["exact"])
        print(f"{family.name:20}{len(members):10,}{len(groups):8,}{exact:7,}{cells}  {verdict}")
        if family.copies is not None:
            for way in list(ways)[:3]:
                inside, outside = told[way]
                totals[f"{way} right"] += inside if family.copies else 0
                totals[f"{way} wrong"] += outside + (0 if family.copies else inside)
    for way in list(ways)[:3]:
        right, wrong = totals[f"{way} right"], totals[f"{way} wrong"]
        share = right / max(1, right + wrong)
        print(f"precision where labels say yes or no, {way}: {share:.1%} ({wrong:,} wrong)")
    report_grades(all_documents, ways["default"])
    report_extractors(all_documents, ways["default"], ways["wide"])


def fates(all_documents: Sequence[Document], found: pa.Table, family: str) -> tuple[int, int]:
    """How many of a family left for a document of their own group, and for any other."""
    inside = outside = 0
    for away, stays in zip(found["row"].to_pylist(), found["kept_row"].to_pylist(), strict=True):
        one, other = all_documents[away], all_documents[stays]
        if one.family == family:
            same = (one.family, one.group) == (other.family, other.group)
            inside, outside = inside + same, outside + (not same)
    return inside, outside


def report_grades(all_documents: Sequence[Document], found: pa.Table) -> None:
    """Print removals by the label's own similarity, with the containment that decided."""
    gone = {
        row: (jaccard_, share)
        for row, jaccard_, share in zip(
            *(found[name].to_pylist() for name in ("row", "jaccard", "containment")), strict=True
        )
    }
    print("\nby the label's similarity to the newest revision, or to the other architecture's page")
    print(f"{'family':20}{'grade':>14}{'documents':>10}{'removed':>9}{'mean containment':>18}")
    for family in ("revisions", "installation_guide"):
        rows = [
            n for n, d in enumerate(all_documents) if d.family == family and d.grade is not None
        ]
        grades = np.array([all_documents[n].grade for n in rows], np.float64)
        for name, mask in graded(grades, (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)):
            inside = [row for row, yes in zip(rows, mask.tolist(), strict=True) if yes]
            shares = [gone[row][1] for row in inside if row in gone]
            if inside:
                told = f"{np.mean(shares):18.3f}" if shares else f"{'-':>18}"
                print(f"{family:20}{name:>14}{len(inside):10,}{len(shares):9,}{told}")


def report_extractors(all_documents: Sequence[Document], found: pa.Table, wide: pa.Table) -> None:
    """Print how alike the texts of one page are, by the two extractors, and what is removed."""
    rows: dict[str, dict[str, int]] = {}
    for number, document in enumerate(all_documents):
        if document.family == "extractors":
            rows.setdefault(document.group, {})[document.kind] = number
    texts = [all_documents[n].text for page in rows.values() for n in page.values()]
    sets = dict(
        zip(
            (n for page in rows.values() for n in page.values()),
            shingle_numbers(texts),
            strict=True,
        )
    )
    gone = [
        set(zip(each["row"].to_pylist(), each["kept_row"].to_pylist(), strict=True))
        for each in (found, wide)
    ]
    print(
        f"\n{'one page, two extractors':30}{'pages':>7}{'s >= 0.8':>10}{'s >= 0.5':>10}"
        f"{'median s':>10}{'contained':>11}{'verified':>10}{'wide':>7}"
    )
    for one, other in (
        ("trafilatura", "resiliparse"),
        ("trafilatura", "plain"),
        ("resiliparse", "plain"),
    ):
        places = [(page[one], page[other]) for page in rows.values()]
        alike = np.array([jaccard(sets[a], sets[b]) for a, b in places])
        smaller = np.array([min(len(sets[a]), len(sets[b])) for a, b in places])
        total = np.array([len(sets[a]) + len(sets[b]) for a, b in places])
        contained = alike * total / (1 + alike) / smaller >= 0.95
        taken = [sum((a, b) in each or (b, a) in each for a, b in places) for each in gone]
        print(
            f"{one + ', ' + other:30}{len(places):7,}{(alike >= 0.8).mean():10.0%}"
            f"{(alike >= 0.5).mean():10.0%}{np.median(alike):10.2f}{contained.mean():11.0%}"
            f"{taken[0]:10,}{taken[1]:7,}"
        )


def table_of(texts: Sequence[str]) -> pa.Table:
    column = pa.array(texts, pa.large_string())
    sources = pa.repeat("bench", len(texts))
    return pa.table({"text": column, "doc_id": document_ids("bench", column), "source": sources})


if __name__ == "__main__":
    main()
