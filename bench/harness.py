"""lm-evaluation-harness on an exported proxy, against our own evaluation of the same items.

    python -m bench.harness PROXY [--benchmarks ../shared/data/benchmarks] [--items 50]

PROXY is a trained proxy's folder, or a run's (with --arm). The proxy is exported with
`curator export --format transformers`; the harness, from a virtual environment of its own
(--peer-venv, made if absent: it borrows this project's torch and transformers), answers the first
items of ARC easy and of BLiMP from local files, offline. Printed: how far its log-likelihoods lie
from ours, on how many items both give the same answer, and both accuracies.
"""

from __future__ import annotations

import argparse
import json
import os
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.evaluate.choices import score_items, score_options
from curator.evaluate.questions import OPTIONS
from curator.train.checkpoint import load_model
from curator.train.tokenizer import count_tokens, load_tokenizer
from pipelines.handing import export, proxy_at

HARNESS = ("lm_eval==0.4.13", "accelerate>=1.8")


@dataclass(frozen=True)
class Task:
    """A benchmark as the harness reads it: text before the options, options, the right one."""

    name: str
    file: str
    context: str
    options: str
    right: str
    delimiter: str

    def yaml(self, data: Path) -> str:
        """The harness's description of this task over the local file `data`."""
        return json.dumps(  # JSON is YAML
            {
                "task": self.name,
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": str(data)}},
                "test_split": "test",
                "output_type": "multiple_choice",
                "doc_to_text": self.context,
                "doc_to_choice": self.options,
                "doc_to_target": self.right,
                "target_delimiter": self.delimiter,
                "metric_list": [{"metric": "acc"}],
            }
        )


TASKS = (
    Task("arc_easy_local", "arc_easy", "{{query}}\nAnswer:", "choices", "gold", " "),
    # As the harness's own BLiMP: both sentences after nothing but the first token.
    Task("blimp_local", "blimp", "", "{{[sentence_good, sentence_bad]}}", "{{0}}", ""),
)


@dataclass(frozen=True)
class Answer:
    """One item: the texts before and of each option, the harness's nats, the right option."""

    requests: list[tuple[str, str]]
    theirs: list[float]
    right: int


def main() -> None:
    """Print one line a task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proxy", type=Path)
    parser.add_argument("--arm", default="")
    parser.add_argument("--benchmarks", type=Path, default=Path("../shared/data/benchmarks"))
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--peer-venv", type=Path, default=Path("/tmp/peers/lm_eval"))
    asked = parser.parse_args()
    proxy = proxy_at(asked.proxy, asked.arm)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        export(proxy, "transformers", place / "model", "")
        write_tasks(asked.benchmarks, asked.items, place)
        ask_harness(harness_python(asked.peer_venv), place)
        for task in TASKS:
            told = agreement(proxy, list(answers(place / "out", task.name)))
            print(json.dumps({"task": task.name, **told}))


def harness_python(folder: Path) -> Path:
    """The Python of the harness's environment, which sees this project's packages after its own."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} with {', '.join(HARNESS)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        inside = next((folder / "lib").glob("python*/site-packages"))
        (inside / "curator.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        pins = Path(__file__).parents[1] / "constraints.txt"
        install = [str(python), "-m", "pip", "install", "-q", "--constraint", str(pins)]
        subprocess.run([*install, *HARNESS], check=True)
    return python


def write_tasks(benchmarks: Path, items: int, place: Path) -> None:
    """Write the first items of each benchmark, and the tasks that read them."""
    (place / "tasks").mkdir()
    for task in TASKS:
        lines = (benchmarks / task.file / "test.jsonl").read_text("utf-8").splitlines()[:items]
        data = place / f"{task.file}.jsonl"
        data.write_text("\n".join(lines) + "\n", "utf-8")
        (place / "tasks" / f"{task.name}.yaml").write_text(task.yaml(data))


def ask_harness(python: Path, place: Path) -> None:
    """Run the harness's own command over the tasks, offline, every answer logged."""
    command = [str(python), "-m", "lm_eval", "run", "--model", "hf", "--device", "cpu"]
    command += [
        "--model_args",
        f"pretrained={place / 'model'},trust_remote_code=True,dtype=float32",
    ]
    command += ["--tasks", ",".join(task.name for task in TASKS), "--batch_size", "16"]
    command += ["--include_path", str(place / "tasks"), "--log_samples"]
    command += ["--output_path", str(place / "out")]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(place / "hf")}
    subprocess.run(command, check=True, env={**os.environ, **offline}, stdout=sys.stderr)


def answers(out: Path, task: str) -> Iterator[Answer]:
    """Read what the harness logged, item after item."""
    (path,) = out.rglob(f"samples_{task}_*.jsonl")
    for line in path.read_text("utf-8").splitlines():
        logged = json.loads(line)
        # Numbered objects, in order: gen_args_0 holds arg_0 and arg_1, the two texts.
        pairs = [tuple(part.values()) for part in logged["arguments"].values()]
        theirs = [float(reply[0][0]) for reply in logged["resps"]]
        yield Answer([(str(a), str(b)) for a, b in pairs], theirs, int(logged["target"]))


def agreement(proxy: Path, found: list[Answer]) -> dict[str, float | int]:
    """Compare the harness's log-likelihoods with ours, nats and choices."""
    ours, fits = log_likelihoods(proxy, found)
    theirs = np.concatenate([answer.theirs for answer in found])
    apart = np.abs(ours["log_likelihood"].to_numpy() - theirs)
    nats = iter(ours["log_likelihood"].to_pylist())
    mine = [[next(nats) for _ in answer.theirs] for answer in found]
    same = [np.argmax(a) == np.argmax(b.theirs) for a, b in zip(mine, found, strict=True)]
    right = [np.argmax(answer.theirs) == answer.right for answer in found]
    return {
        "items": len(found),
        "options": len(theirs),
        "largest_difference_nats": round(float(apart[fits].max()), 6),
        "longer_than_context": int((~fits).sum()),
        "largest_difference_of_those": round(float(apart[~fits].max(initial=0)), 6),
        "same_choice": int(np.sum(same)),
        "our_accuracy": float(np.mean(score_items(ours, "character")["accuracy_raw"])),
        "harness_accuracy": float(np.mean(right)),
    }


def log_likelihoods(proxy: Path, found: list[Answer]) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Our scores of every option the harness was asked, and which texts fit the context.

    The harness drops the beginning of a longer text, our evaluation reads it in windows.
    """
    rows = [
        (str(number), option, option == answer.right, context + rest, len(context))
        for number, answer in enumerate(found)
        for option, (context, rest) in enumerate(answer.requests)
    ]
    columns = zip(("item", "option", "gold", "text", "start"), zip(*rows, strict=True), strict=True)
    options = pa.table({name: pa.array(part, OPTIONS.field(name).type) for name, part in columns})
    tokenizer, model = load_tokenizer(proxy / "tokenizer.json"), load_model(proxy)
    fits = count_tokens(tokenizer, options["text"]) - 1 <= model.shape.context
    return score_options(model, tokenizer, options), fits


if __name__ == "__main__":
    main()
