"""The check of the preprocessor of metadata: planted mistakes and missing values, told by F1.

A made-up table of documents: a title in one of four languages, an address whose country fits, a
license that its repository always has, a year that its address has. A fifth of the languages is
missing, a tenth wrong. Who answers: a scripted oracle that errs, skips and shifts as models do (so
that keys and second questions have something to do), the commonest value, and SmolLM2-135M.
`python -m bench.metadata [--rows 200] [--model NAME --model-rows 12]`.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from curator.generate.asking import Answer, Request
from curator.generate.client import Client
from curator.generate.metadata_tasks import BEGINNING, RIGHT, WRONG, Tasks
from curator.generate.respondent import Respondent
from curator.generate.tables import Ask, Row
from curator.stage import Site

# Ours, so that a table of any size can be made; each begins with a word no other language here has.
OPENINGS = {
    "en": ("The weather is fine in", "We walked through the old town of", "A short history of"),
    "de": ("Das Wetter ist schön in", "Wir gingen durch die Altstadt von", "Kurze Geschichte von"),
    "fr": ("Il fait beau à", "Nous avons visité la vieille ville de", "Une brève histoire de"),
    "es": ("Hace buen tiempo en", "Paseamos por el casco antiguo de", "Una breve historia de"),
}
PLACES = ("Lyon", "Bremen", "Sevilla", "Leeds", "Graz", "Nantes", "Toledo", "Bath")
COUNTRY = {"en": "uk", "de": "de", "fr": "fr", "es": "es"}
SHARES = (0.55, 0.2, 0.15, 0.1)  # of the languages: one is common, so that guessing pays
SHOTS = 4


class Table(NamedTuple):
    """Rows as they are read, and the truth of each."""

    rows: list[Row]
    truth: list[str]
    missing: list[int]
    wrong: list[int]


class Language(NamedTuple):
    """What is asked, as the scorer `metadata` has it in its settings."""

    attribute: str = "language"
    choices: tuple[str, ...] = tuple(OPENINGS)
    columns: tuple[str, ...] = ("url",)
    chat: bool = True


def made(count: int, seed: int) -> Table:
    """Return a table with a fifth of the languages missing and a tenth wrong."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    truth = [str(rng.choice(list(OPENINGS), p=SHARES)) for _ in range(count)]
    fate = rng.permutation(count)
    missing, wrong = sorted(fate[: count // 5]), sorted(fate[count // 5 : count // 5 + count // 10])
    for row, language in enumerate(truth):
        opening = OPENINGS[language][rng.integers(3)]
        place = PLACES[rng.integers(len(PLACES))]
        said: str | None = language
        if row in missing:
            said = None
        elif row in wrong:
            others = [one for one in OPENINGS if one != language]
            said = others[rng.integers(3)]
        url = f"https://{place.lower()}.example.{COUNTRY[language]}/{2000 + row % 20}"
        rows.append({"language": said, "url": url, BEGINNING: f"{opening} {place}."})
    return Table(rows, truth, [int(one) for one in missing], [int(one) for one in wrong])


def oracle(request: Request) -> Answer:
    """Answer every row rightly, but skip the first of every third question and renumber."""
    shown = request.prompt.rsplit("Rows:\n", 1)[1]
    found = re.findall(r"(?m)^(\d+)\. \[(\w+)\] (\[.*\])$", shown)
    if len(found) > 1 and int(request.shown[:4], 16) % 3 == 0:
        found = [(str(n), key, row) for n, (_, key, row) in enumerate(found[1:], start=1)]
    lines = []
    for number, key, row in found:
        true = next(one for one, texts in OPENINGS.items() if any(text in row for text in texts))
        said = re.search(r'language: (?:\?|"(\w*)")', row)
        asked = said[1] if said else None
        answer = true if asked is None else RIGHT if asked == true else WRONG
        lines.append(f"{number}. [{key}] {answer}")
    return Answer("\n".join(lines))


def commonest(table: Table) -> Ask:
    """Return who calls every missing language the commonest, and every value right."""
    known = [row["language"] for row in table.rows if row["language"] is not None]
    most = max(sorted(set(known)), key=known.count)

    def answer(request: Request) -> Answer:
        shown = request.prompt.rsplit("Rows:\n", 1)[1]
        word = RIGHT if RIGHT in request.prompt.split("Rows:\n")[0] else most
        rows = re.findall(r"(?m)^(\d+)\. \[(\w+)\]", shown)
        return Answer("\n".join(f"{number}. [{key}] {word}" for number, key in rows))

    return lambda requests: [answer(request) for request in requests]


def measured(table: Table, ask: Ask, batch: int) -> str:
    """Return accuracy of imputing, macro F1 of it, and precision, recall and F1 of mistakes."""
    clean = [row for row in range(len(table.rows)) if row not in {*table.missing, *table.wrong}]
    shots = clean[:SHOTS]
    tasks = Tasks.of(Language(), table.rows, shots)
    imputed = tasks.imputed(table.rows, table.missing, ask, batch)
    hits = [imputed.get(row) == table.truth[row] for row in table.missing]
    doubted = [row for row in clean if row not in shots] + table.wrong
    judged = tasks.judged(table.rows, doubted, ask, batch)
    called = {row for row, one in judged.items() if one}
    right = len(called & set(table.wrong))
    precision, recall = right / max(1, len(called)), right / max(1, len(table.wrong))
    readable = len(imputed) / max(1, len(hits)), len(judged) / max(1, len(doubted))
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return (
        f"imputed {np.mean(hits):.2f} rightly of {len(hits)} (macro F1 "
        f"{macro_f1(table, imputed):.2f}, readable {readable[0]:.2f}); mistakes: precision "
        f"{precision:.2f}, recall {recall:.2f}, F1 {f1:.2f} (readable {readable[1]:.2f} of "
        f"{len(doubted)})"
    )


def macro_f1(table: Table, imputed: dict[int, str]) -> float:
    """Return the mean over languages among the missing of the F1 of finding each."""
    scores = []
    for language in sorted({table.truth[row] for row in table.missing}):
        said = {row for row, one in imputed.items() if one == language}
        true = {row for row in table.missing if table.truth[row] == language}
        scores.append(2 * len(said & true) / max(1, len(said) + len(true)))
    return float(np.mean(scores))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each respondent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--model", default="")
    parser.add_argument("--model-rows", type=int, default=30)
    options = parser.parse_args(arguments)
    table = made(options.rows, seed=1)
    print("oracle:", measured(table, lambda asked: [oracle(one) for one in asked], options.batch))
    print("commonest value:", measured(table, commonest(table), options.batch))
    if options.model:
        table = made(options.model_rows, seed=1)
        print(f"commonest value of {options.model_rows}:", measured(table, commonest(table), 1))
        respondent = Respondent("model", options.model, precision="bfloat16")
        client = Client(respondent.backend(Site()))
        begun = time.perf_counter()
        for batch in (1, 3):
            told = measured(table, lambda r: [one.answer for one in client.ask(r)], batch)
            print(f"{options.model}, {batch} rows a question: {told}", flush=True)
        print(f"{client.spent.requests} questions, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
