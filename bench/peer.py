"""Where other tools run: each in a virtual environment of its own, never in the project's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DATATROVE = ("datatrove[processing]==0.10.1", "spacy>=3.8,<4", "xxhash<4")


def peer_python(folder: Path, packages: Sequence[str]) -> Path:
    """The Python of the peer's environment, which is made if it is not there (minutes, once)."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} with {', '.join(packages)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return python


def ask_peer(python: Path, script: str, *arguments: str) -> Any:
    """What a script beside this file, run by the peer's Python, prints as JSON on its last line."""
    path = Path(__file__).with_name(script)
    done = subprocess.run(
        [str(python), str(path), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )
    return json.loads(done.stdout.decode().splitlines()[-1])
