"""The host's side: a worker that holds the connections, a stream to it, and the tools it brings."""

from __future__ import annotations

import asyncio
import logging
import stat
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import Clock
from jarvis_daemon.mcp_servers import pins
from jarvis_daemon.mcp_servers.foreign import build, tool_name
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings import McpServerSettings, McpSettings
from jarvis_daemon.store import Store
from jarvis_daemon.supervisor import Asking, Lost, Supervisor, WorkerSpec
from jarvis_daemon.tools import Act, Context, Registry, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

_log = logging.getLogger("jarvis.mcp_servers")
STREAM: Final = "mcp.servers"
WORKER: Final = "mcp_servers"


_TRUST: Final = Sentences("Trust what the MCP server {target} defines now", "{target} is trusted as it is now.")


class TrustArgs(Args):
    server: Annotated[str, Meta(min_length=1, max_length=20, description="name under [mcp.servers]")]


class Trusted(Output):
    tools: list[str] = msgspec.field(default_factory=list)


class McpServers:
    """``start`` does nothing where no server is configured."""

    def __init__(
        self, settings: McpSettings, places: Places, bus: Bus, store: Store, feed: Feed, registry: Registry,
        clock: Clock, *, simulated: bool,
    ) -> None:  # fmt: skip
        self._servers = {name: server for name, server in settings.servers.items() if server.enabled}
        self._places, self._store, self._feed, self._registry = places, store, feed, registry
        self._simulated = simulated
        self._told: dict[str, dict[str, dict[str, Any]]] = {}
        self._errors: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        self._taking = asyncio.Lock()
        self._spec = WorkerSpec(WORKER)
        self._asking = Asking(
            bus, clock, WORKER, STREAM, lambda: self._spec, start_s=0, unasked=self._told_by_worker
        )
        if self._servers:
            registry.add(self._trust_tool())

    async def start(self, supervisor: Supervisor) -> None:
        """Start the worker with what can be used; a server whose secrets cannot is left out, and told of."""
        given: dict[str, Any] = {}
        secrets: dict[str, str] = {}
        for name, server in self._servers.items():
            try:
                secrets |= self._secrets(name, server)
                given[name] = self._checked(name, server)
            except JarvisError as error:
                await self._feed.post(
                    "mcp.server", f"The MCP server {name} is left out: {error.sentence()}.", severity="warning"
                )
        if given:
            self._spec = WorkerSpec(WORKER, settings={"servers": given}, secrets=secrets)
            self._asking.start(supervisor)
            await self._asking.wanted()

    def _checked(self, name: str, server: McpServerSettings) -> dict[str, Any]:
        """What the worker is given. Raises ``config_invalid``."""
        if (server.command is None) == (server.url is None):
            raise JarvisError("config_invalid", f"mcp.servers.{name} needs either command or url")
        loopback = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
        if self._simulated and server.url is not None and not server.url.startswith(loopback):
            raise JarvisError("config_invalid", "the simulated homelab connects to loopback only")
        return server.model_dump(include={"command", "args", "env", "url", "timeout_s"})

    def _secrets(self, name: str, server: McpServerSettings) -> dict[str, str]:
        """``NAME/VARIABLE`` and ``NAME/`` (the token) to their values. Raises ``config_invalid``."""
        files = {f"{name}/{variable}": file for variable, file in server.env_files.items()}
        if server.token_file is not None:
            files[f"{name}/"] = server.token_file
        return {key: _secret(self._places.config_dir / Path(file).expanduser()) for key, file in files.items()}

    async def call(self, server: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises ``unavailable`` before anything was sent, ``timed_out`` when it is not known what became of it."""
        try:
            answer = await self._asking.ask({"server": server, "tool": tool, "args": arguments})
        except Lost as lost:
            if not lost.sent:
                raise JarvisError("unavailable", f"The MCP server {server} is not connected") from None
            answer = {"lost": lost.why}
        if "lost" in answer:
            raise JarvisError(
                "timed_out", f"The MCP server {server} did not answer", why=clean(str(answer["lost"]))
            )
        if "error" in answer:
            why = clean(str(answer["error"]))
            raise JarvisError("unavailable", f"The MCP server {server} refused", why=why, next="Ask it otherwise.")
        return dict(answer["result"])

    # --- its tools ---------------------------------------------------------------------------------------

    async def _told_by_worker(self, message: dict[str, Any]) -> None:
        if message.get("server") in self._servers:
            await self._tools_told(message["server"], message)

    async def _tools_told(self, server: str, message: dict[str, Any]) -> None:
        if "error" in message:
            why = clean(str(message["error"]))
            if self._errors.get(server) == why:
                return  # told already; the worker goes on trying
            self._errors[server] = why
            await self._feed.post(
                "mcp.server", f"The MCP server {server} cannot be used: {why}", severity="warning"
            )
            return
        self._errors.pop(server, None)
        async with self._taking:
            self._told[server] = {str(tool["name"]): tool for tool in message["tools"]}
            found = {name: pins.fingerprint(tool) for name, tool in self._told[server].items()}
            verdicts = await self._store.write(lambda db: pins.check(db, server, found), durable=True)
            self._register(server, {name for name, verdict in verdicts.items() if verdict != "changed"})
        new = sorted(clean(name, limit=60) for name, verdict in verdicts.items() if verdict == "new")
        if new:
            shown = ", ".join(new[:8]) + (" and more" if len(new) > 8 else "")
            await self._feed.post("mcp.tools", f"The MCP server {server} brings {len(new)} new tools: {shown}.")
        for name in sorted(name for name, verdict in verdicts.items() if verdict == "changed"):
            await self._feed.post(
                "mcp.changed",
                f"The MCP server {server} changed its tool {clean(name, limit=60)}: it is disabled until "
                f"`jarvis tool call trust_mcp_server server={server}`.",
                severity="warning", key=f"mcp-changed:{server}/{name}:{found[name]}",
            )  # fmt: skip

    def _register(self, server: str, names: set[str]) -> None:
        """Replace what is registered of that server. A name that is taken by another tool stays with that one."""
        for old in self._names.pop(server, []):
            self._registry.remove(old)
        settings, added = self._servers[server], self._names.setdefault(server, [])
        for name in sorted(names):
            tier = Tier[settings.tiers.get(name, "red").upper()]
            if tool_name(server, name) in self._registry:
                continue
            try:
                self._registry.add(build(server, self._told[server][name], tier, settings.timeout_s, self.call))
            except (ValueError, TypeError) as error:
                _log.warning("tool left out", extra={"data": {"server": server, "why": str(error)[:200]}})
                continue
            added.append(tool_name(server, name))

    # --- letting a changed definition in -----------------------------------------------------------------

    def _trust_tool(self) -> ToolSpec:
        def resolve(args: TrustArgs, ctx: Context) -> Target:
            if args.server not in self._told:
                known = ", ".join(sorted(self._told)) or "none"
                raise JarvisError("not_found", f"No MCP server {args.server!r} is connected", why=f"known: {known}")
            return Target(
                f"mcp:{args.server}", args.server, "mcp", facts={"found": self._fingerprints(args.server)}
            )

        def risk(args: TrustArgs, target: Target, ctx: Context) -> Risk:
            found = target.facts["found"]  # what was shown is what is trusted: it is part of the digest
            shown = [f"{clean(name, limit=60)} ({digest[:12]})" for name, digest in sorted(found.items())]
            return Risk(effects=(f"Its tools, with the hashes of their definitions: {', '.join(shown)}",))

        async def run(args: TrustArgs, target: Target, act: Act) -> Trusted:
            async with act.step(f"pins the definitions of {args.server}"):
                found = target.facts["found"]
                await self._store.write(lambda db: pins.accept(db, args.server, found), durable=True)
                if found == self._fingerprints(args.server):
                    self._register(args.server, set(found))
            return Trusted(tools=list(self._names.get(args.server, [])))

        def verify(args: TrustArgs, target: Target, result: Trusted, ctx: Context) -> Verdict:
            now = self._fingerprints(args.server)
            return Verdict("verified" if now == target.facts["found"] else "contradicted")

        return ToolSpec(
            name="trust_mcp_server", room="mcp", tier=Tier.BLACK, args=TrustArgs, output=Trusted, resolve=resolve,
            risk=risk, run=run, verify=verify, sentences=_TRUST,
            description="Accept the definitions of a configured MCP server's tools as they are now.",
        )  # fmt: skip

    def _fingerprints(self, server: str) -> dict[str, str]:
        return {name: pins.fingerprint(tool) for name, tool in self._told.get(server, {}).items()}


def _secret(path: Path) -> str:
    """The secret in a file of ours. Raises ``config_invalid``."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise JarvisError("config_invalid", f"{path} can be read by others", next=f"Run `chmod 600 {path}`.")
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise JarvisError("config_invalid", f"{path} cannot be read", why=str(error)) from None
