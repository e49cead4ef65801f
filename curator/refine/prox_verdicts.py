"""What a model's answer about a whole document means: it goes, it stays, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from curator.refine.execute import Policy
from curator.refine.programs import parse


def document_faults(
    answers: Mapping[int, str], policy: Policy
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the rows that go and why, and the rows whose answers say nothing and why.

    Under "exact" a document goes if the answer is the one call `drop_doc()`. Under "legacy" it goes
    if "drop" stands anywhere in it, as in ProX's own executor; where that is all there is to it,
    the reason says so.
    """
    dropped: dict[int, str] = {}
    faults: dict[int, str] = {}
    for row, answer in answers.items():  # a loop: each answer cost a pass of a model
        program = parse(answer)
        kinds = [op.kind for op in program.ops]
        plain = not program.faults and len(kinds) == 1
        if plain and kinds == ["drop_doc"]:
            dropped[row] = "drop_doc"
        elif policy == "legacy" and "drop" in answer:
            dropped[row] = "drop_mentioned"
        elif not (plain and kinds == ["keep_doc"]):
            faults[row] = "unread_document"
    return dropped, faults
