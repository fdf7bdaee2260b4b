"""The routes: ``/mcp`` behind the guard, ``/healthz`` for whoever watches."""

from __future__ import annotations

from typing import Final

from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from jarvis_daemon.front.guard import Doors, Guard, TokenFile
from jarvis_daemon.mcp_bridge.server import build as build_server
from jarvis_daemon.mcp_bridge.upstream import Upstream

BODY_MAX: Final = 1 << 20
"""No more than the daemon takes in a frame."""
SESSIONS_MAX: Final = 256
SESSION_IDLE_S: Final = 1800.0


def build(upstream: Upstream, token: TokenFile, doors: Doors) -> Guard:
    """The ASGI application."""

    async def healthz(request: Request) -> JSONResponse:
        return JSONResponse({"ok": upstream.up}, status_code=200 if upstream.up else 503)

    inner = build_server(upstream).streamable_http_app(
        streamable_http_path="/mcp", max_request_body_size=BODY_MAX, max_sessions=SESSIONS_MAX,
        session_idle_timeout=SESSION_IDLE_S, custom_starlette_routes=[Route("/healthz", healthz)],
        transport_security=TransportSecuritySettings(
            allowed_hosts=sorted(doors.hosts), allowed_origins=sorted(doors.origins)
        ),
    )  # fmt: skip
    return Guard(inner, token, doors)
