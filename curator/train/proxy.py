"""A proxy: the small model that stands in for the one a mixture is meant for, set by one dial.

`depth` fixes everything else (width = 32 x depth, heads of 32, context, batch, rates); a YAML file
in configs/proxies may override single settings. A proxy's name is not part of its identity.
Nothing heavy is imported here, so a recipe can be checked without torch.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from curator.errors import RecipeError, shown
from curator.stage import circumstance
from curator.strict_yaml import parse_yaml, read_text
from curator.train.schedule import Schedule

PROXIES = Path(__file__).parents[2] / "configs" / "proxies"
WIDTH_PER_LAYER = 32
HEAD_WIDTH = 32  # 32 to 64 for widths up to 256, where 128 would leave one head or none
MAX_DEPTH = 64
S = TypeVar("S", bound="Proxy | Rates | Schedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What fixes a model's parameters.

    `arch` is "gpt" (squared ReLU MLP), "llama" (SwiGLU), or "lexical": "gpt" whose attention also
    reads tokens from tables of their own and whose embeddings take in the token before.
    """

    vocab_size: int
    context: int
    depth: int
    width: int
    heads: int
    arch: str = "gpt"

    def __post_init__(self) -> None:
        """Refuse sizes that cannot make a model."""
        if self.arch not in ("gpt", "llama", "lexical"):
            raise RecipeError(f"arch is {self.arch!r}; write 'gpt', 'llama' or 'lexical'")
        if min(self.vocab_size, self.context, self.depth, self.width, self.heads) < 1:
            raise RecipeError(f"a model needs sizes of at least 1, not {self}")
        if self.width % (2 * self.heads):
            raise RecipeError(
                f"width {self.width} does not divide into {self.heads} heads of even size "
                "(rotary positions turn pairs); choose a width that is a multiple of 2 x heads"
            )

    @property
    def hidden(self) -> int:
        """Width of the MLP: 4 C, or 8/3 C rounded up to 32 for SwiGLU, which has three matrices."""
        return -(-8 * self.width // 96) * 32 if self.arch == "llama" else 4 * self.width

    @property
    def valued_layers(self) -> tuple[int, ...]:
        """Layers whose values get a table's: every other one and the last (nanochat/gpt.py)."""
        if self.arch != "lexical":
            return ()
        return tuple(layer for layer in range(self.depth) if (self.depth - 1 - layer) % 2 == 0)

    @property
    def gate_inputs(self) -> int:
        """How many numbers of the stream open a value's gate: 12 (nanochat/gpt.py), or all."""
        return min(12, self.width)

    @property
    def smear_inputs(self) -> int:
        """How many numbers of an embedding open its smear's gate: 24 (nanochat/gpt.py), or all."""
        return min(24, self.width)

    @property
    def block_parameters(self) -> int:
        """Parameters without embedding and head."""
        matrices = 3 if self.arch == "llama" else 2
        gates = len(self.valued_layers) * self.heads * self.gate_inputs
        return self.depth * (4 * self.width**2 + matrices * self.width * self.hidden) + gates

    @property
    def parameters(self) -> dict[str, int]:
        """How many weights lie in the blocks, the embedding, the head and tables of values."""
        outer = self.width * self.vocab_size
        found = {"blocks": self.block_parameters, "embedding": outer, "head": outer}
        if self.arch == "lexical":
            found |= {"values": len(self.valued_layers) * outer, "smear": self.smear_inputs + 1}
        return found

    @property
    def flops_per_token(self) -> int:
        """Arithmetic of one training token: 6 a weight of blocks and head, and attention's own.

        Attention: 12 x depth x width x context, forward and backward, as if not causal
        (Chowdhery et al. 2022, arXiv:2204.02311, appendix B).
        """
        weights = self.block_parameters + self.width * self.vocab_size
        return 6 * weights + 12 * self.depth * self.width * self.context


@dataclass(frozen=True, slots=True)
class Rates:
    """Highest learning rates by kind of weight, and how fast matrices decay.

    `optimizer` "adamw" uses AdamW for the matrices too, at `matrix`: the cross-check.
    """

    optimizer: str = "muon"
    matrix: float = 0.01
    embedding: float = 0.3
    head: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 1.0  # of block matrices only, times their rate: configs/proxies/d2.yaml

    def __post_init__(self) -> None:
        """Refuse rates that cannot train."""
        if self.optimizer not in ("muon", "adamw"):
            raise RecipeError(f"optimizer is {self.optimizer!r}; write 'muon' or 'adamw'")
        if min(self.matrix, self.embedding, self.head) <= 0:
            raise RecipeError(f"learning rates must be above 0, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """All settings of a training run except the mixture, the token budget and the seeds.

    `precision` "bf16" multiplies matrices in bfloat16 where the processor can and in float32
    elsewhere (the run's record says which); "fp32" always in float32.
    """

    name: str = circumstance("")
    depth: int
    width: int
    heads: int
    context: int
    batch_tokens: int
    arch: str = "lexical"
    precision: str = "bf16"
    document_mask: bool = False  # no gain at nanochat's scale (.85427 against .85407 bits a byte)
    # Share of each block's update dropped in training: for many passes over few tokens.
    dropout: float = 0.0
    # Weight of log^2 of the softmax's sum in the loss. PaLM's is 1e-4 (arXiv:2204.02311, section
    # 5); 0 here because the cap on logits already bounds that sum.
    z_loss: float = 0.0
    # Share of the steps, the last ones, whose weights are averaged into the model that is kept
    # (Izmailov et al. 2018, arXiv:1803.05407); 0: the weights of the last step.
    average_share: float = 0.0
    rates: Rates = field(default_factory=Rates)
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        """Refuse settings that do not fit together."""
        self.shape(1)
        if self.batch_tokens < 1 or self.batch_tokens % self.context:
            raise RecipeError(
                f"batch_tokens {self.batch_tokens} is not a multiple of the context "
                f"{self.context}; a batch is whole rows of one context"
            )
        if self.precision not in ("bf16", "fp32"):
            raise RecipeError(f"precision is {self.precision!r}; write 'bf16' or 'fp32'")
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout is {self.dropout!r}; it is a share from 0 to below 1")
        if not 0 <= self.average_share <= 1:
            raise RecipeError(f"average_share is {self.average_share!r}; it is a share from 0 to 1")
        if not 0 <= self.z_loss < 1:
            raise RecipeError(f"z_loss is {self.z_loss!r}; write a weight such as 1e-4, or 0")

    @property
    def batch_rows(self) -> int:
        """Rows of one context in a batch."""
        return self.batch_tokens // self.context

    def shape(self, vocab_size: int) -> Shape:
        """Return the model's sizes once the tokenizer is known."""
        return Shape(
            vocab_size=vocab_size,
            context=self.context,
            depth=self.depth,
            width=self.width,
            heads=self.heads,
            arch=self.arch,
        )


def proxy_of_depth(depth: int, name: str = "") -> Proxy:
    """Return the proxy that the dial gives: d2 has 0.1M block parameters, d4 0.8M, d8 6.3M.

    Rates of embedding and head fall with the root of the width (nanochat scripts/base_train.py
    scales them by (width / 768)^-0.5) from what was tuned at depth 2: configs/proxies/d2.yaml.
    """
    if not 1 <= depth <= MAX_DEPTH:
        raise RecipeError(f"depth is {depth!r}; choose 1 to {MAX_DEPTH}")
    width = WIDTH_PER_LAYER * depth
    context = 256 if depth <= 4 else 512 if depth <= 8 else 1024
    shrink, tuned = (width / 64) ** -0.5, Rates()
    return Proxy(
        name=name or f"d{depth}",
        depth=depth,
        width=width,
        heads=max(1, width // HEAD_WIDTH),
        context=context,
        batch_tokens=context * (8 if depth <= 4 else 16 if depth <= 8 else 32),
        rates=Rates(embedding=tuned.embedding * shrink, head=tuned.head * shrink),
    )


def find_proxy(name: str | Path) -> Proxy:
    """Return the proxy called `name`: a .yaml path, a file in configs/proxies, or "d" and a depth.

    Raises:
        RecipeError: no such proxy, an unknown key or a value of the wrong kind.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", str(name)):
            raise RecipeError(
                f"proxy is {shown(str(name))}; write a name or the path of a .yaml file"
            )
        path = PROXIES / f"{name}.yaml"
        if not path.exists() and (dial := re.fullmatch(r"d(\d{1,3})", str(name))):
            return proxy_of_depth(int(dial[1]))
    if not path.is_file():
        known = sorted(found.stem for found in PROXIES.glob("*.yaml"))
        close = difflib.get_close_matches(path.stem, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {known} and d1 to d64"
        raise RecipeError(f"no proxy {str(name)!r}{hint}")
    return _from_settings(parse_yaml(read_text(path), str(path)), path)


def proxy_from(settings: Mapping[str, Any], name: str = "") -> Proxy:
    """Return the proxy whose `curator.identity.settings_of` are `settings`."""
    return _override(proxy_of_depth(int(settings["depth"])), {**settings, "name": name}, "proxy")


def _from_settings(settings: Any, path: Path) -> Proxy:
    if not isinstance(settings, dict) or not isinstance(settings.get("depth"), int):
        raise RecipeError("a proxy needs a line 'depth: N'; the rest follows", where=str(path))
    if "name" in settings:
        raise RecipeError("a proxy's name is its file's name; drop 'name'", where=str(path))
    return _override(proxy_of_depth(settings["depth"], path.stem), settings, str(path))


def _override(base: S, settings: Mapping[str, Any], where: str) -> S:
    """Return the dataclass `base` with `settings` in place of its own, nested ones merged."""
    known = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    changed: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in known:
            close = difflib.get_close_matches(str(key), list(known), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are {sorted(known)}"
            raise RecipeError(f"unknown setting {key!r}{hint}", where=where)
        changed[key] = _checked(known[key], value, f"{where}: {key}")
    return dataclasses.replace(base, **changed)


def _checked(old: Any, value: Any, where: str) -> Any:
    """Return `value` if it is of the kind of `old`: whole numbers serve as numbers."""
    if isinstance(old, Rates | Schedule):
        if not isinstance(value, Mapping):
            raise RecipeError(f"found {value!r}, wanted a mapping of settings", where=where)
        return _override(old, value, where)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(old):
        raise RecipeError(f"found {value!r}, wanted {type(old).__name__}", where=where)
    return value
