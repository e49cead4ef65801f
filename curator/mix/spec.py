"""What a mixture is asked to be: a frozen `MixSpec`, and a parser that names every mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curator.errors import RecipeError, shown
from curator.mix.share import SCHEMES
from curator.select.spec import unknown

# Up to about four epochs, repeated tokens are worth nearly as much as fresh ones
# (Muennighoff et al. 2023, arXiv:2305.16264, abstract).
DEFAULT_MAX_EPOCHS = 4.0
_MOST_EPOCHS = (1 << 16) - 1  # epochs are counted in two bytes
_MOST = 1 << 62  # sums of tokens are counted in eight bytes
SHORTFALLS = ("error", "redistribute")


@dataclass(frozen=True)
class MixEntry:
    """One source of a mixture: its weight among the others and how often it may be repeated."""

    source: str
    weight: float
    max_epochs: float = DEFAULT_MAX_EPOCHS


@dataclass(frozen=True)
class MixSpec:
    """A mixture by explicit entries, or by a scheme over all sources of the selection.

    Attributes:
        entries: explicit weights; sources that are not named are left out.
        scheme: one of `curator.mix.share.SCHEMES`, used when there are no entries.
        temperature: of the scheme "temperature".
        max_epochs: of every source under a scheme.
        tokens: size of the mixture; None: what the trainer asks for; or, with natural shares, the
            whole selection once if that is more.
        shortfall: "error", or "redistribute" what a source lacks among the others, recorded.
    """

    entries: tuple[MixEntry, ...] = ()
    scheme: str = "natural"
    temperature: float = 1.0
    max_epochs: float = DEFAULT_MAX_EPOCHS
    tokens: int | None = None
    shortfall: str = "error"

    @property
    def weighted(self) -> bool:
        """Whether sources get other shares than the selection gives them."""
        return bool(self.entries) or self.scheme != "natural"


def parse_mix(content: Sequence[Any] | Mapping[str, Any] | None) -> MixSpec:
    """Return the spec that a recipe's `mix:` describes.

    A list of `{source, weight, max_epochs}`; or a mapping with any of `sources` (such a list),
    `scheme`, `temperature`, `max_epochs`, `tokens`, `shortfall`; or nothing, for natural shares.

    Raises:
        RecipeError: naming all mistakes at once, one a line.
    """
    faults = mistakes(content)
    if faults:
        raise RecipeError("\n".join(faults), where="mix")
    if content is None:
        return MixSpec()
    settings: dict[str, Any] = (
        dict(content) if isinstance(content, Mapping) else {"sources": content}
    )
    cap = float(settings.get("max_epochs", DEFAULT_MAX_EPOCHS))
    entries = tuple(
        MixEntry(each["source"], float(each.get("weight", 1)), float(each.get("max_epochs", cap)))
        for each in settings.pop("sources", None) or ()
    )
    settings["max_epochs"] = cap
    if settings.get("tokens") is not None:
        settings["tokens"] = int(settings["tokens"])
    return MixSpec(entries=entries, **settings)


def mistakes(content: Sequence[Any] | Mapping[str, Any] | None) -> list[str]:
    """Return every mistake in a `mix:` section as a sentence; empty when there is none."""
    if content is None:
        return []
    if isinstance(content, str) or not isinstance(content, Mapping | Sequence):
        return [f"mix is {shown(content)}; wanted a list of {{source, weight, max_epochs}}"]
    if not isinstance(content, Mapping):
        return _entry_faults(content)
    keys = ("sources", "scheme", "temperature", "max_epochs", "tokens", "shortfall")
    faults = [unknown("key", key, keys) for key in content if key not in keys]
    for key, words in (("scheme", SCHEMES), ("shortfall", SHORTFALLS)):
        if key in content and content[key] not in words:
            faults.append(unknown(key, content[key], words))
    faults += [
        f"{key} is {shown(content[key])}; wanted a number above 0"
        for key in ("temperature", "max_epochs", "tokens")
        if content.get(key) is not None and not _above(content[key], 0)
    ]
    faults += _cap_faults("mix", content)
    if content.get("sources") and "scheme" in content:
        faults.append("both `sources` and `scheme` are given; weights come from one of them")
    return faults + _entry_faults(content.get("sources") or [])


def _entry_faults(entries: object) -> list[str]:
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        return [f"sources is {shown(entries)}; wanted a list of {{source, weight, max_epochs}}"]
    faults: list[str] = []
    seen: set[str] = set()
    for place, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("source"), str):
            faults.append(f"entry {place} is {shown(entry)}; wanted {{source: NAME, weight: 1}}")
            continue
        name = entry["source"]
        faults += [
            f"{name}: {unknown('key', key, ('source', 'weight', 'max_epochs'))}"
            for key in entry
            if key not in ("source", "weight", "max_epochs")
        ]
        if not _above(entry.get("weight", 1), 0, equal=True):
            faults.append(
                f"{name}: weight is {shown(entry['weight'])}; wanted a number of 0 or more"
            )
        if not _above(entry.get("max_epochs", 1), 0):
            faults.append(f"{name}: max_epochs is {shown(entry['max_epochs'])}; wanted above 0")
        faults += _cap_faults(name, entry)
        if name in seen:
            faults.append(f"{name} is there twice; give each source one weight")
        seen.add(name)
    if seen and not faults and not any(_above(entry.get("weight", 1), 0) for entry in entries):
        faults.append("all weights are 0; nothing would be drawn")
    return faults


def _cap_faults(name: str, settings: Mapping[str, Any]) -> list[str]:
    cap = settings.get("max_epochs", 1)
    if not _above(cap, 0) or cap <= _MOST_EPOCHS:
        return []  # what is no number above 0 is said elsewhere
    return [f"{name}: max_epochs is {shown(cap)}; wanted at most {_MOST_EPOCHS:,}"]


def _above(value: object, bound: float, *, equal: bool = False) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value < _MOST:
        return False
    return value >= bound if equal else value > bound
