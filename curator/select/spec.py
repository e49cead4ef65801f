"""What a selection is asked to do: a frozen `SelectSpec`, and a parser that names every mistake.

A spec is data. Its meaning is in `curator.select.selector`; whether the named columns exist is
known only when the pool is there, and is checked by `SelectSpec.direction` and the pool.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from curator.errors import RecipeError, shown

METHODS = ("random", "topk", "threshold", "band", "gumbel", "poisson", "taylor", "placebo")
_OF_PLACEBO = ("method", "of", "within", "seed")  # all that a placebo has a use for
SHORTFALLS = ("error", "redistribute", "accept")
REST = "*"  # the quota of all groups that have none of their own, taken together
_MOST = 1 << 62  # sums of tokens are counted in eight bytes
_STRATA = ("length", "source")  # what a placebo keeps as it is
_OF_METHOD = {
    "threshold": ("threshold",),
    "rate": ("threshold",),
    "unseen": ("threshold",),
    "band": ("band",),
    "within": ("band", "taylor"),
    "of": ("placebo",),
    "temperature": ("gumbel", "taylor"),
    "standardize": ("gumbel",),
    "weighted": ("poisson",),
}
_NAMES = {"of": "an arm", "unseen": "a column", "within": "a column", "quota_by": "a column"}
_SHARE_SLACK = 1e-6  # shares written with six decimals still sum to one


@dataclass(frozen=True)
class SelectSpec:
    """One selection. Shares are in [0, 1]; tokens are those of the corpus's tokenizer.

    Attributes:
        method: one of `METHODS`.
        by: the score column; empty for `random` and `placebo`.
        of: of `placebo`, the arm that it stands beside.
        tokens: the budget; None takes all that is eligible (threshold, band) or uses `share`.
        share: the budget as a share of the eligible tokens, instead of `tokens`.
        seed: of the chance that ranks (`random`, `gumbel`, a `band` under a budget) and of ties.
        temperature: of `gumbel`, in units of the (standardized) score; small is nearly top-k. Of
            `taylor`, in units of the gains.
        standardize: subtract the pool's mean and divide by its standard deviation before
            `temperature` applies, so that one temperature means the same for any score.
        band: quantiles by tokens, 0 is the worst document and 1 the best.
        threshold: in the column's own unit; documents at least as good are eligible.
        rate: of `threshold`, instead of its value: the share of the tokens that reaches it.
        unseen: of `rate`, the column that is 0 for documents no scorer learned from: the threshold
            is found on them, and applies to all.
        within: of `band`, the column of the groups in each of which quantiles are taken; of
            `taylor`, of those from each of which the same share of tokens is drawn; of
            `placebo`, "length" (which "" means too) or "source" (and length).
        quotas: group -> share of the budget (all floats) or tokens (all integers); or the column
            whose number, one for each group, its share of the budget is proportional to.
        quota_by: the column that names the groups.
        shortfall: what to do when a group, or the pool, has less than it was asked for.
        better: "higher" or "lower"; overrides what the column declares.
        weighted: of `poisson`: write the weights; without them training prefers what was likelier
            to be drawn, which is what a control shows.
    """

    method: str = "random"
    by: str = ""
    of: str = ""
    tokens: int | None = None
    share: float | None = None
    seed: int = 0
    temperature: float = 0.5  # the released MATES selector's default (arXiv:2406.06046)
    standardize: bool = True
    band: tuple[float, float] | None = None
    threshold: float | None = None
    rate: float | None = None
    unseen: str = ""
    within: str = ""
    quotas: Mapping[str, float | int] | str = field(default_factory=dict)
    quota_by: str = "source"
    shortfall: str = "error"
    better: str = ""
    weighted: bool = True

    def identity(self) -> dict[str, Any]:
        """Return what names the selection: all settings, as before there was `weighted`."""
        named = dataclasses.asdict(self)
        if self.weighted:
            del named["weighted"]
        return named

    def direction(self, better: Mapping[str, str]) -> int:
        """Return 1 if high scores are taken first and -1 if low ones are.

        This is the only place where a score's sign is decided: noise is added afterwards, because
        the bottom of (score + noise) does not follow the law of the top of (-score + noise).

        Args:
            better: column -> "higher", "lower" or "neither", as the score columns declare.

        Raises:
            RecipeError: the column has no direction and the selection gives none.
        """
        if self.method == "random":
            return 1
        word = self.better or better.get(self.by, "higher")
        if word == "neither" and self.method in ("band", "poisson"):
            return 1
        if word not in ("higher", "lower"):
            raise RecipeError(
                f"select: column {self.by!r} declares better={word!r}, so {self.method!r} cannot "
                "rank by it; add `better: higher` or `better: lower` to the selection"
            )
        return 1 if word == "higher" else -1


def parse_select(content: Mapping[str, Any], *, seed: int = 0) -> SelectSpec:
    """Return the spec that a recipe's `select:` mapping describes.

    Args:
        content: as read from YAML.
        seed: the recipe's seed, used unless `content` has its own.

    Raises:
        RecipeError: naming all mistakes at once, one a line, with suggestions.
    """
    faults = mistakes(content)
    if faults:
        raise RecipeError("\n".join(faults), where="select")
    known = {"seed": seed, **content}
    if "method" not in known:
        known["method"] = "topk" if known.get("by") else "random"
    if known["method"] == "taylor":
        known.setdefault("temperature", 1.0)  # the released INGENIOUS code's
    for name in ("tokens", "seed"):
        if known.get(name) is not None:
            known[name] = int(known[name])
    if known.get("band") is not None:
        known["band"] = tuple(float(edge) for edge in known["band"])
    quotas = known.get("quotas") or {}
    known["quotas"] = quotas if isinstance(quotas, str) else dict(quotas)
    return SelectSpec(**known)


def mistakes(content: Mapping[str, Any]) -> list[str]:
    """Return every mistake in a `select:` mapping as a sentence; empty when there is none."""
    names = [each.name for each in dataclasses.fields(SelectSpec)]
    faults = [unknown("key", key, names) for key in content if key not in names]
    method = content.get("method", "topk" if content.get("by") else "random")
    if method not in METHODS:
        return [*faults, unknown("method", method, METHODS), *_number_faults(content)]
    faults += _number_faults(content)
    faults += _method_faults(str(method), content)
    faults += _quota_faults(content)
    faults += [
        f"{key} is {shown(content[key])}; wanted the name of {what}"
        for key, what in _NAMES.items()
        if not isinstance(content.get(key, ""), str)
    ]
    for key, words in (("shortfall", SHORTFALLS), ("better", ("", "higher", "lower"))):
        if key in content and content[key] not in words:
            faults.append(unknown(key, content[key], [word for word in words if word]))
    return faults


def unknown(what: str, found: object, wanted: Iterable[str]) -> str:
    """Return a sentence that names an unknown word, the nearest known one, and all of them."""
    known = sorted(wanted)
    close = difflib.get_close_matches(str(found), known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {shown(found)}{hint} (known: {', '.join(known)})"


def _method_faults(method: str, content: Mapping[str, Any]) -> list[str]:
    if method == "placebo":
        return _placebo_faults(content)
    faults = []
    if method == "random" and content.get("by"):
        by = shown(content["by"])
        faults.append(f"`by: {by}` has no meaning with `method: random`; drop one")
    if method != "random" and not isinstance(content.get("by") or None, str):
        faults.append(f"`method: {method}` needs `by:`, the score column to rank by")
    if "tokens" in content and "share" in content:
        faults.append("both `tokens` and `share` are given; they are two ways to say one budget")
    budgeted = content.get("tokens") or content.get("share") or _counts(content.get("quotas"))
    if method not in ("threshold", "band") and not budgeted:
        faults.append(f"`method: {method}` needs a budget: `tokens: 2_000_000` or `share: 0.25`")
    if method == "band" and content.get("band") is None:
        faults.append("`method: band` needs `band:`")
    if method == "threshold" and content.get("threshold") is None and content.get("rate") is None:
        faults.append("`method: threshold` needs `threshold:`, or `rate:`")
    if content.get("threshold") is not None and content.get("rate") is not None:
        faults.append("both `threshold` and `rate` are given; they are two ways to say one bound")
    if content.get("unseen") and content.get("rate") is None:
        faults.append("`unseen:` has no meaning without `rate:`, whose threshold is found on it")
    if method == "poisson" and content.get("quotas"):
        faults.append("`quotas:` have no meaning with `method: poisson`, which has one alpha")
    if method == "taylor" and content.get("quotas"):
        faults.append("`quotas:` have no meaning with `method: taylor`; `within:` names its groups")
    faults += [
        f"`{key}:` has no meaning with `method: {method}`"
        for key, its in _OF_METHOD.items()
        if method not in its and content.get(key) is not None
    ]
    return faults


def _placebo_faults(content: Mapping[str, Any]) -> list[str]:
    faults = [
        f"`{key}:` has no meaning with `method: placebo`, which takes as much as the arm that it "
        "is of"
        for key in content
        if key not in _OF_PLACEBO and content[key] is not None
    ]
    if not content.get("of"):
        faults.append("`method: placebo` needs `of:`, the arm that it stands beside")
    if content.get("within") not in (None, "", *_STRATA) and isinstance(content["within"], str):
        faults.append(unknown("within", content["within"], _STRATA))
    return faults


def _number_faults(content: Mapping[str, Any]) -> list[str]:
    faults = []
    checks: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "tokens": ("a whole number of tokens above 0", lambda x: 0 < x < _MOST and x == int(x)),
        "seed": ("a whole number", lambda x: x == int(x)),
        "share": ("a share above 0, at most 1", lambda x: 0 < x <= 1),
        "rate": ("a share above 0, at most 1", lambda x: 0 < x <= 1),
        "temperature": ("a number above 0", lambda x: x > 0),
        "threshold": ("a number", lambda x: True),
    }
    for key, (wanted, holds) in checks.items():
        found = content.get(key)
        if found is not None and not (_finite(found) and holds(found)):
            faults.append(f"{key} is {shown(found)}; wanted {wanted}")
    faults += [
        f"{key} is {shown(content[key])}; wanted true or false"
        for key in ("standardize", "weighted")
        if not isinstance(content.get(key, True), bool)
    ]
    band = content.get("band")
    if band is not None:
        pair = isinstance(band, list | tuple) and len(band) == 2 and all(map(_finite, band))
        if not (pair and 0 <= band[0] < band[1] <= 1):
            wanted = "two rising quantiles such as [0.25, 0.75]"
            faults.append(f"band is {shown(band)}; wanted {wanted}")
    return faults


def _quota_faults(content: Mapping[str, Any]) -> list[str]:
    quotas = content.get("quotas")
    if not quotas:
        return []
    if isinstance(quotas, str):
        return _without_budget(content)
    if not isinstance(quotas, Mapping):
        return [
            f"quotas is {shown(quotas)}; wanted a mapping such as {{wiki: 0.3, '*': 0.7}}, or the "
            "name of a column"
        ]
    words = [name for name in quotas if not isinstance(name, str)]
    if words:
        return [f"quotas name {shown(words)}, which are no words; put them in quotes"]
    wrong = [name for name, quota in quotas.items() if not _finite(quota) or quota < 0]
    if wrong:
        return [f"quotas of {shown(wrong)} are no shares or token counts at or above 0"]
    if _counts(quotas):
        total = sum(quotas.values())
        if content.get("share") is not None or content.get("tokens") not in (None, total):
            return [
                f"quotas are tokens and sum to {total}; drop `tokens`/`share` or make them agree"
            ]
        return []
    if any(isinstance(quota, int) and quota not in (0, 1) for quota in quotas.values()):
        return ["quotas mix shares and token counts; make all floats or all whole numbers"]
    total = sum(quotas.values())
    if abs(total - 1) > _SHARE_SLACK:
        return [f"quota shares sum to {total:g}; wanted 1 (give the rest to {REST!r})"]
    return _without_budget(content)


def _without_budget(content: Mapping[str, Any]) -> list[str]:
    budgeted = content.get("tokens") is not None or content.get("share") is not None
    if content.get("method") in ("threshold", "band") and not budgeted:
        return ["quotas are shares of a budget, and there is none; give `tokens` or `share`"]
    return []


def _counts(quotas: object) -> bool:
    """Whether quotas are token counts: all whole numbers, and not only zeros and ones."""
    if not isinstance(quotas, Mapping) or not quotas:
        return False
    whole = all(isinstance(quota, int) for quota in quotas.values())
    return whole and any(quota > 1 for quota in quotas.values())


def _finite(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return -_MOST < value < _MOST
    return isinstance(value, float) and math.isfinite(value)
