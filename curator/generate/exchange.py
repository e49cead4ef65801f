"""One JSON question to one HTTP server, and one bounded JSON answer.

Redirects are not followed, nothing is decompressed, an answer is read up to a size and a time. A
server that is busy or broken is asked again after a pause that doubles.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import os
import random
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from curator.errors import RecipeError, ShardError, shown

_LARGEST = 4 << 20  # bytes of an answer: a thousand times what an answer with odds takes
_CHUNK = 1 << 16
_LONGEST_PAUSE = 60.0  # seconds
_LONGEST_TRY = 86_400.0  # seconds: a day; a socket cannot wait for any time there is a number of
_MOST_ATTEMPTS = 1_000
_AGAIN = {408, 409, 425, 429}  # and every 5xx: the server asks for another try
_REFUSALS = {400, 413, 422}  # of this question: too long, or not allowed
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class RefusedError(RecipeError):
    """The server refuses this one question, not the key or the address."""


class _Unanswered(Exception):
    """This try failed, the next may not."""

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause


@dataclass(frozen=True)
class Server:
    """An HTTP server that answers JSON with JSON.

    Attributes:
        url: http or https, host, perhaps port and path; no user, no query.
        key_variable: environment variable that holds the key; "": none is sent. The key itself is
            in no setting, file or message.
        timeout_seconds: for one try, from connecting to the last byte.
        attempts: tries before giving up.
        pause_seconds: before the second try; doubles with each, up to a minute.
    """

    url: str
    key_variable: str = ""
    timeout_seconds: float = 120.0
    attempts: int = 6
    pause_seconds: float = 1.0
    _idle: list[http.client.HTTPConnection] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be asked, and a key where it could be read on its way."""
        parts = _parts(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(f"url={_told(self.url)}; wanted http:// or https:// and a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise RecipeError(
                f"the url of {parts.hostname} has a user, query or fragment; wanted scheme, host, "
                "port and path alone: a key goes into the environment, under key_variable"
            )
        if self.key_variable and not _VARIABLE.fullmatch(self.key_variable):
            raise RecipeError(
                "key_variable is no name of an environment variable; wanted the name, such as "
                "JUDGE_KEY, never the key itself"
            )
        if self.key_variable and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise RecipeError(f"a key over plain http to {parts.hostname} can be read; use https")
        if not (
            0 < self.timeout_seconds <= _LONGEST_TRY
            and 1 <= self.attempts <= _MOST_ATTEMPTS
            and self.pause_seconds >= 0
        ):
            raise RecipeError(
                f"timeout_seconds={self.timeout_seconds!r}, attempts={self.attempts!r}, "
                f"pause_seconds={self.pause_seconds!r}; wanted above 0 and a day "
                f"({_LONGEST_TRY:,.0f}) at most, 1 to {_MOST_ATTEMPTS:,}, 0 or more"
            )

    def post(self, path: str, content: Mapping[str, Any]) -> Any:
        """Return the JSON that the server answers to `content` at its url + `path`.

        Raises:
            RecipeError: the server refuses the question or the key; another try would not help.
            ShardError: no answer after so many tries.
        """
        body = json.dumps(content).encode()
        why = ""
        for number in range(self.attempts):
            try:
                return self._try(path, body)
            except _Unanswered as failure:
                why = str(failure)
                # Not in step with others that the same fault hit.
                pause = self.pause_seconds * 2**number * random.uniform(0.5, 1.0)
                pause = max(pause, failure.pause)
                if number + 1 < self.attempts:
                    time.sleep(min(pause, _LONGEST_PAUSE))
        raise ShardError(
            f"no answer in {self.attempts} tries; the last one: {self.without_key(why)}; see "
            "whether the server runs, and run again: answers so far are kept",
            where=self.url,
        )

    def close(self) -> None:
        """Close the connections that are kept between questions."""
        while self._idle:
            self._idle.pop().close()

    def _try(self, path: str, body: bytes) -> Any:
        deadline = time.monotonic() + self.timeout_seconds
        headers = self._headers()
        connection = self._idle.pop() if self._idle else self._connection()
        prefix = urllib.parse.urlsplit(self.url).path.rstrip("/")
        try:
            with _until(deadline, connection):
                connection.request("POST", prefix + path, body, headers)
                response = connection.getresponse()
                content = _read(response)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Unanswered(f"{type(error).__name__}: {error}") from None
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)  # http.client opens it again if the server closed it
        return self._judged(response, content)

    def _judged(self, response: http.client.HTTPResponse, content: bytes) -> Any:
        status = response.status
        if status == HTTPStatus.OK:
            return self._parsed(content)
        if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Unanswered(f"HTTP {status} {response.reason}", _asked_pause(response))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            key = (
                f"the key in ${self.key_variable}" if self.key_variable else "a request without key"
            )
            raise RecipeError(f"HTTP {status}: the server refuses {key}", where=self.url)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise RecipeError(
                f"HTTP {status}: the server sends elsewhere, which is not followed; write the url "
                "that answers",
                where=self.url,
            )
        kind = RefusedError if status in _REFUSALS else RecipeError
        raise kind(f"HTTP {status}: {self._quoted(content)}", where=self.url)

    def _parsed(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise _Unanswered(f"no JSON: {self._quoted(content)}") from None

    def _quoted(self, content: bytes) -> str:
        """Return the beginning of an answer for a message; the key goes before anything is cut."""
        return shown(self.without_key(content[:4096].decode(errors="replace"))[:300])

    def without_key(self, text: str) -> str:
        """Return a text without the key, should a server repeat what it was sent."""
        key = self._key()
        return text.replace(key, "(key)") if key else text

    def _key(self) -> str:
        return os.environ.get(self.key_variable, "").strip() if self.key_variable else ""

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key_variable:
            key = self._key()
            if not key:
                raise RecipeError(
                    f"the environment variable {self.key_variable} is empty or not set; put the "
                    "key there"
                )
            if not (key.isascii() and key.isprintable()):
                raise RecipeError(f"${self.key_variable} holds characters that no key has")
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def _connection(self) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self.url)
        kinds: dict[str, Callable[..., http.client.HTTPConnection]] = {
            "http": http.client.HTTPConnection,
            "https": http.client.HTTPSConnection,
        }
        return kinds[parts.scheme](parts.hostname, parts.port, timeout=self.timeout_seconds)


