"""Questions about texts that no arm trains on, with the text before them and without: a test file.

What a proxy's bits of an answer fall by when the text stands before the question is how much it
uses the text (the claim check of Instruction Pre-Training, R7 of the project's specification). The
texts are the first sentences of encyclopedia articles, the questions those of the refiner `cloze`,
one a text. `python -m bench.context_questions FILE` writes them; nothing of it is kept here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import zstandard

from curator.refine.cloze import asked_of
from curator.refine.instruct import beginning

ARTICLES = (
    Path(__file__).parents[2] / "shared/data/corpora/encyclopedia/vital_articles_en.jsonl.zst"
)
LONGEST, ITEMS = 350, 1000  # characters of a text, so that it fits into a proxy's 256 tokens


def main() -> None:
    """Write `asked` (text and question), `bare` (question) and `answer`, a line an item."""
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with zstandard.open(ARTICLES, "rt", encoding="utf8") as lines, out.open("w") as file:
        for number, line in enumerate(lines):
            text = beginning(json.loads(line)["text"], LONGEST)
            pairs = asked_of(text, 2, number)
            if not pairs or written == ITEMS:
                continue
            pair = pairs[-1]
            bare = f"Question: {pair.question}\nAnswer:"
            record = {"id": str(number), "asked": f"{text}\n\n{bare}", "bare": bare}
            file.write(json.dumps({**record, "answer": pair.answer}) + "\n")
            written += 1
    print(f"{written} questions in {out}")


if __name__ == "__main__":
    main()
