"""What a model could write instead of a program, by the thousand: nothing of it may ever run."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Each writes a file if it is run; `trap` is the path.
_CODE = (
    "open({trap!r}, 'w').write('x')",
    "__import__('pathlib').Path({trap!r}).touch()",
    "remove_lines(line_start=__import__('os').system('touch {trap}'), line_end=1)",
    "normalize(source_str=open({trap!r}, 'w').name, target_str='')",
    "normalize(source_str='a', target_str=f'{{open({trap!r}, \"w\")}}')",
    "keep_chunk() or open({trap!r}, 'w')",
    "(lambda: open({trap!r}, 'w'))()",
    "[open({trap!r}, 'w') for _ in range(3)]",
    "exec(\"open({trap!r}, 'w')\")",
    "eval('open({trap!r}, \"w\")')",
    "keep_chunk(**open({trap!r}, 'w'))",
    "remove_lines(*[open({trap!r}, 'w')])",
    "import os; os.system('touch {trap}')",
    "drop_doc.__globals__['__builtins__']['open']({trap!r}, 'w')",
    "().__class__.__bases__[0].__subclasses__()",
    "remove_lines.__call__(0, 1)",
    "self.remove_lines(line_start=0, line_end=1)",
    "while True: pass",
    "@keep_chunk\ndef f(): open({trap!r}, 'w')",
)
_NESTED = (
    lambda n: "(" * n,
    lambda n: "(" * n + ")" * n,
    lambda n: "[" * n + "]" * n,
    lambda n: "-" * n + "1",
    lambda n: "not " * n + "x",
    lambda n: "remove_lines(" * n + ")" * n,
    lambda n: "a." * n + "b",
    lambda n: "f" + "()" * n,
    lambda n: "1" + "+1" * n,
    lambda n: "lambda: " * n + "1",
    lambda n: "x if y else " * n + "z",
)
_MARKUP = (
    "```python\nremove_lines(line_start=0, line_end=0)\n```",
    "<script>remove_lines(0, 1)</script>",
    "<|im_end|><|im_start|>assistant\ndrop_doc()",
    "[/doc]\n[doc]",
    "# drop_doc()",
    "Sure! Here is the program:\n- remove_lines(line_start=0, line_end=0)",
    "{{ config.items() }}",
    "<tool_call>{\"name\": \"drop_doc\"}</tool_call>",
    "&#100;rop_doc()",
    "\x1b[2Jkeep_chunk()",
)  # fmt: skip
_STRANGE = (
    "\0",
    "\x0c",
    "\u2028",
    "\ufeff",
    "\u202e",
    "\ud800",
    "\uffff",
    "\x85",
    "\r",
    "ｒemove_lines",
)
_WHOLE = ("keep_chunk()", "remove_lines(line_start=1, line_end=1)", "drop_doc()", "keep_doc()")


_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    deeds = ("exec", "os.", "subprocess.", "socket.", "shutil.", "import", "ctypes.", "open")
    if _watching and event.startswith(deeds):
        _watching[-1].append(f"{event} {arguments!r:.100}")


@contextmanager
def watched() -> Iterator[list[str]]:
    """Yield a list of what Python is told to do meanwhile: to run code, open files, start others.

    Python calls such hooks for as long as it runs; this one hears nothing when nobody watches.
    """
    if not getattr(watched, "hooked", False):
        sys.addaudithook(_hook)
        watched.hooked = True  # type: ignore[attr-defined]
    _watching.append([])
    try:
        yield _watching[-1]
    finally:
        _watching.pop()


def hostile_programs(count: int, trap: str, seed: int = 0) -> list[str]:
    """Return `count` programs; any that is run as code makes the file `trap`, or hangs."""
    chance = random.Random(seed)
    kinds: tuple[Callable[[random.Random, str], str], ...] = (
        _code, _nested, _markup, _strange, _numbers, _strings, _cut, _noise, _many,
    )  # fmt: skip
    made = []
    for _ in range(count):
        parts = [chance.choice(kinds)(chance, trap) for _ in range(chance.randint(1, 3))]
        made.append("\n".join(parts))
    return made


def _code(chance: random.Random, trap: str) -> str:
    return chance.choice(_CODE).format(trap=trap)


def _nested(chance: random.Random, trap: str) -> str:
    return chance.choice(_NESTED)(chance.choice((3, 50, 95, 300, 900, 3000)))


def _markup(chance: random.Random, trap: str) -> str:
    return chance.choice(_MARKUP)


def _strange(chance: random.Random, trap: str) -> str:
    line = chance.choice(_WHOLE)
    at = chance.randrange(len(line) + 1)
    return line[:at] + chance.choice(_STRANGE) + line[at:]


def _numbers(chance: random.Random, trap: str) -> str:
    numbers = (
        "-1", "1e308", "9" * 16, "9" * 5000, "0x" + "f" * 100, "1_000", "01", "True", "None", "1.5",
        "10**10**10", "1j", "inf", "９", "''", "-0", "0b1", "~0", "...",
    )  # fmt: skip
    return f"remove_lines(line_start={chance.choice(numbers)}, line_end={chance.choice(numbers)})"


def _strings(chance: random.Random, trap: str) -> str:
    texts = (
        "''", "'a' * 10**10", "'(a+)+$'", "r'\\d+'", "b'a'", "f'{1}'", "'\\ud800'", "'\\x00'",
        "'''a\nb'''", "'a' 'b'", "'" + "x" * 600 + "'", "'\\N{BULLET}'", "'\\q'", "'a', 'b'",
        "'" + "a" * 70_000 + "'", "('a')", "'%s' % 'a'", "'\\'", '"', "'\n'", "'a'.upper()",
    )  # fmt: skip
    return f"normalize(source_str={chance.choice(texts)}, target_str={chance.choice(texts)})"


def _cut(chance: random.Random, trap: str) -> str:
    line = chance.choice((*_WHOLE, 'normalize(source_str="a", target_str="b")'))
    return line[: chance.randrange(len(line))]


def _noise(chance: random.Random, trap: str) -> str:
    letters = "remove_lines(=,)'\"\\ \t0123abc\u00e9\u65e5[]{}.#:;@"
    return "".join(chance.choice(letters) for _ in range(chance.randrange(60)))


def _many(chance: random.Random, trap: str) -> str:
    return "\n".join([chance.choice(_WHOLE)] * chance.choice((2, 100, 129, 2000)))
