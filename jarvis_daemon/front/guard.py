"""Who may knock: checked before anything else sees a request.

Host and Origin are held against lists, so that no page in a browser can reach us by a name of its own (DNS
rebinding); then the bearer token, compared in constant time. It is read from the header alone, never the URL.
"""

from __future__ import annotations

import hmac
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS: Final = frozenset({"/healthz"})
TOKEN_MIN: Final = 20
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass
class TokenFile:
    """The token as it stands in its file now: a new one counts from the next request on."""

    path: Path
    _seen: tuple[int, int, int] | None = field(default=None, repr=False)
    _token: bytes = field(default=b"", repr=False)
    _why: str = ""

    def read(self) -> bytes | str:
        """The token, or in words why there is none: no file, one that others can read, one too short."""
        try:
            info = os.stat(self.path)
            mark = (info.st_ino, info.st_mtime_ns, info.st_mode)
            if mark != self._seen:
                self._token, self._why = self._load(info)
                self._seen = mark
        except OSError:
            self._seen = None
            return "no token is set; `jarvis mcp token` makes one"
        return self._token or self._why

    def fits(self, header: str | None) -> bool:
        """Whether the Authorization header carries the token; never without one."""
        token = self.read()
        scheme, _, given = (header or "").partition(" ")
        if isinstance(token, str) or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), token)

    def _load(self, info: os.stat_result) -> tuple[bytes, str]:
        if stat.S_IMODE(info.st_mode) & 0o077:
            return b"", "the token's file can be read by others; `jarvis mcp token --new` makes a new one"
        token = self.path.read_bytes().strip()
        if len(token) < TOKEN_MIN:
            return b"", "the token's file holds no token; `jarvis mcp token --new` makes one"
        return token, ""


@dataclass(frozen=True)
class Doors:
    """The names by which we may be called, with the port."""

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, host: str, port: int, more_hosts: list[str], more_origins: list[str]) -> Doors:
        own = f"[{host}]" if ":" in host else host
        names = {*_LOOPBACK, own}
        hosts = {f"{name}:{port}" for name in names} | set(more_hosts)
        origins = {f"http://{name}:{port}" for name in names} | set(more_origins)
        return cls(frozenset(h.lower() for h in hosts), frozenset(o.lower() for o in origins))


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, token: TokenFile, doors: Doors) -> None:
        self._app, self._token, self._doors = app, token, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSocket here: the connection is closed
        refusal = self._refusal(Headers(scope=scope), scope["path"])
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._doors.hosts:
            return _say(421, "Not the name of this server", "Add it to front.allowed_hosts.")
        origins = headers.getlist("origin")
        if origins and (len(origins) != 1 or origins[0].lower() not in self._doors.origins):
            return _say(403, "Not an origin of this server", "Add it to front.allowed_origins.")
        if path in OPEN_PATHS:
            return None
        if len(headers.getlist("authorization")) == 1 and self._token.fits(headers["authorization"]):
            return None
        token = self._token.read()
        why = token if isinstance(token, str) else "the bearer token is missing or wrong"
        return _say(401, f"Not authorized: {why}", "`jarvis mcp config CLIENT --http` prints how to call.")


def _say(status: int, what: str, next_step: str) -> JSONResponse:
    headers = {"WWW-Authenticate": 'Bearer realm="jarvis"'} if status == 401 else {}
    return JSONResponse({"error": what, "next": next_step}, status_code=status, headers=headers)
