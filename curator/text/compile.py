"""The one door to numba: how every kernel of this package is compiled and where that is kept.

Numba's own disk cache looks only at the file a kernel stands in: a kernel that calls another
file's kernel would go on running the old code after that file changed. So the compiled code of a
file lies in a folder named by a digest of it and of all files with kernels that it imports; an edit
to any of them gives a fresh folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config as _config

config: Any = _config  # its settings are made at run time
_njit: Any = numba.njit  # its types do not know `_nrt`
Kernel = TypeVar("Kernel", bound=Callable[..., Any])
_IMPORT = re.compile(rb"^from (curator\.[a-z0-9_.]+) import", re.MULTILINE)
_PACKAGE = Path(__file__).parents[2]


def compiled(kernel: Kernel) -> Kernel:
    """The function compiled on first call: no GIL, kept on disk, exact float arithmetic."""
    folder = cache_folder(kernel.__module__)
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or "")  # read when the kernel is declared
    try:
        return cast("Kernel", numba.njit(nogil=True, cache=folder is not None)(kernel))
    finally:
        config.CACHE_DIR = before


def part(kernel: Kernel) -> Kernel:
    """The function compiled with the kernels that call it (never called from Python)."""
    return cast("Kernel", numba.njit(nogil=True)(kernel))


def block(kernel: Kernel) -> Kernel:
    """Like `part`, for a function that neither makes nor returns an array.

    Numba then counts no references to the arrays it is given: those counts are atomic, and at
    several a call they took half of the time of the innermost loops.
    """
    return cast("Kernel", _njit(nogil=True, _nrt=False)(kernel))


def leaf(kernel: Kernel) -> Kernel:
    """Like `block`, for a small function: it is written out wherever it is called.

    An array is seven arguments to a compiled function, so that a call costs more than most of
    these functions do.
    """
    return cast("Kernel", _njit(nogil=True, _nrt=False, forceinline=True)(kernel))


@cache
def cache_folder(module: str) -> Path | None:
    """The folder of a module's compiled kernels, made if needed; None where nothing can be written.

    `CURATOR_KERNELS` names another root than `$XDG_CACHE_HOME/curator/kernels`.
    """
    digest = _digest_of_sources(module)
    for root in _roots():
        folder = root / digest
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def _roots() -> list[Path]:
    given = os.environ.get("CURATOR_KERNELS")
    if given:
        return [Path(given)]
    home = os.environ.get("XDG_CACHE_HOME")
    first = Path(home) if home else Path("~/.cache").expanduser()
    # The temporary folder is shared: a name with the user's number keeps others' files out.
    owner = f"curator-{os.getuid()}" if hasattr(os, "getuid") else "curator"
    return [first / "curator" / "kernels", Path(tempfile.gettempdir()) / owner / "kernels"]


def _digest_of_sources(module: str) -> str:
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    sources = {module: _source(module)}
    waiting = [module]
    while waiting:
        for name in _imported(sources[waiting.pop()]):
            if name not in sources and _has_kernels(name):
                sources[name] = _source(name)
                waiting.append(name)
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name] + b"\0")
    return digest.hexdigest()


def _imported(source: bytes) -> Iterator[str]:
    return (found.decode() for found in _IMPORT.findall(source))


def _has_kernels(module: str) -> bool:
    return module.startswith("curator.text.") or __name__ in _imported(_source(module))


def _source(module: str) -> bytes:
    """The source of a module of this project; of any other module, or of a package, nothing."""
    path = _PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    known = getattr(sys.modules.get(module), "__file__", None)
    if not path.is_file() and known:
        path = Path(known)
    return path.read_bytes() if path.is_file() else b""
