"""Perplexities as CCNet makes them, with SentencePiece and KenLM; run by a peer's Python.

Arguments: a JSON list of reference texts, one of texts to score, a folder to work in, lmplz. The
normalization and the formula are those of cc_net's text_normalizer.py and perplexity.py, the
trainers' settings those of its Makefile. Prints CPU seconds from text to perplexity and the
perplexities, null for a text without words.
"""

import json
import re
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import kenlm
import sentencepiece

DIGIT = re.compile(r"\d")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SIGNS = {
    **dict.fromkeys("„”“«»」「《》", '"'),
    **dict.fromkeys("´’", "'"),
    **dict.fromkeys("–━►", "-"),
    **dict(zip("，。、：？！（）；～％【】〈〉", ",.,:?!();~%[]<>", strict=True)),
    "—": " - ",
    "…": "...",
}
TABLE = str.maketrans(SIGNS)


def normalized(line: str) -> str:
    """The line in lower case, without accents, digits as 0, signs by families."""
    apart = unicodedata.normalize("NFD", line.strip().lower())
    bare = "".join(one for one in apart if unicodedata.category(one) != "Mn")
    return CONTROL.sub("", DIGIT.sub("0", bare).translate(TABLE))


def lines_of(text: str) -> list[str]:
    return [line for line in map(normalized, text.split("\n")) if line]


def learn(reference: list[str], folder: Path, lmplz: str) -> None:
    """Write the pieces and their model into the folder."""
    plain = [line for text in reference for line in lines_of(text)]
    (folder / "plain.txt").write_text("\n".join(plain) + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "plain.txt"),
        model_prefix=str(folder / "pieces"),
        vocab_size=65536,
        hard_vocab_limit=False,
        character_coverage=0.9995,
        model_type="unigram",
        num_threads=1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    encoded = [" ".join(pieces.encode_as_pieces(line)) for line in plain]
    (folder / "pieces.txt").write_text("\n".join(encoded) + "\n")
    asked = ["-o", "5", "-S", "2G", "-T", str(folder), "--discount_fallback", "--skip_symbols"]
    files = ["--text", str(folder / "pieces.txt"), "--arpa", str(folder / "pieces.arpa")]
    subprocess.run([lmplz, *asked, *files], check=True, stderr=subprocess.DEVNULL)


reference, texts = (json.loads(Path(path).read_text()) for path in sys.argv[1:3])
folder = Path(sys.argv[3])
if not (folder / "pieces.arpa").exists():
    learn(reference, folder, sys.argv[4])
pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
config = kenlm.Config()
config.show_progress = False
model = kenlm.Model(str(folder / "pieces.arpa"), config)
found = []
begun = time.process_time()
for text in texts:
    log10, length = 0.0, 0
    for line in lines_of(text):
        spelled = pieces.encode_as_pieces(line)
        log10 += model.score(" ".join(spelled))
        length += len(spelled) + 1
    found.append(10 ** (-log10 / length) if length else None)
seconds = time.process_time() - begun
print(json.dumps({"seconds": seconds, "perplexities": found}))
