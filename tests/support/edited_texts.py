"""Documents and programs by hypothesis, and policy "exact" one document at a time."""

from __future__ import annotations

from hypothesis import strategies as st

from curator.refine.execute import Rules
from curator.refine.programs import Op, parse, spelled

WORDS = st.sampled_from(
    ["a", "ab", "home", "|", "river", "rose", "naïve", "日本", "“quoted”", "x" * 40, "\xa0",
     "\u2003", "\u3000", "é\u0301", "👩‍👩‍👧", "\x1c", "aaa", "page", "7", "\r", "\t"]
)  # fmt: skip
LINES = st.lists(WORDS, max_size=12).map(" ".join)
TEXTS = st.lists(LINES, max_size=30).map("\n".join)
SPANS = st.tuples(st.integers(0, 34), st.integers(0, 4))
PLAIN = st.text(st.sampled_from('ab é日x|7.;"'), min_size=1, max_size=4)


def removals(low: int = 0) -> st.SearchStrategy[str]:
    return SPANS.map(lambda at: spelled(Op("remove_lines", low + at[0], low + at[0] + at[1])))


def replacements(source: st.SearchStrategy[str] = PLAIN) -> st.SearchStrategy[str]:
    return st.tuples(source, st.one_of(st.just(""), source)).map(
        lambda pair: spelled(Op("normalize", source=pair[0], target=pair[1]))
    )


def programs(*further: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lines = st.one_of(removals(), replacements(), st.just("keep_chunk()"), *further)
    return st.lists(lines, max_size=5).map("\n".join)


def run_exactly(
    text: str, chunks: list[tuple[int, int, str]], rules: Rules
) -> tuple[str, str, int]:
    """Return the text that is left (the old one unless accepted), the verdict, the errors."""
    lines = text.split("\n")
    gone: set[int] = set()
    errors = replaced = 0
    made: list[str] = []
    parsed = [parse(source) for _, _, source in chunks]
    if any(one.faults in (("long",), ("many",)) for one in parsed):
        return text, "refused", 0
    wanted: dict[int, list[Op]] = {}
    for number, ((low, high, _), program) in enumerate(zip(chunks, parsed, strict=True)):
        errors += len(program.faults)
        for op in program.ops:
            first, last = (low, high) if op.kind == "remove_all" else (op.first, op.last)
            if high >= len(lines):
                errors += 1
            elif op.kind == "normalize":
                if "\n" in op.source + op.target:
                    errors += 1
                else:
                    wanted.setdefault(number, []).append(op)
            elif op.kind in ("remove_lines", "remove_all"):
                if low <= first <= last <= high:
                    gone |= set(range(first, last + 1))
                else:
                    errors += 1
            elif op.kind != "keep_chunk":
                errors += 1
    at = 0
    for number, (low, high, _) in enumerate(chunks):
        if high >= len(lines):
            continue
        made += [lines[line] for line in range(at, low) if line not in gone]
        kept = [lines[line] for line in range(low, high + 1) if line not in gone]
        at = high + 1
        part = "\n".join(kept)
        left = max(64, int(len(part.encode()) * rules.max_replaced))
        for op in wanted.get(number, ()) if kept else ():
            found = min(part.count(op.source), rules.max_replacements)
            touched = found * max(len(op.source.encode()), len(op.target.encode()))
            if touched > left:
                errors += 1
                continue
            left -= touched
            replaced += found
            part = part.replace(op.source, op.target, found) if found else part
        made += [part] if kept else []
    made += [line for number, line in enumerate(lines) if number >= at and number not in gone]
    new = "\n".join(made)
    return _accepted(text, new, errors, bool(gone) or replaced > 0, rules)


def _accepted(
    text: str, new: str, errors: int, changed: bool, rules: Rules
) -> tuple[str, str, int]:
    before, after = len(text.split()), len(new.split())
    if not before:
        verdict = "wordless" if changed and errors <= rules.max_errors else "accepted"
    elif errors > rules.max_errors:
        verdict = "errors"
    elif not changed:
        verdict = "accepted"
    elif after / before <= 1 - rules.max_removed:
        verdict = "share"
    elif after <= rules.least_words:
        verdict = "short"
    else:
        verdict = "accepted"
    if not before and errors > rules.max_errors:
        verdict = "errors"
    return (new if verdict == "accepted" else text), verdict, errors
