"""A model behind any server that speaks the OpenAI protocol: llama-server, Ollama, vLLM, LM Studio.

    answers 400 exceed_context_size_error    overflow, with the tokens of the prompt and of the context
            401 403                          auth
            404                              missing
            429                              rate_limit, with Retry-After
            5xx                              overloaded; 503 also while the model is being loaded
    no connection                            unreachable
    silent for first_token_s, then idle_s    timeout
    an end without [DONE] or finish_reason   cut
    what is no JSON, no chunk, too long      bad_reply

The library comes with the first question. No proxy is used, no redirect followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from jarvis_daemon.assistant.llm import health
from jarvis_daemon.assistant.llm.choosing import choosing
from jarvis_daemon.assistant.llm.chunks import Reply
from jarvis_daemon.assistant.llm.circles import Circles
from jarvis_daemon.assistant.llm.contract import Event, Failed, Name, Place, Request, State, Text, guess_tokens
from jarvis_daemon.assistant.llm.faults import of_error, of_status
from jarvis_daemon.assistant.llm.sse import Events
from jarvis_daemon.assistant.llm.waiting import within
from jarvis_daemon.assistant.llm.wire import body
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings import LocalModelSettings
from jarvis_daemon.settings.secret import secret

if TYPE_CHECKING:
    import httpx

CONNECT_S: Final = 5.0
ASK_S: Final = 5.0
"""For what a server answers at once: tokens, its state."""
FAULT_MAX: Final = 65_536
"""Bytes that are read of an answer that is none."""
KEEP_S: Final = 2.0
"""An idle connection is not used again after that: llama-server closes them after 5 s."""


class LocalModel:
    """``uds``: the unix socket it listens at. ``simulated``: only a server of this machine is asked. ``sampling``:
    words of the server's own beside those of the protocol."""

    def __init__(
        self, settings: LocalModelSettings, places: Places, clock: Clock, *, uds: Path | None = None,
        name: Name = "local", simulated: bool = False, sampling: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.name: Name = name
        self.model = settings.model
        self.native_tools = settings.native_tools
        self._settings, self._places, self._clock, self._uds = settings, places, clock, uds
        self._sampling = dict(sampling or {})
        self._url = settings.url.rstrip("/").removesuffix("/v1")
        parts = urlsplit(self._url)
        self.place: Place = health.place_of(parts.hostname or "", here=uds is not None)
        self._forbidden = simulated and self.place != "here"
        self._who = f"The {name} model" if uds is not None else f"The {name} model's server at {parts.netloc}"
        self._client: httpx.AsyncClient | None = None
        self._window: int | None = settings.window_tokens
        self._tokenizes = True

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """As the contract says. Tools are chosen from a schema where the model does not call them by itself."""
        if request.tools and not self.native_tools:
            return choosing(self._stream, request, self._who)
        return self._stream(request)

    async def window(self) -> int:
        if self._window is None:
            self._window = await health.window(self._ask, self.model)
        return self._window or health.WINDOW_GUESS

    async def count(self, text: str) -> int:
        """By ``/tokenize`` of llama-server or vLLM. Whether there is one is found out once."""
        if self._tokenizes and text:
            told = await self._ask("POST", "/tokenize", {"model": self.model, "content": text, "prompt": text})
            if (found := health.tokens_of(told)) is not None:
                return found
            self._tokenizes = isinstance(told, Failed) and told.why not in {"missing", "refused", "bad_reply"}
        return guess_tokens(text)

    async def state(self) -> State:
        told = await self._ask("GET", "/v1/models")
        if isinstance(told, Failed):
            return State(False, told.text, self.model)
        found, why = health.model_of(told, self.model)
        if found is None:
            return State(False, f"{self._who} {why}", self.model)
        self._window = self._settings.window_tokens
        return State(True, "", found, await self.window())

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _stream(self, request: Request) -> AsyncIterator[Event]:
        """The reply to one request, and its end."""
        reply, parser, circles = Reply(), Events(), Circles()
        try:
            async with contextlib.AsyncExitStack() as stack:
                began = self._clock.monotonic()
                sent = self._send("POST", "/v1/chat/completions", body(request, self.model) | self._sampling)
                response = await within(self._clock, self._settings.first_token_s, sent)
                stack.push_async_callback(response.aclose)  # the server notices, and stops
                if response.status_code != 200:
                    yield of_status(self._who, response.status_code, await self._fault(response), response.headers)
                    return
                pieces = _pieces(response)
                await stack.enter_async_context(contextlib.aclosing(pieces))
                while (chunk := await self._next(pieces, reply, began)) is not None:
                    for data in parser.feed(chunk):
                        if data == "[DONE]":
                            for event in reply.finish():
                                yield event
                            return
                        for event in self._read(reply, data):
                            yield event
                            if isinstance(event, Failed):
                                return
                            if isinstance(event, Text) and circles.take(event.text):
                                what = "turned in circles, and was stopped"
                                yield Failed("bad_reply", f"The {self.name} model {what}")
                                return
                for event in self._last(reply, parser):
                    yield event
        except JarvisError as error:
            yield Failed("auth" if error.code == "config_invalid" else "refused", error.sentence())
        except (ValueError, RecursionError) as error:
            yield Failed(
                "bad_reply", f"{self._who} answers what nobody understands: {clean(str(error), limit=120)}"
            )
        except TimeoutError:
            yield Failed("timeout", self._late(reply))
        except Exception as error:
            if not _is_transport(error):
                raise
            for event in reply.cut():
                yield event
            yield self._lost(error, reply)

    async def _next(self, pieces: AsyncGenerator[bytes], reply: Reply, began: float) -> bytes | None:
        """The next bytes, None at the end. Raises ``TimeoutError``; to the first token it counts from ``began``."""
        left = self._settings.idle_s
        if not reply.began:
            left = max(0.0, began + self._settings.first_token_s - self._clock.monotonic())
        return await within(self._clock, left, _piece(pieces))

    def _read(self, reply: Reply, data: str) -> list[Event]:
        chunk = json.loads(data)
        if not isinstance(chunk, dict):
            raise ValueError("a chunk that is no object")
        error = chunk.get("error")
        if error:
            return [
                *reply.cut(),
                of_error(self._who, error if isinstance(error, dict) else {"message": str(error)}),
            ]
        return reply.take(chunk)

    def _last(self, reply: Reply, parser: Events) -> list[Event]:
        """What the end of the connection means: a whole reply, or half of one."""
        found: list[Event] = []
        with contextlib.suppress(ValueError, RecursionError):  # half an event
            for data in parser.end():
                found += [] if data == "[DONE]" else self._read(reply, data)
                if data == "[DONE]":
                    return [*found, *reply.finish()]
        if reply.ended:
            return [*found, *reply.finish()]
        return [*found, *reply.cut(), Failed("cut", f"{self._who} ended its reply in the middle")]

    async def _send(self, method: str, path: str, payload: dict[str, Any] | None = None) -> httpx.Response:
        """The answer's head. Raises what the library raises, ``JarvisError`` where we may not or cannot ask."""
        client = await self._opened()
        headers = {}
        if key := secret(self._places, None, self._settings.key_file, f"{self.name}-model-key"):
            headers["Authorization"] = f"Bearer {key}"
        given = client.build_request(method, self._url + path, json=payload, headers=headers)
        return await client.send(given, stream=True)

    async def _opened(self) -> httpx.AsyncClient:
        if self._forbidden:
            raise JarvisError(
                "forbidden", f"{self._who} is not asked",
                why="this homelab is simulated, so nothing leaves this machine",
                next="Use a server on 127.0.0.1, or a real cluster: `jarvis setup`.",
            )  # fmt: skip
        if self._client is None:
            library = await asyncio.to_thread(importlib.import_module, "httpx")
            self._client = self._client or self._made(library)
        return self._client

    def _made(self, library: Any) -> httpx.AsyncClient:
        transport = library.AsyncHTTPTransport(
            verify=self._trust(), trust_env=False, uds=None if self._uds is None else str(self._uds),
            limits=library.Limits(keepalive_expiry=KEEP_S),
        )  # fmt: skip
        client: httpx.AsyncClient = library.AsyncClient(
            transport=transport, timeout=library.Timeout(None, connect=CONNECT_S), trust_env=False,
            follow_redirects=False, headers={"Accept-Encoding": "identity", "User-Agent": "jarvis"},
        )  # fmt: skip
        return client

    def _trust(self) -> ssl.SSLContext:
        if not self._url.startswith("https:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, costs nothing
        if self._settings.ca_file is None:
            return ssl.create_default_context()
        path = self._places.config_dir / Path(self._settings.ca_file).expanduser()
        try:
            return ssl.create_default_context(cafile=str(path))
        except (OSError, ssl.SSLError) as error:
            raise JarvisError("config_invalid", f"The CA file {path} cannot be read", why=str(error)) from None

    async def _ask(self, method: str, path: str, payload: dict[str, Any] | None = None) -> Any:
        """The JSON of a short answer, or ``Failed``."""
        try:
            return await within(self._clock, ASK_S, self._asked(method, path, payload))
        except JarvisError as error:
            return Failed("refused", error.sentence())
        except TimeoutError:
            return Failed("timeout", f"{self._who} does not answer")
        except (ValueError, RecursionError):
            return Failed("bad_reply", f"{self._who} answers what nobody understands")
        except Exception as error:
            if not _is_transport(error):
                raise
            return self._lost(error, Reply())

    async def _asked(self, method: str, path: str, payload: dict[str, Any] | None) -> Any:
        response = await self._send(method, path, payload)
        try:
            content = await self._fault(response, health.ANSWER_MAX)
        finally:
            await response.aclose()
        if response.status_code != 200:
            return of_status(self._who, response.status_code, content, response.headers)
        return json.loads(content)

    async def _fault(self, response: httpx.Response, limit: int = FAULT_MAX) -> bytes:
        """The beginning of an answer's content."""
        found = bytearray()
        async with contextlib.aclosing(_pieces(response)) as pieces:
            while len(found) < limit:
                piece = await within(self._clock, ASK_S, _piece(pieces))
                if piece is None:
                    break
                found += piece
        return bytes(found[:limit])

    def _late(self, reply: Reply) -> str:
        if reply.began:
            return f"{self._who} fell silent for {self._settings.idle_s:g} s"
        return f"{self._who} said nothing for {self._settings.first_token_s:g} s"

    def _lost(self, error: Exception, reply: Reply) -> Failed:
        """Of a failure of the library's: nothing was sent, or the reply broke off."""
        library = importlib.import_module("httpx")
        if isinstance(error, library.ConnectError | library.ConnectTimeout | library.UnsupportedProtocol):
            why = "it took too long" if isinstance(error, library.ConnectTimeout) else _root(error)
            return Failed("unreachable", f"{self._who} cannot be reached: {why}")
        if reply.began:
            return Failed("cut", f"{self._who} broke off in the middle of its reply")
        return Failed("cut", f"{self._who} closed the connection without a reply")


def _pieces(response: httpx.Response) -> AsyncGenerator[bytes]:
    return cast("AsyncGenerator[bytes]", response.aiter_raw())


async def _piece(pieces: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(pieces, None)


def _is_transport(error: Exception) -> bool:
    library = importlib.import_module("httpx")
    return isinstance(error, library.TransportError | library.InvalidURL | library.StreamError)


def _root(error: BaseException) -> str:
    """What the system said, below what libraries made of it: ``Connection refused``."""
    said = str(error)
    found: BaseException | None = error
    for _ in range(8):
        if isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if isinstance(found, OSError) and found.strerror:
            # asyncio writes its own text with the system's number; a name that is not found has a number below 0
            said = os.strerror(found.errno) if found.errno and found.errno > 0 else found.strerror
        if found is None or (found := found.__cause__ or found.__context__) is None:
            break
    return clean(said, limit=120)
