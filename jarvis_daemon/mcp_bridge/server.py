"""The MCP server: its tools, resources and prompts are what the daemon tells; it decides nothing itself."""

from __future__ import annotations

from typing import Any, Final

from mcp import types
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from jarvis_daemon.mcp_bridge import prompts, resources, tools
from jarvis_daemon.mcp_bridge.upstream import Upstream
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.protocol.version import VERSION

INSTRUCTIONS: Final = (
    "Jarvis watches and runs a Proxmox VE homelab. Every tool carries a tier in `_meta` under `jarvis/tier`: green "
    "reads; yellow and red change something and usually answer `awaiting` until the operator has approved the call "
    f"in Jarvis itself, after which `{tools.WAIT_TOOL}` tells the outcome; black is always refused here. No "
    "argument counts as a confirmation. Outcomes are `verified` only after Jarvis has read the change back."
)
WAIT_SLICE_S = 2.0
"""A waiting client is told that often that it still waits, so that it does not give up."""
Context = ServerRequestContext[Any]


def build(upstream: Upstream) -> Server[Any]:
    """A server on top of one link to the daemon; every transport of one process may share it."""
    bridge = _Bridge(upstream)
    return Server(
        "jarvis", version=VERSION, title="Jarvis", description="Command centre of a Proxmox VE homelab",
        instructions=INSTRUCTIONS, get_tool_input_schema=bridge.input_schema,
        on_list_tools=bridge.list_tools, on_call_tool=bridge.call_tool, on_list_resources=bridge.list_resources,
        on_list_resource_templates=bridge.list_templates, on_read_resource=bridge.read_resource,
        on_list_prompts=bridge.list_prompts, on_get_prompt=bridge.get_prompt,
    )  # fmt: skip


class _Bridge:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    # --- tools -------------------------------------------------------------------------------------------

    def input_schema(self, name: str) -> dict[str, Any] | None:
        if name == tools.WAIT_TOOL:
            return tools.wait_tool().input_schema
        known = self._upstream.tools.get(name)
        return None if known is None else tools.describe(known).input_schema

    async def list_tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        try:
            found = await self._upstream.list_tools()
        except JarvisError as error:
            raise _protocol_error(error) from error
        # a foreign server's name and tool may add up to the name of ours, which goes first
        listed = [tools.describe(info) for info in found if info["name"] != tools.WAIT_TOOL]
        return types.ListToolsResult(tools=[*listed, tools.wait_tool()])

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """What a tool does wrong is told in its result; only an unknown name is an error of the protocol."""
        arguments = params.arguments or {}
        try:
            if params.name == tools.WAIT_TOOL:
                return await self._wait(ctx, arguments)
            info = await self._upstream.tool(params.name)
            if info is None:
                raise MCPError(types.INVALID_PARAMS, f"There is no tool {clean(params.name, limit=60)!r}")
            return await self._call(ctx, info, arguments)
        except JarvisError as error:
            return tools.failure(_told(error))

    async def _call(self, ctx: Context, info: dict[str, Any], arguments: dict[str, Any]) -> types.CallToolResult:
        read_only = info["tier"] == "green"
        call = {"name": info["name"], "args": arguments}
        outcome: dict[str, Any] | None = None
        steps = 0
        try:
            async for item in self._upstream.stream("tool.call", call):
                if "outcome" in item and "call_id" in item:
                    outcome = item
                    continue
                steps += 1
                await ctx.session.report_progress(float(steps), None, _progress_text(item))
        except JarvisError as error:
            if error.code == "daemon_unreachable" and not read_only:
                return tools.failure(
                    f"{_told(error)} Whether anything was done is not known: look before you try again."
                )
            raise
        if outcome is None:
            raise JarvisError("internal", f"{info['name']} gave no outcome")
        return tools.answer(outcome, read_only=read_only)

    async def _wait(self, ctx: Context, arguments: dict[str, Any]) -> types.CallToolResult:
        """In slices, each told as progress. Raises ``JarvisError``."""
        wanted, left = _wait_arguments(arguments)
        steps = 0
        while True:
            slice_s = min(left, WAIT_SLICE_S)
            outcome = await self._upstream.call(
                "tool.wait", {"id": wanted, "wait_s": slice_s}, timeout_s=slice_s + 30
            )
            left -= slice_s
            if outcome["outcome"] != "awaiting" or left <= 0:
                return tools.answer(outcome, read_only=False)
            steps += 1
            await ctx.session.report_progress(float(steps), None, str(outcome["text"]))

    # --- resources and prompts ---------------------------------------------------------------------------

    async def list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=resources.LIST)

    async def list_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=resources.TEMPLATES)

    async def read_resource(
        self, ctx: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            return await resources.read(self._upstream, str(params.uri))
        except JarvisError as error:
            raise _protocol_error(error) from error

    async def list_prompts(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=prompts.listed())

    async def get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        return prompts.get(params.name, params.arguments or {})


def _wait_arguments(arguments: dict[str, Any]) -> tuple[str, float]:
    """(id, seconds). Raises ``invalid_params``; an argument that is not declared is refused here too."""
    unknown = sorted(set(arguments) - {"id", "wait_s"})
    wanted, wait_s = arguments.get("id"), arguments.get("wait_s", 50)
    if unknown or not isinstance(wanted, str) or not 0 < len(wanted) <= 40:
        why = (
            f"unknown argument {clean(unknown[0], limit=40)!r}" if unknown else "`id` is an approval_id or call_id"
        )
        raise JarvisError("invalid_params", f"The arguments of {tools.WAIT_TOOL} are wrong", why=why)
    numeric = isinstance(wait_s, int | float) and not isinstance(wait_s, bool)
    if not numeric or not 0 <= wait_s <= tools.WAIT_TIMEOUT_MAX_S:
        why = f"`wait_s` lies between 0 and {tools.WAIT_TIMEOUT_MAX_S}"
        raise JarvisError("invalid_params", f"The arguments of {tools.WAIT_TOOL} are wrong", why=why)
    return wanted, float(wait_s)


def _progress_text(data: dict[str, Any]) -> str:
    lines = data.get("lines")
    if isinstance(lines, list) and lines:
        return clean(str(lines[-1]))
    return clean(str(data.get("text", "working")))


def _told(error: JarvisError) -> str:
    """What happened, why, what next, in one line."""
    return f"{error.sentence().rstrip('.')}. Next: {error.next}"


def _protocol_error(error: JarvisError) -> MCPError:
    code = types.INVALID_PARAMS if error.code in {"not_found", "invalid_params"} else types.INTERNAL_ERROR
    return MCPError(code, _told(error), data={"code": error.code})
