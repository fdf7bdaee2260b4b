"""A provider's model, asked through a process of its own that holds litellm and the key (``worker/cloud.py``).

The process is started by the first question, ended when nobody asked for a while, and started anew when the key has
changed. While the homelab is simulated only a server of this machine is asked.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from jarvis_daemon.assistant.llm.choosing import choosing
from jarvis_daemon.assistant.llm.cloud_wire import request_of
from jarvis_daemon.assistant.llm.contract import (
    Done,
    Event,
    Failed,
    Name,
    Place,
    Request,
    State,
    Text,
    ToolUse,
    Usage,
    Why,
    guess_tokens,
)
from jarvis_daemon.assistant.llm.prices import Prices, shipped
from jarvis_daemon.assistant.llm.waiting import within
from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.notify.loopback import is_loopback
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.redact import safe_line
from jarvis_daemon.settings.assistant import CloudModelSettings
from jarvis_daemon.settings.secret import secret
from jarvis_daemon.supervisor import Asking, Lost, Supervisor, WorkerSpec

_log = logging.getLogger("jarvis.assistant")
WORKER: Final = "llm"
STREAM: Final = "assistant.llm"
START_S: Final = 60.0
"""How long the process may take to listen: litellm loads in 3 to 8 s on a small machine, in more on a busy one."""
IDLE_S: Final = 900.0
"""It is ended when it was not asked for so long; it holds 200 MB and more."""
WINDOW_MAX: Final = 100_000
"""Longer prompts are not sent, whatever the model takes: every turn pays for all of it again."""
WINDOW_GUESS: Final = 32_000
TOKENS_MORE: Final = 1.25
"""Newer models cut text into more tokens than the common guess."""
_SAYS: Final[dict[Why, str]] = {
    "unreachable": "cannot be reached",
    "timeout": "did not answer in time",
    "overflow": "cannot hold so long a conversation",
    "rate_limit": "wants fewer questions",
    "overloaded": "is overloaded",
    "auth": "does not accept our key",
    "bad_reply": "answered what nobody understands",
    "cut": "ended its reply in the middle",
    "refused": "refused the question",
    "missing": "is not known to its provider",
}


class CloudModel:
    """``start`` gives it the supervisor; before that nothing can be asked."""

    name: Name = "cloud"
    place: Place = "cloud"

    def __init__(
        self, settings: CloudModelSettings, places: Places, bus: Bus, clock: Clock, *, simulated: bool,
        prices: Prices | None = None,
    ) -> None:  # fmt: skip
        self.model = settings.model
        self.native_tools = settings.native_tools
        self._settings, self._places, self._clock, self._simulated = settings, places, clock, simulated
        self._price = (prices or shipped()).of(settings.model)
        self._keep = settings.prompt_cache and "claude" in settings.model.lower()
        self._who = f"The cloud model {settings.model}"
        self._asking = Asking(bus, clock, WORKER, STREAM, self._spec, idle_s=IDLE_S, start_s=START_S)
        self._given: str | None = None
        """The key that the process was started with."""

    def start(self, supervisor: Supervisor) -> None:
        self._asking.start(supervisor)

    async def warm(self) -> None:
        """Have the process started, so that the next question need not wait for it; never fails."""
        if self._forbidden() is None:
            with contextlib.suppress(JarvisError):
                await self._asking.wanted()

    async def close(self) -> None:
        await self._asking.stop()

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """As the contract says. Tools are chosen from a schema where the model shall not call them by itself."""
        if request.tools and not self.native_tools:
            return choosing(self._stream, request, self._who)
        return self._stream(request)

    async def window(self) -> int:
        """Tokens; what the model takes, and no more than is worth its price."""
        return min(self._price.window or WINDOW_GUESS, WINDOW_MAX)

    async def count(self, text: str) -> int:
        return int(guess_tokens(text) * TOKENS_MORE)

    async def state(self) -> State:
        """Whether it could be asked; the network is not."""
        if (failed := self._forbidden()) is not None:
            return State(False, failed.text, self.model)
        note = ""
        if not self._price.known:
            note = f"its price is not known, so it counts as {self._price.like}, the dearest one known"
        return State(True, note, self.model, await self.window())

    # --- one call ----------------------------------------------------------------------------------------

    async def _stream(self, request: Request) -> AsyncGenerator[Event]:
        if (failed := self._forbidden()) is not None:
            yield failed
            return
        began = False
        try:
            await self._with_the_key_of_now()
            asked = request_of(request, keep=self._keep)
            asked["timeout_s"] = max(self._settings.first_token_s, self._settings.idle_s) + 5  # ours come first
            limit = self._settings.first_token_s + (0.0 if self._asking.listens else START_S)
            async with contextlib.aclosing(self._asking.stream(asked)) as answers:
                while (told := await within(self._clock, limit, anext(answers, None))) is not None:
                    began, limit = True, self._settings.idle_s
                    if (event := self._event(told)) is not None:
                        yield event
                    if isinstance(event, Done | Failed):
                        return
            yield Failed("cut", f"{self._who} ended its reply in the middle")
        except TimeoutError:
            seconds = self._settings.idle_s if began else self._settings.first_token_s
            what = "fell silent" if began else "did not begin to answer"
            yield Failed("timeout", f"{self._who} {what} within {seconds:g} s")
        except Lost as lost:
            why: Why = "cut" if lost.sent else "unreachable"
            yield Failed(why, f"{self._who} {_SAYS[why]}: {safe_line(lost.why, limit=200)}")
        except JarvisError as error:
            yield Failed("auth", error.sentence())

    def _event(self, told: dict[str, Any]) -> Event | None:
        """What the process tells; it speaks for a provider, so nothing of it is believed unseen."""
        match told:
            case {"text": str(text)}:
                return Text(text)
            case {"thinking": True}:
                return None
            case {"tool": {"id": str(number), "name": str(name), "args": dict(args)}}:
                return ToolUse(number, name, args)
            case {"tool": {"id": str(number), "name": str(name), "broken": str(broken)}}:
                return ToolUse(number, name, {}, broken=broken or "nothing")
            case {"usage": {"input": int(a), "output": int(b), "cached": int(c), "written": int(d)}}:
                return Usage(input=a, output=b, cached=c, written=d)
            case {"done": "stop" | "length" | "tool_calls" as reason}:
                return Done(reason)
            case {"failed": dict(failed)}:
                return self._failed(failed)
        _log.warning("not understood", extra={"data": {"worker": WORKER, "keys": sorted(map(str, told))[:8]}})
        return None

    def _failed(self, told: dict[str, Any]) -> Failed:
        why: Why = told["why"] if told.get("why") in get_args(Why) else "bad_reply"
        said = safe_line(str(told.get("text") or ""), limit=200).rstrip(".")
        text = f"{self._who} {_SAYS.get(why, 'failed')}" + (f": {said}" if said else "")
        if why == "auth" and not said:
            text += "; put a new one where the old one lies (assistant.cloud.key_file)"
        retry, prompt, window = (told.get(name) for name in ("retry_after_s", "prompt_tokens", "window"))
        return Failed(
            why, text, retry_after_s=float(retry) if isinstance(retry, int | float) else None,
            prompt_tokens=prompt if isinstance(prompt, int) else None,
            window=window if isinstance(window, int) else None,
        )  # fmt: skip

    # --- the process -------------------------------------------------------------------------------------

    def _forbidden(self) -> Failed | None:
        """Why it cannot be asked at all."""
        base = self._settings.base_url
        if self._simulated and not is_loopback(urlsplit(base or "").hostname or ""):
            return Failed(
                "refused", f"{self._who} is not asked: this homelab is simulated, so nothing leaves this machine"
            )
        if importlib.util.find_spec("litellm") is None:
            return Failed("missing", f"{self._who} needs the extra `llm`: {_install()}")
        try:
            if self._key() is None and base is None:
                return Failed("auth", f"{self._who} has no key: name its file by assistant.cloud.key_file")
        except JarvisError as error:
            return Failed("auth", f"{error.sentence()}. {error.next}".strip())
        return None

    def _key(self) -> str | None:
        """Raises ``config_invalid``."""
        return secret(self._places, self._settings.key, self._settings.key_file, "llm-key") or None

    def _spec(self) -> WorkerSpec:
        key = self._key() or ""
        self._given = key
        given = {"model": self.model, "base_url": self._settings.base_url, "simulated": self._simulated}
        return WorkerSpec(WORKER, settings=given, secrets={"key": key} if key else {})

    async def _with_the_key_of_now(self) -> None:
        """A key that was changed is used from the next question on."""
        if self._given is not None and self._given != (self._key() or ""):
            await self._asking.end()


def _install() -> str:
    if importlib.util.find_spec("pip") is None:  # a folder that uv has made
        return f"`uv pip install --python {sys.executable} 'jarvis-homelab[llm]'`"
    return "`pip install 'jarvis-homelab[llm]'`"
