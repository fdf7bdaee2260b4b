"""The process of cloud models: litellm lives here, and the API key with it; the daemon loads neither.

Over one binary stream, a JSON document a frame: it says ``{ready}`` once it listens, is asked ``{id, messages,
tools, schema, max_tokens, temperature, seed, timeout_s}`` in the words of the OpenAI protocol and answers with that
``id``: ``{text}``, ``{thinking}`` and ``{tool: {id, name, args | broken}}``, ``{usage: {input, output, cached,
written}}``, at last ``{done, end}`` or ``{failed: {why, text, …}, end}``. ``{id, cancel: true}`` closes the
provider's connection, so that it stops. No call is made twice: who asks decides that.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import importlib.util
import ipaddress
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import AsyncIterator, MutableMapping
from typing import Any, Final

from jarvis_daemon.assistant.worker.faults import failure, hidden
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

STREAM: Final = "assistant.llm"
ARGUMENTS_MAX: Final = 64 * 1024
CALLS_MAX: Final = 64
REPLY_MAX: Final = 2_000_000
"""Characters; ``max_tokens`` ends any honest reply far below."""
PIECE_MAX: Final = 16 * 1024
"""Characters that are told at once: a frame to the daemon has an end."""
BROKEN_MAX: Final = 2000
_ENVIRON: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a list of prices from the network
    "LITELLM_MODE": "PRODUCTION",  # else it reads a .env of whatever folder this is
    "LITELLM_LOG": "CRITICAL",
    "LITELLM_TELEMETRY": "False",
}
_ELSEWHERE: Final = ("_API_BASE", "_BASE_URL", "_API_KEY", "_AUTH_TOKEN")
"""Ends of variables by which litellm would ask another address, or with another key, than the settings say."""
_REASONS: Final = re.compile(r"(?:^|/)(?:gpt-[5-9]|o\d)")
"""Models that refuse a temperature, which litellm does not know of all of them."""
_opened: contextvars.ContextVar[list[Any]] = contextvars.ContextVar("opened")
"""The HTTP answers of the call that runs in this context."""


async def work(link: Link, config: dict[str, Any]) -> None:
    """Until the daemon ends us. Raises ``unavailable`` when litellm is not installed."""
    require()
    settings, key = config["settings"], config["secrets"].get("key", "")
    _quiet(key)
    number = int((await link.call("stream.open", {"kind": STREAM}))["stream"])
    # in a thread: loading takes seconds, and the heart has to beat meanwhile
    library = await asyncio.to_thread(load, simulated=bool(settings["simulated"]))
    _quiet(key)  # loading it set some of that anew
    models = Models(library, settings["model"], settings["base_url"], key)
    calls: dict[int, asyncio.Task[None]] = {}

    async def answer(request: dict[str, Any]) -> None:
        try:
            async for told in models.answers(request):
                await link.send_binary(number, json.dumps({"id": request["id"], **told}).encode())
        except JarvisError:
            return  # the link is gone, and with it whoever asked
        finally:
            calls.pop(request["id"], None)

    def asked(stream: int, payload: bytes) -> None:
        if stream != number:
            return
        request = json.loads(payload)
        if not request.get("cancel"):
            calls[request["id"]] = spawn(answer(request), name="llm-call")
        elif (call := calls.get(request["id"])) is not None:
            call.cancel()

    link.on_binary = asked
    await link.send_binary(number, json.dumps({"ready": True}).encode())
    await asyncio.Event().wait()


def require() -> None:
    """Raises ``unavailable`` with the command that installs what is missing."""
    if importlib.util.find_spec("litellm") is None:
        raise JarvisError(
            "unavailable", "litellm is not installed", why="the extra `llm` is missing",
            next="Run `pip install 'jarvis-homelab[llm]'`.",
        )  # fmt: skip


def load(*, simulated: bool) -> Any:
    """litellm, with everything off that reaches out by itself."""
    settle(os.environ, simulated=simulated)
    warnings.simplefilter("ignore")  # what pydantic warns of holds the reply
    library: Any = importlib.import_module("litellm")
    library.telemetry = False
    library.suppress_debug_info = True
    library.drop_params = True  # of what a model does not take: a temperature
    library.modify_params = True  # some want tools declared where a conversation had them before
    library.disable_aiohttp_transport = True  # so that all of it goes through ``_send``
    library.callbacks, library.success_callback, library.failure_callback = [], [], []
    _watch(library.httpx, simulated=simulated)
    return library


def settle(environ: MutableMapping[str, str], *, simulated: bool) -> None:
    """An environment in which only the settings say whom litellm asks."""
    for name in list(environ):
        if name.endswith(_ELSEWHERE) or name.startswith("LITELLM_"):
            del environ[name]
    environ.update(_ENVIRON)
    if simulated:
        environ["NO_PROXY"] = environ["no_proxy"] = "*"  # a proxy lies beyond this machine


def _watch(httpx: Any, *, simulated: bool) -> None:
    """All requests of this process go through here. Redirects are not followed: they would take the key along. The
    answers are kept, since some of litellm's streams leave theirs open when they are closed."""
    plain = httpx.AsyncClient.send

    async def send(client: Any, request: Any, **options: Any) -> Any:
        if simulated and not _is_loopback(request.url.host):
            raise httpx.ConnectError("the simulated homelab connects to this machine only", request=request)
        response = await plain(client, request, **{**options, "follow_redirects": False})
        _opened.get([]).append(response)
        return response

    httpx.AsyncClient.send = send


