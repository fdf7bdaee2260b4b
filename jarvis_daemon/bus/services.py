"""Services: what is neither state nor tool. A room offers a method, anyone asks for it.

A handler takes ``(params, principal)`` and returns a value, or an async iterator: its dicts travel as progress,
and its one ``Message`` is the result.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import CALLS, Role


@dataclass(frozen=True)
class Principal:
    """Who asks: fixed by hello, narrowed by drop, never widened."""

    session: str
    role: Role
    client: str = ""
    uid: int | None = None
    pid: int | None = None
    worker: str | None = None
    """Name of the worker, proved by its ticket."""
    alone: str = ""
    """Of a runbook: the gravest tier (``yellow``, ``red``) that this run may use without an approval. Of a model's
    call: ``yellow`` where the operator's own words named act and target, else ``never``, whatever a setting lets
    agents do. Given by rooms, never by a session."""
    origins: tuple[str, ...] = ()
    """Of a model's call: where each argument came from, a line each; an approval shows it and is bound to it."""

    def __str__(self) -> str:
        return f"{self.role}:{self.worker or self.client or self.session}"


DAEMON = Principal(session="daemon", role="operator", client="daemon")
"""The daemon itself, when one room asks another."""

ASKED: Final = "asked"
"""Message of the CancelledError of a call whose client asked to cancel it; without it the client just went away."""

Handler = Callable[[Any, Principal], Any]
StreamHandler = Callable[[Principal, AsyncIterator[bytes]], AsyncIterator[bytes]]
ALL_PEOPLE: frozenset[Role] = frozenset({"operator", "viewer", "front", "agent"})


class Services:
    """Offered methods by name, each with the roles that may ask."""

    def __init__(self) -> None:
        self._handlers: dict[str, tuple[Handler, frozenset[Role]]] = {}
        self._streams: dict[str, tuple[StreamHandler, frozenset[Role]]] = {}

    def offer(self, method: str, handler: Handler, *, roles: set[Role] | frozenset[Role] = ALL_PEOPLE) -> None:
        """Offer ``method``, which has to stand in the contract's table of calls; once only."""
        if method not in CALLS:
            raise ValueError(f"{method} is not in the contract")
        if method in self._handlers:
            raise ValueError(f"{method} is offered already")
        self._handlers[method] = (handler, frozenset(roles))

    async def ask(self, method: str, params: Any, principal: Principal) -> Any:
        """Call a service. Raises ``method_not_found`` when nobody offers it, ``forbidden`` for the wrong role."""
        if method not in self._handlers:
            raise JarvisError("method_not_found", f"Nobody here answers {method}")
        handler, roles = self._handlers[method]
        if principal.role not in roles:
            raise JarvisError("forbidden", f"A session of role {principal.role} may not call {method}")
        answer = handler(params, principal)
        if inspect.isawaitable(answer):
            return await _awaited(answer)
        return answer

    def offer_stream(
        self, kind: str, handler: StreamHandler, *, roles: set[Role] | frozenset[Role] = frozenset({"worker"})
    ) -> None:
        """Offer a kind of binary stream: the handler reads the client's frames and yields its own."""
        self._streams[kind] = (handler, frozenset(roles))

    def open_stream(self, kind: str, principal: Principal, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Start a stream. Raises ``not_found`` for an unknown kind, ``forbidden`` for the wrong role."""
        if kind not in self._streams:
            raise JarvisError("not_found", f"There is no stream of kind {kind!r}")
        handler, roles = self._streams[kind]
        if principal.role not in roles:
            raise JarvisError("forbidden", f"A session of role {principal.role} may not open a stream of {kind}")
        return handler(principal, incoming)


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
