"""Who answers: a model on disk, an endpoint, or a transcript, as settings say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from curator import weights
from curator.errors import RecipeError
from curator.generate.asking import Answer, Backend, Request
from curator.generate.client import Client, Limits
from curator.generate.exchange import Server
from curator.stage import Site


@dataclass(frozen=True)
class Respondent:
    """One who can be asked. See `curator.generate.judging.Judging` for the settings.

    Attributes:
        role: what messages call it: "judge", "writer".
    """

    role: str
    model: str = ""
    url: str = ""
    key_variable: str = ""
    transcript: str = ""
    precision: str = "float32"
    concurrency: int = 4
    timeout_seconds: float = 120.0
    attempts: int = 6
    skip_refused: bool = False

    def __post_init__(self) -> None:
        """Refuse nobody, or two; a key in an address is refused before it is written anywhere."""
        if self.transcript and (self.model or self.url):
            raise RecipeError(f"both `transcript` and `model` or `url`; wanted one {self.role}")
        if not self.transcript and not self.model:
            raise RecipeError(
                f"no {self.role}; give `model` (on disk), `url` and `model` (an endpoint), or "
                "`transcript`"
            )
        if self.url:
            self._server()

    @property
    def name(self) -> str:
        """What names its answers in an identity: content, not where it lies."""
        if self.transcript:
            return f"transcript of {weights.digest(self._transcript())}"
        if self.url:
            return f"endpoint {self.model}"
        return weights.digest(weights.find(self.model))

    def client(self, site: Site, limits: Limits) -> Client:
        """Return the door to the one to ask; what was recorded need not be kept once more."""
        cache = None if self.transcript else site.cache
        return Client(self.backend(site), limits=limits, cache=cache)

    def backend(self, site: Site) -> Backend:
        """Return the one to ask. A model on disk is read when it is first asked, not before."""
        if self.transcript:
            from curator.generate.replay import Replay

            return Replay(self._transcript())
        if self.url:
            from curator.generate.endpoint import Endpoint

            return Endpoint(
                self._server(),
                self.model,
                concurrency=self.concurrency,
                skip_refused=self.skip_refused,
            )
        path = weights.find(self.model)
        digest = weights.digest(path)
        return _Later(f"{digest} {self.precision}", lambda: self._local(path, digest, site))

    def _local(self, path: Path, digest: str, site: Site) -> Backend:
        import torch

        from curator.generate.local import LocalModel
        from curator.score.pretrained import open_model

        torch.set_num_threads(site.threads)
        return LocalModel(
            *open_model(path),
            name=digest,
            device=site.device,
            precision=self.precision,
            skip_refused=self.skip_refused,
        )

    def _server(self) -> Server:
        return Server(self.url, self.key_variable, self.timeout_seconds, self.attempts)

    def _transcript(self) -> Path:
        path = Path(self.transcript).expanduser()
        if not path.is_file():
            raise RecipeError(f"no transcript {self.transcript!r}; wanted a file of answers")
        return path


class _Later:
    """A backend that is opened when it is first asked: a run whose answers are kept opens none."""

    def __init__(self, model: str, opening: Callable[[], Backend]) -> None:
        self.model = model
        self._opening = opening

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        return self._opened.answers(requests)

    def prompt_tokens(self, request: Request) -> int:
        return self._opened.prompt_tokens(request)

    @cached_property
    def _opened(self) -> Backend:
        return self._opening()
