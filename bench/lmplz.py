"""KenLM's estimator, built from the source package that pip has: lmplz is in no wheel."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

KENLM = "kenlm==0.3.0"
NEEDED = (
    "cmake, a C++ compiler and Boost (Debian: apt-get install cmake g++ libboost-dev "
    "libboost-program-options-dev libboost-system-dev libboost-thread-dev libboost-test-dev)"
)


def lmplz(folder: Path) -> Path | None:
    """The program in `folder`, built if it is not there (minutes, once); None if it cannot be."""
    program = folder / "build" / "bin" / "lmplz"
    if not program.exists():
        try:
            _build(folder)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"no lmplz ({error}); it needs {NEEDED}", file=sys.stderr)
            return None
    return program


def _build(folder: Path) -> None:
    print(f"building lmplz in {folder}", file=sys.stderr)
    if shutil.which("cmake") is None:
        raise FileNotFoundError("cmake")
    folder.mkdir(parents=True, exist_ok=True)
    asked = ["-m", "pip", "download", "-q", "--no-deps", "--no-binary", "kenlm", KENLM]
    subprocess.run([sys.executable, *asked, "-d", str(folder)], check=True)
    with tarfile.open(next(folder.glob("kenlm-*.tar.gz"))) as packed:
        packed.extractall(folder, filter="data")
    source = next(path for path in folder.glob("kenlm-*") if path.is_dir())
    build = folder / "build"
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"]
    for step in (["-S", str(source), "-B", str(build), *options], ["--build", str(build)]):
        asked = ["cmake", *step, *(["--target", "lmplz"] if step[0] == "--build" else [])]
        subprocess.run(asked, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def estimated(program: Path, text: Path, arpa: Path, order: int, prune: Sequence[int]) -> float:
    """CPU seconds to estimate a model of the lines of `text` and write it to `arpa`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asked = ["-o", str(order), "-S", "2G", "-T", str(arpa.parent), "--discount_fallback"]
    if prune:
        asked += ["--prune", *map(str, prune)]
    asked += ["--text", str(text), "--arpa", str(arpa)]
    subprocess.run([str(program), *asked], check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
