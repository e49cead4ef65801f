"""What the records of trained proxies say: which proxy, which seed, how much, and its state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curator.errors import LedgerError
from curator.identity import file_digest, fingerprint
from curator.ledger import RECORD, folder_digest

STATE = "trunk.safetensors"  # of the optimizer, and the weights it belongs to


def state_digest(model: Path) -> str:
    """Return what names the state of a model that runs go on from.

    Raises:
        LedgerError: it has none.
    """
    if not (model / STATE).is_file():
        raise LedgerError(
            f"no {STATE} in it: the state of the optimizer was not kept; train it with "
            "`state: true`",
            where=str(model),
        )
    if (model / RECORD).is_file():  # of our store: nothing need be read
        return folder_digest(model, (STATE,))
    return file_digest(model / STATE)


def seed_of(run: Mapping[str, Any]) -> int:
    """Return a run's seed as recipes count: runs that go on from one model share the first one."""
    return int(run["order_seed"])


def trunk_in(run: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a run has before it that others share: its trunk, not a piece of itself."""
    return None if run.get("piece") else run.get("trunk")


def proxy_called(run: Mapping[str, Any]) -> str:
    """Return a name for what a run's record says of its proxy: one name, one way to be trained.

    A branch is named by its trunk as well: by how long that was trained, and on what; or by the
    model that runs of all seeds went on from.
    """
    settings, trunk = run["proxy"], trunk_in(run)
    name = f"d{settings['depth']}-{fingerprint(settings)[:16]}"
    if trunk is None:
        return name
    if trunk.get("is_model"):
        return f"{name} from {trunk['identity'][:16]} at {trunk['tokens']}"
    return f"{name} branched at {trunk['tokens']} of {fingerprint(trunk['mixture'])[:8]}"


def budget_of(run: Mapping[str, Any]) -> int:
    """Return the tokens of plain training that a run was allowed the arithmetic of.

    A run that picks its rows trains on fewer, and spends what is left over on scoring
    (`curator.train.pick`): less than one of its steps of the budget stays unspent. One that prunes
    trains on fewer too, and what it leaves unspent is its gain.
    """
    picking = run.get("picking") or run.get("pruning")
    before = run["trunk"]["tokens"] if run.get("trunk") else 0
    return before + picking["budget_tokens"] if picking else int(run["tokens"])


def conduct_in_words(run: Mapping[str, Any]) -> str:
    """Return what a run did beside reading its mixture, to end a sentence; "" for nothing."""
    picked, pruned, order = (run.get(key) for key in ("picking", "pruning", "order"))
    weighed = (run["hooks"].get("rows") or {}).get("settings", {}).get("reweight")
    told = ""
    if picked:
        told += f", rows by {picked['settings']['method']}"
    if pruned:
        told += f", epochs by {pruned['settings']['method']}"
        told += " of losses dealt anew" if pruned["settings"]["placebo"] else ""
    if weighed:
        told += f", weights by {weighed['rule']}" + (" dealt anew" if weighed["placebo"] else "")
    if order:
        back = "reversed " if order.get("reverse") else ""  # what grows has no other way round
        told += f", {back}{order['strategy']} by {order['by']}"
        told += " dealt anew" if order["placebo"] else ""
    return told
