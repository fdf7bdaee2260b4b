"""The daemon as an MCP server needs it: a link that may come and go, and one clean error when it is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError

UP_WITHIN_S: Final = 20.0
"""How long a call waits for the link: the time a daemon takes to start."""
_LOOK_S: Final = 0.25


class Upstream:
    """``tools`` maps names to what ``tool.list`` told last; ``blocked`` is why the daemon cannot be started."""

    def __init__(self, link: Link, *, up_within_s: float = UP_WITHIN_S) -> None:
        self.link = link
        self.tools: dict[str, dict[str, Any]] = {}
        self.blocked: JarvisError | None = None
        self._boot_id = ""
        self._up_within_s = up_within_s

    @property
    def up(self) -> bool:
        return self.link.status == "up"

    async def call(self, method: str, params: dict[str, Any] | None = None, *, timeout_s: float = 30.0) -> Any:
        """Raises ``JarvisError``."""
        await self._wait_up()
        return await self.link.call(method, params, timeout_s=timeout_s)

    async def stream(self, method: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Progress, then the result as the last item. Leaving early tells the daemon so. Raises ``JarvisError``."""
        await self._wait_up()
        async with aclosing(self.link.stream(method, params)) as items:  # type: ignore[type-var]
            async for item in items:
                yield item

    async def list_tools(self) -> list[dict[str, Any]]:
        """All tools, by name. Raises ``JarvisError``."""
        found = (await self.call("tool.list"))["tools"]
        self._boot_id = str(self.link.welcome.get("boot_id"))
        self.tools = {tool["name"]: tool for tool in found}
        return list(self.tools.values())

    async def tool(self, name: str) -> dict[str, Any] | None:
        """One tool, asked for again when it is not known or the daemon is another one."""
        if name not in self.tools or self._boot_id != str(self.link.welcome.get("boot_id")):
            await self.list_tools()
        return self.tools.get(name)

    async def _wait_up(self) -> None:
        link, waited = self.link, 0.0
        while not await link.wait_for(lambda it: it.status in {"up", "refused"}, _LOOK_S):
            waited += _LOOK_S
            if self.blocked is not None or waited >= self._up_within_s:
                break
        if not self.up:
            raise self.blocked or link.error or JarvisError("daemon_unreachable", "The daemon does not answer")