class Models:
    """One model of one provider. ``library`` is litellm."""

    def __init__(self, library: Any, model: str, base_url: str | None, key: str) -> None:
        self._library, self._model, self._key = library, model, key
        self._base_url = base_url
        if base_url is not None and model.startswith("openai/") and base_url.count("/") == 2:
            self._base_url = f"{base_url}/v1"  # as every server of that protocol has it

    async def answers(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What is told of one request, the end included. Closing it closes the connection."""
        opened: list[Any] = []
        _opened.set(opened)
        reply = Reply()
        try:
            stream = await self._library.acompletion(**self._call(request))
            async for chunk in stream:
                for told in reply.take(chunk):
                    yield told
            for told in reply.ending(stream):
                yield told
        except Exception as error:
            yield {"failed": failure(error, self._key, begun=reply.begun), "end": True}
        finally:
            for response in opened:
                await response.aclose()

    def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {
            "model": self._model, "messages": request["messages"], "stream": True,
            "stream_options": {"include_usage": True}, "max_tokens": request["max_tokens"],
            "api_key": self._key or "none", "num_retries": 0, "max_retries": 0, "timeout": request["timeout_s"],
        }  # fmt: skip
        if not _REASONS.search(self._model):
            given["temperature"] = request["temperature"]
        if self._base_url is not None:
            given["api_base"] = self._base_url
        if request.get("seed") is not None:
            given["seed"] = request["seed"]
        if request.get("tools"):
            given["tools"] = request["tools"]
        if request.get("schema") is not None:
            answer = {"name": "answer", "schema": request["schema"]}
            given["response_format"] = {"type": "json_schema", "json_schema": answer}
        return given


class Reply:
    """One reply, put together. ``begun``: the model has said something, so that it costs something."""

    def __init__(self) -> None:
        self.begun = False
        self._size = 0
        self._calls: dict[int, dict[str, str]] = {}
        self._reason = ""
        self._usage: Any = None

    def take(self, chunk: Any) -> list[dict[str, Any]]:
        self._usage = getattr(chunk, "usage", None) or self._usage
        told: list[dict[str, Any]] = []
        for choice in chunk.choices[:1]:
            self._reason = choice.finish_reason or self._reason
            text = choice.delta.content or ""
            self._size += len(text)
            told += [{"text": text[at : at + PIECE_MAX]} for at in range(0, len(text), PIECE_MAX)]
            for part in choice.delta.tool_calls or []:
                self._piece(part)
            if getattr(choice.delta, "reasoning_content", None):
                told.append({"thinking": True})  # no part of the reply, but a sign of life
            self.begun = self.begun or bool(told or self._calls)
        if self._size > REPLY_MAX:
            raise ValueError("a reply that has no end")
        return told

    def _piece(self, part: Any) -> None:
        call = self._calls.setdefault(part.index or 0, {"id": "", "name": "", "args": ""})
        if part.id:
            call["id"] = part.id
        if part.function.name:
            call["name"] = part.function.name
        call["args"] += part.function.arguments or ""
        if len(call["args"]) > ARGUMENTS_MAX or len(self._calls) > CALLS_MAX:
            raise ValueError("a tool's arguments that have no end")

    def ending(self, stream: Any) -> list[dict[str, Any]]:
        """Calls in their order, usage, done. litellm makes up an end, and tokens, where the provider told none."""
        if stream.received_finish_reason is None and stream.intermittent_finish_reason is None:
            why = "cut" if self.begun else "bad_reply"
            return [{"failed": {"why": why, "text": "the stream ended before its end"}, "end": True}]
        told: list[dict[str, Any]] = [
            {"tool": tool_use(call, f"call_{index}")} for index, call in sorted(self._calls.items())
        ]
        if self._usage is not None and any(getattr(chunk, "usage", None) for chunk in stream.chunks):
            told.append({"usage": tokens(self._usage)})
        if self._reason == "content_filter":
            return [*told, {"failed": {"why": "refused", "text": "a filter of its provider ended it"}, "end": True}]
        reason = "tool_calls" if told and "tool" in told[0] else "length" if self._reason == "length" else "stop"
        return [*told, {"done": reason, "end": True}]


def tool_use(call: dict[str, str], fallback_id: str) -> dict[str, Any]:
    """``args`` where they are a JSON object, else ``broken``: what the model wrote instead."""
    made = {"id": call["id"] or fallback_id, "name": call["name"]}
    try:
        args = json.loads(call["args"] or "{}")
    except (ValueError, RecursionError):
        args = None
    return {**made, "args": args} if isinstance(args, dict) else {**made, "broken": call["args"][:BROKEN_MAX]}


def tokens(usage: Any) -> dict[str, int]:
    """``input`` counts all of the prompt, whichever provider told it."""
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(usage, "cache_read_input_tokens", None) or getattr(details, "cached_tokens", None) or 0
    written = getattr(usage, "cache_creation_input_tokens", None) or 0
    return {
        "input": int(usage.prompt_tokens), "output": int(usage.completion_tokens), "cached": int(cached),
        "written": int(written),
    }  # fmt: skip


class _Hiding(logging.Formatter):
    def __init__(self, key: str) -> None:
        super().__init__(logging.BASIC_FORMAT)
        self._key = key

    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record), self._key)


def _quiet(key: str) -> None:
    """What libraries log goes into the daemon's log: little of it, and the key never."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Hiding(key))
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "httpcore", "openai", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.excepthook = lambda kind, error, trace: print(hidden(f"{kind.__name__}: {error}", key), file=sys.stderr)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