@contextlib.contextmanager
def _until(deadline: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Cut the connection at a time: one that sends a byte now and then never times out by itself.

    Raises:
        _Unanswered: the time was over before the answer was.
    """
    if connection.sock is None:
        connection.connect()
    watch = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, [connection.sock])
    watch.daemon = True
    watch.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if time.monotonic() < deadline:
            raise
    finally:
        watch.cancel()
    if time.monotonic() >= deadline:  # what was cut off may look like an end
        raise _Unanswered("the answer took too long")


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed already
        # Not the method of a TLS socket, which is not to be called while another thread reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _read(response: http.client.HTTPResponse) -> bytes:
    """Return the body; a server may send too many bytes, or too few."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > _LARGEST:
            raise _Unanswered(f"an answer of more than {_LARGEST:,} bytes")
    response.close()  # else the connection takes no other question after an empty answer
    if response.length:  # fewer bytes than were announced
        raise _Unanswered(f"the answer broke off {response.length:,} bytes early")
    return b"".join(parts)


def _parts(url: str) -> urllib.parse.SplitResult:
    """Return the parts of a url.

    Raises:
        RecipeError: it has none, or a port that is no port.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # raises what is wrong with it
    except ValueError as error:
        raise RecipeError(f"url={_told(url)} ({error}); wanted scheme, host, port, path") from None
    return parts


def _told(url: str) -> str:
    """Return a url for a message; one that may hold a key is not told."""
    return "(with a user or a query)" if {"@", "?", "#"} & set(url) else repr(url)


def _asked_pause(response: http.client.HTTPResponse) -> float:
    """Return the seconds that the server asks to wait, 0 if it names none it could mean."""
    told = response.getheader("Retry-After") or "0"
    with contextlib.suppress(ValueError):
        return max(0.0, min(float(told), _LONGEST_PAUSE))  # NaN is 0
    with contextlib.suppress(ValueError, OverflowError):  # a date, as HTTP has it too
        seconds = email.utils.parsedate_to_datetime(told).timestamp() - time.time()
        return max(0.0, min(seconds, _LONGEST_PAUSE))
    return 0.0
