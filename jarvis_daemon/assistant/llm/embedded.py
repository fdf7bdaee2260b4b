"""A very small model in a process of our own, without any server on the network: llama.cpp at a unix socket.

The process comes with the first question and ends when nobody asked for ``idle_s``. The model knows little and
errs often; it is asked where nothing better can be, and says what it is.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any, Final

from jarvis_daemon.assistant.llm.contract import (
    Event,
    Failed,
    Message,
    Name,
    Place,
    Request,
    State,
    guess_tokens,
)
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.llm.waiting import within
from jarvis_daemon.assistant.llm.weights import find_weights, models_dir
from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, check_socket_path
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings.assistant import EmbeddedModelSettings, LocalModelSettings
from jarvis_daemon.supervisor import Supervisor, WorkerSpec
from jarvis_daemon.supervisor.asking import Asking, Lost

WORKER: Final = "embedded"
STREAM: Final = "assistant.embedded"
LOAD_S: Final = 120.0
"""How long a model may take to load; a large one from a slow disk takes a minute."""
FIRST_TOKEN_S: Final = 120.0
IDLE_S: Final = 60.0
REPLY_MAX: Final = 160
"""Tokens of its longest reply: it has no more to say, and a choice of a tool fits."""
SAMPLING: Final = {"repeat_penalty": 1.15, "dry_multiplier": 0.8, "dry_allowed_length": 3}
"""llama.cpp's own, against saying the same again and again."""
SYSTEM: Final = (
    "You are Jarvis, the polite butler of a house full of computers. Answer in one or two short sentences. "
    "When you do not know, say so."
)
"""All that it can keep in mind; of longer words it repeats pieces."""
PAST_MAX: Final = 4
"""Earlier messages that it is shown."""
_SAID: Final = re.compile(r".*^The operator says:[^\n]*\n(.+)", re.DOTALL | re.MULTILINE)
"""Where the person's own words stand in the newest message of a conversation."""
WHAT_IT_IS: Final = "a very small model, which knows little and errs often"


class EmbeddedModel:
    """``start`` gives it the supervisor; before that nothing can be asked."""

    name: Name = "embedded"
    place: Place = "here"
    native_tools = False

    def __init__(self, settings: EmbeddedModelSettings, places: Places, bus: Bus, clock: Clock) -> None:
        self._settings, self._places, self._clock = settings, places, clock
        self._socket = places.runtime_dir / "llm.sock"
        self._asking = Asking(bus, clock, WORKER, STREAM, self._spec, idle_s=settings.idle_s)
        weights = find_weights(settings.model_file, places)
        self.model = weights.stem if weights else "none"
        self._inner = self._local()
        self._up = False

    def start(self, supervisor: Supervisor) -> None:
        self._asking.start(supervisor)

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        """As the contract says. The process is held for as long as it goes on."""
        if (missing := self._missing()) is not None:
            yield missing
            return
        for last in (False, True):
            said = last
            async with contextlib.aclosing(self._once(request)) as events:
                async for event in events:
                    if not said and isinstance(event, Failed) and event.why in {"unreachable", "cut"}:
                        break  # its process was just about to end: another one answers
                    said = True
                    yield event
                else:
                    return
            await self._asking.end()

    async def window(self) -> int:
        return self._settings.window_tokens

    async def count(self, text: str) -> int:
        """By the model's tokenizer while it runs; it is not started for that."""
        if self._up and self._asking.listens:
            return await self._inner.count(text)
        return guess_tokens(text)

    async def state(self) -> State:
        """Whether it could run; it is not started for that."""
        if (missing := self._missing()) is not None:
            return State(False, missing.text, self.model)
        return State(True, WHAT_IT_IS, self.model, self._settings.window_tokens)

    async def close(self) -> None:
        await self._inner.close()
        await self._asking.stop()

    async def _once(self, request: Request) -> AsyncGenerator[Event]:
        """One try: have the process run, hold it, ask the model."""
        hold = _generator(self._asking.stream({"hold": True}))
        async with contextlib.aclosing(hold):
            try:
                told = await within(self._clock, LOAD_S, anext(hold))
            except Lost as lost:
                yield Failed("unreachable", f"The embedded model does not run: {clean(lost.why, limit=200)}")
                return
            except TimeoutError:
                yield Failed("timeout", f"The embedded model was not loaded within {LOAD_S:g} s")
                return
            if failed := told.get("failed"):
                said = clean(str(failed), limit=200)
                yield Failed("missing", f"The embedded model cannot be loaded: {said}")
                return
            self._up = True
            async with contextlib.aclosing(_generator(self._inner.stream(shortened(request)))) as events:
                async for event in events:
                    yield event

    def _missing(self) -> Failed | None:
        """What has to be installed first. The weights may have come since we began."""
        if importlib.util.find_spec("xllamacpp") is None:
            return Failed("missing", f"The embedded model needs the extra `local-llm`: {_pip()} xllamacpp")
        weights = find_weights(self._settings.model_file, self._places)
        if weights is None:
            named = self._settings.model_file
            where = f"the file {named}" if named else f"a GGUF file in {models_dir(self._places)}"
            return Failed(
                "missing", f"The embedded model needs {where}: `jarvis model fetch smollm2-135m` brings one"
            )
        try:
            check_socket_path(self._socket)
        except JarvisError as error:
            return Failed("missing", error.sentence())
        self.model = weights.stem
        return None

    def _spec(self) -> WorkerSpec:
        weights = find_weights(self._settings.model_file, self._places)
        given: dict[str, Any] = {
            "model": str(weights), "socket": str(self._socket), "n_ctx": self._settings.window_tokens,
            "threads": self._settings.threads,
        }  # fmt: skip
        return WorkerSpec(WORKER, settings=given)

    def _local(self) -> LocalModel:
        given = LocalModelSettings(
            enabled=True, url="http://localhost", model=self.model, window_tokens=self._settings.window_tokens,
            first_token_s=FIRST_TOKEN_S, idle_s=IDLE_S,
        )  # fmt: skip
        return LocalModel(given, self._places, self._clock, uds=self._socket, name="embedded", sampling=SAMPLING)


def shortened(request: Request) -> Request:
    """A conversation as so small a model can take it: who it is in two lines, what was said last, the question. It
    is shown no data of the house: it would only make things up about them. Other requests stay as they are."""
    request = replace(request, max_tokens=min(request.max_tokens, REPLY_MAX))
    asked = max((n for n, each in enumerate(request.messages) if each.role == "user"), default=None)
    if asked is None or (said := _SAID.fullmatch(request.messages[asked].text)) is None:
        return request
    past = [each for each in request.messages[:asked] if each.role in {"user", "assistant"} and not each.calls]
    kept = [replace(each, text=_words(each.text)[:400]) for each in past[-PAST_MAX:]]
    question = Message("user", said[1].strip())
    return replace(request, messages=[Message("system", SYSTEM), *kept, question, *request.messages[asked + 1 :]])


def _words(text: str) -> str:
    said = _SAID.fullmatch(text)
    return said[1].strip() if said else text


def _pip() -> str:
    if importlib.util.find_spec("pip") is None:  # a folder that uv has made
        return f"uv pip install --python {sys.executable}"
    return f"{sys.executable} -m pip install"


def _generator(stream: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    """Ours are generators all; the contract promises an iterator only."""
    assert isinstance(stream, AsyncGenerator)
    return stream
