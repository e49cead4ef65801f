"""KenLM's sums of log10 for texts whose words are parted by spaces; run by the peer's Python.

Arguments: a model (ARPA), a JSON list of texts, how many rounds. Prints CPU seconds of the fastest
round and the sums.
"""

import json
import sys
import time
from pathlib import Path

import kenlm

config = kenlm.Config()
config.show_progress = False
model = kenlm.Model(sys.argv[1], config)
texts = json.loads(Path(sys.argv[2]).read_text())
best, sums = float("inf"), []
for _ in range(int(sys.argv[3])):
    begun = time.process_time()
    sums = [sum(model.score(line) for line in text.split("\n") if line) for text in texts]
    best = min(best, time.process_time() - begun)
print(json.dumps({"seconds": best, "sums": sums}))
