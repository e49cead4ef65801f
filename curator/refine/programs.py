"""Programs that edit a document, as a language model writes them: read, never run as Python.

ProX (Zhou et al. 2024, "Programming Every Example", arXiv:2409.17115) has models write one call a
line: `drop_doc()`, `keep_doc()`, `keep_chunk()`, `remove_lines(line_start=3, line_end=5)`,
`remove_lines(all=True)`, `normalize(source_str="...", target_str="...")`. Line numbers count from
0, and the last one goes too. `parse` says what a program means; `curator.refine.execute` asks it
only about lines that are not plainly spelled.

Whatever a model writes, nothing of it is run: a line is parsed into a syntax tree, and one that is
not a call of one of these names with constants for arguments is a fault, which is counted.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

MAX_PROGRAM_BYTES: Final = 65_536  # ours: of a whole program; a chunk's answer has 256 tokens
MAX_LINE_BYTES: Final = 2_000  # ours: two strings of full length, and the call around them
MAX_STRING_BYTES: Final = 500  # ours: of `source_str` and of `target_str`
MAX_OPS: Final = 128  # ours: of a program
_LARGEST: Final = 10**15  # of a line number: any document has fewer

Kind = Literal["keep_chunk", "keep_doc", "drop_doc", "remove_lines", "remove_all", "normalize"]
KINDS: Final[tuple[Kind, ...]] = (
    "keep_chunk", "keep_doc", "drop_doc", "remove_lines", "remove_all", "normalize",
)  # fmt: skip
# Why a line is no operation, and why a whole program is none (the last two).
FAULTS: Final = ("syntax", "call", "name", "argument", "empty", "text", "long", "many")
_NAMES: Final = ("keep_chunk", "keep_doc", "drop_doc", "remove_lines", "normalize")
_STRINGS: Final = ("source_str", "target_str")
_BOUNDS: Final = ("line_start", "line_end")


@dataclass(frozen=True)
class Op:
    """One operation.

    Attributes:
        kind: of `KINDS`.
        first: the first line that `remove_lines` takes, from 0.
        last: the last line that it takes.
        source: what `normalize` looks for; never empty.
        target: what it puts there.
    """

    kind: Kind
    first: int = 0
    last: int = 0
    source: str = ""
    target: str = ""


@dataclass(frozen=True)
class Program:
    """What was read of a program.

    Attributes:
        ops: in order.
        faults: one of `FAULTS` for every line that is no operation. "long" or "many" alone: the
            program is refused as a whole.
    """

    ops: tuple[Op, ...]
    faults: tuple[str, ...]


def parse(source: str) -> Program:
    """Return what a program means. Never raises, and runs nothing."""
    if _too_long(source, MAX_PROGRAM_BYTES):
        return Program((), ("long",))
    lines = [line for line in source.split("\n") if line.strip(" \t\r")]
    if len(lines) > MAX_OPS:
        return Program((), ("many",))
    found = [parse_line(line) for line in lines]
    ops = tuple(one for one in found if isinstance(one, Op))
    return Program(ops, tuple(one for one in found if isinstance(one, str)))


@lru_cache(maxsize=4096)
def parse_line(line: str) -> Op | str:
    """Return the operation that a line is, or which of `FAULTS` it is."""
    line = line.strip(" \t\r")
    if _too_long(line, MAX_LINE_BYTES):
        return "syntax"
    try:
        with warnings.catch_warnings():  # of odd escapes in strings: not ours to be warned of
            warnings.simplefilter("ignore")
            tree = ast.parse(line, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return "syntax"
    if not isinstance(tree, ast.Call):
        return "call"
    if not isinstance(tree.func, ast.Name) or tree.func.id not in _NAMES:
        return "name"
    return _operation(tree.func.id, tree)


def spelled(op: Op) -> str:
    """Return an operation as a line that `parse_line` reads as the same operation."""
    if op.kind == "remove_lines":
        return f"remove_lines(line_start={op.first}, line_end={op.last})"
    if op.kind == "remove_all":
        return "remove_lines(all=True)"
    if op.kind == "normalize":
        return f"normalize(source_str={_quoted(op.source)}, target_str={_quoted(op.target)})"
    return f"{op.kind}()"


def _quoted(text: str) -> str:
    """Return a text between quotes, plainly where it can be, as Python escapes it where not."""
    plain = '"' not in text and "\\" not in text and all(ord(each) >= 32 for each in text)
    return f'"{text}"' if plain else repr(text)


def _operation(name: str, call: ast.Call) -> Op | str:
    """Return the operation of a call by a known name, or its fault."""
    if name == "remove_lines":
        if [word.arg for word in call.keywords] == ["all"]:
            given = _constants(call, ("all",)) or [None]
            return Op("remove_all") if given[0] is True else "argument"
        bounds = _constants(call, _BOUNDS)
        if bounds is None or not all(type(one) is int and 0 <= one < _LARGEST for one in bounds):
            return "argument"
        return Op("remove_lines", *bounds)
    if name == "normalize":
        texts = _constants(call, _STRINGS)
        if texts is None or not all(type(text) is str for text in texts):
            return "argument"
        return _normalize(*texts)
    found = next(kind for kind in KINDS if kind == name)
    return "argument" if call.args or call.keywords else Op(found)


def _normalize(source: str, target: str) -> Op | str:
    if not source:
        return "empty"
    try:
        sizes = [len(text.encode()) for text in (source, target)]
    except UnicodeEncodeError:  # half of a surrogate pair is no character
        return "text"
    if max(sizes) > MAX_STRING_BYTES or "\0" in source + target:
        return "text"
    return Op("normalize", source=source, target=target)


def _constants(call: ast.Call, names: tuple[str, ...]) -> list[Any] | None:
    """Return the constants given for these arguments, in their order; None if it is not they."""
    given = dict(zip(names, call.args, strict=False))
    words = [word.arg for word in call.keywords]
    if len(call.args) + len(words) != len(names) or given.keys() & set(words):
        return None
    given.update((word.arg, word.value) for word in call.keywords if word.arg is not None)
    found = [given.get(name) for name in names]
    if not all(isinstance(one, ast.Constant) for one in found):
        return None
    return [one.value for one in found if isinstance(one, ast.Constant)]


def _too_long(text: str, most: int) -> bool:
    return len(text) > most or len(text.encode("utf-8", "surrogatepass")) > most
