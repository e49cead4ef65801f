"""Every error that curator raises on purpose, named by what its reader does next.

    CuratorError
    ├── RecipeError    fix the recipe or the command; nothing ran
    ├── PluginError    fix the scorer or stage; it broke its contract
    ├── ShardError     look at the named shard and rerun; finished shards are kept
    ├── LedgerError    an artifact is not what its record says; verify or delete it
    └── BudgetError    ask for less, or add sources

A message says what was found, what was wanted and what to do.
"""

from __future__ import annotations

import reprlib

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120


class CuratorError(Exception):
    """Base of all errors made on purpose. The CLI prints the message only and exits with 1."""

    def __init__(self, message: str, where: str = "") -> None:
        # Both go into `args`, so that an error survives the trip back from a worker.
        super().__init__(message, where)
        self.message = message
        self.where = where

    def located(self, where: str) -> CuratorError:
        """Return this error saying where it arose, unless it says so already."""
        self.where = self.where or where
        self.args = (self.message, self.where)
        return self

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class RecipeError(CuratorError):
    """The recipe, a setting or a path is wrong. Fix it; nothing ran."""


class PluginError(CuratorError):
    """A scorer or stage broke its contract (rows, order, types). Fix the plug-in."""


class ShardError(CuratorError):
    """One shard could not be made. Rerun: finished shards are kept."""


class LedgerError(CuratorError):
    """An artifact is not what its record says. `curator verify` names the file."""


class BudgetError(CuratorError):
    """There is not enough text, or too little was asked for. Ask for less or add sources."""


def shown(found: object) -> str:
    """Return what was found as a message may quote it: its repr, cut in the middle if long."""
    return _SHORT.repr(found)
