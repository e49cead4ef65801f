"""Where other tools run: each in a virtual environment of its own, never in the project's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DATATROVE = ("datatrove[processing]==0.10.1", "spacy>=3.8,<4", "xxhash<4")
# boto3: pip walks back through a thousand versions for s3fs==2023.6.0 if it may choose.
DOLMA = ("dolma==1.2.1", "boto3==1.26.76")
# aiohttp and ray are imported but not declared; data-juicer installs ray by itself when imported.
DATA_JUICER = ("py-data-juicer==1.6.1", "aiohttp", "ray")
NEMO_CURATOR = ("nemo-curator==1.4.0",)  # its torch is held to the CPU build in constraints.txt
SCRIPTS = Path(__file__).with_name("peer_scripts")
CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"


def peer_python(folder: Path, packages: Sequence[str], *, constrained: Sequence[str] = ()) -> Path:
    """The Python of the peer's environment, which is made if it is not there (minutes, once).

    Args:
        folder: of the environment.
        packages: what pip is asked for.
        constrained: names of packages that get the version of constraints.txt.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} with {', '.join(packages)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pins = folder / "pins.txt"
        lines = CONSTRAINTS.read_text().splitlines() if constrained else []
        pins.write_text("\n".join(line for line in lines if line.partition("==")[0] in constrained))
        asked = ["-m", "pip", "install", "-q", "--constraint", str(pins), *packages]
        subprocess.run([str(python), *asked], check=True)
    return python


def ask_peer(python: Path, script: str, *arguments: str) -> Any:
    """What a script of `SCRIPTS`, run by the peer's Python, prints as JSON on its last line."""
    path = SCRIPTS / script
    done = subprocess.run(
        [str(python), str(path), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )
    return json.loads(done.stdout.decode().splitlines()[-1])
