"""What licenses documents are told to have: by declared value, by tier and by what told it.

    python -m bench.licenses FILE.jsonl[.zst] ...

Each distinct declared value is printed with what it is read as, for checking by hand; then how
many documents of each file get which tier with the declaration, and from the text alone; seconds
are of CPU, megabytes of text.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import zstandard

from curator.clean.license_names import declared
from curator.clean.licenses import UNKNOWN, Licenses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    tables = {path: read(path) for path in parser.parse_args().files}
    print_values(tables)
    tell(pa.table({"text": pa.array(["x"], pa.large_string()), "license": pa.array(["MIT"])}))
    total: Counter[tuple[str, str]] = Counter()
    for path, table in tables.items():
        size = table["text"].nbytes / 1e6
        silent = table.set_column(1, "license", pa.nulls(table.num_rows, pa.string()))
        found, seconds = tell(table)
        alone, more = tell(silent)
        total.update(found)
        in_text = sum(count for (tier, _), count in alone.items() if tier != UNKNOWN)
        tiers = ", ".join(f"{tier} ({by}) {n}" for (tier, by), n in sorted(found.items()))
        print(
            f"{path.name:36} {table.num_rows:6} documents, {size / seconds:5.0f} MB/s: {tiers}; "
            f"by text alone {in_text}, {size / more:.0f} MB/s"
        )
    print("all: " + ", ".join(f"{tier} ({by}) {n}" for (tier, by), n in total.most_common()))


def read(path: Path) -> pa.Table:
    with path.open("rb") as file:
        packed = path.suffix == ".zst"
        stream = zstandard.ZstdDecompressor().stream_reader(file) if packed else file
        rows = [json.loads(line) for line in io.TextIOWrapper(stream, "utf-8")]
    said = [row.get("license", row.get("licence")) for row in rows]
    texts = pa.array([row["text"] for row in rows], pa.large_string())
    return pa.table({"text": texts, "license": pa.array(said, pa.string())})


def print_values(tables: dict[Path, pa.Table]) -> None:
    values = Counter(v for table in tables.values() for v in table["license"].to_pylist() if v)
    for value, count in values.most_common():
        read_as = declared(value)
        told = f"{read_as.tier}: {read_as.id}" if read_as else UNKNOWN
        print(f"{count:6}  {told:58}  <- {value}")


def tell(table: pa.Table) -> tuple[Counter[tuple[str, str]], float]:
    start = time.process_time()
    made = Licenses().process(None, table)
    seconds = time.process_time() - start
    told = [by or "-" for by in made["license_from"].to_pylist()]
    return Counter(zip(made["license_tier"].to_pylist(), told, strict=True)), seconds


if __name__ == "__main__":
    main()
