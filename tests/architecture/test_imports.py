"""Data flows one way: the two tables here are the documentation of who may import whom."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.architecture.sources import imported_on_loading, imports, modules

# A part may import from parts on lower levels, and from itself. Parts of one level are siblings.
LEVELS = {
    "errors": 0, "strict_yaml": 1, "schema": 1, "identity": 1, "shards": 1, "section": 1,
    "corpus_spec": 2, "arm_spec": 2, "recipe": 2, "stage": 2, "ledger": 2, "batches": 2, "text": 2,
    "nucleus": 3, "pulse": 3, "rewrite": 3, "weights": 3, "registry": 3, "engine": 4,
    "ingest": 5, "clean": 5, "dedup": 5, "embed": 5, "score": 5, "select": 5, "generate": 5,
    "poison": 5, "submodular": 5, "mix": 5, "laws": 5, "train": 5, "evaluate": 6, "influence": 6,
    "testing": 6, "optout": 6, "refine": 7, "report": 7,
}  # fmt: skip
SIBLINGS = {  # exceptions to "siblings do not import each other", each with its reason
    ("identity", "schema"),
    ("schema", "identity"),
    ("generate", "score"),  # judges on disk are opened, and samples drawn, as scores have them
    ("train", "mix"),  # weights that change in training begin from the shares of mixtures
    ("influence", "evaluate"),  # gradients and losses are of the same windows of the same models
    ("mix", "select"),  # a mixture is drawn from a selection and named by the same hashes
}
FOUNDATION = {
    "errors",
    "schema",
    "identity",
    "shards",
    "stage",
    "ledger",
    "recipe",
    "corpus_spec",
    "arm_spec",
}

HEAVY = {
    "torch", "ray", "faiss", "fasttext", "datasets", "sentence_transformers", "transformers",
    "numba", "matplotlib", "scipy", "sklearn", "trafilatura", "resiliparse", "fastwarc",
}  # fmt: skip
# Modules that may import a heavy library when they are loaded.
HEAVY_AT_HOME = {
    "curator.engine.on_ray": {"ray"},
    "curator.text": {"numba"},
    "curator.dedup": {"numba", "scipy"},
    "curator.nucleus": {"torch"},
    "curator.train": {"torch", "numba"},
    "curator.train.modeling_proxy": {"transformers"},  # travels alone: curator never imports it
    "curator.evaluate": {"torch", "scipy"},
    "curator.influence": {"torch"},
    "curator.submodular": {"numba", "torch"},
    "curator.laws": {"scipy"},
    "curator.mix": {"numba"},
    "curator.select": {"numba"},
    "curator.embed": {"torch", "faiss"},
    "curator.score.pretrained": {"torch"},
    "curator.ingest": {"fastwarc", "resiliparse", "trafilatura"},
    "scorers": {"torch"},
}


def test_parts_of_the_library_import_only_downwards():
    wrong = []
    for name, (_, tree) in modules().items():
        if not name.startswith("curator."):
            continue
        part = name.split(".")[1]
        for other in {i.split(".")[1] for i in imports(tree) if i.startswith("curator.")}:
            if other == part or (part, other) in SIBLINGS or other not in LEVELS:
                continue
            lower = LEVELS[other] < LEVELS[part]
            both_foundation = part in FOUNDATION and other in FOUNDATION
            if not lower and not both_foundation:
                wrong.append(f"{name} imports curator.{other}")

    assert wrong == []


def test_the_library_knows_nothing_of_scorers_and_pipelines():
    wrong = {
        name
        for name, (_, tree) in modules().items()
        for other in imports(tree)
        if (name.startswith("curator") and other.split(".")[0] in ("scorers", "pipelines"))
        or (name.startswith("scorers") and other.split(".")[0] == "pipelines")
    }

    assert wrong == set()


def test_heavy_libraries_are_loaded_only_at_home():
    wrong = []
    for name, (_, tree) in modules().items():
        allowed = set().union(*(v for k, v in HEAVY_AT_HOME.items() if name.startswith(k)), set())
        wrong += [f"{name}: {lib}" for lib in (imported_on_loading(tree) & HEAVY) - allowed]

    assert wrong == []


def test_help_loads_nothing_heavy_and_answers_at_once():
    code = (
        "import sys; sys.argv = ['curator', '--help']\n"
        "from pipelines.cli import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print(sorted(set(sys.modules) & set(sys.stdin.read().split())), file=sys.stderr)"
    )
    heavy = " ".join([*HEAVY, "pyarrow", "polars", "pydantic"])
    subprocess.run([sys.executable, "-c", code], input=heavy, text=True, capture_output=True)
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], input=heavy, text=True, capture_output=True)
    seconds = time.perf_counter() - begun

    assert done.stderr.strip() == "[]"
    assert "run" in done.stdout
    assert seconds < 1.5  # 0.3 s on an idle core; the bound leaves room for a loaded machine
