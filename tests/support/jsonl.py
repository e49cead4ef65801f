"""Files of JSON lines, as benchmarks come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_lines(path: Path, *records: dict[str, Any]) -> Path:
    """Write one record a line and return the path."""
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path
