"""The process in which Apprise lives: it knows a hundred services, and loads a lot for them.

Over one binary stream, a JSON document a frame: it says ``{ready}`` once it listens, is asked ``{id, url, title,
body, type, timeout_s}`` and answers ``{id, ok}``, or ``{id, error, unknown}``. The URL holds the service's secret:
it stays in memory, for that call.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import re
import sys
from typing import Any, Final

from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.text import clean

STREAM: Final = "notify.apprise"
HIDDEN_MIN: Final = 4
"""Words of a URL that are as long as this are taken out of what a service says."""


async def work(link: Link, config: dict[str, Any]) -> None:
    """Until the daemon ends us. Raises ``unavailable`` when Apprise is not installed."""
    require()
    simulated = bool(config["settings"].get("simulated"))
    if simulated:
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"  # a proxy lies beyond this machine
    number = int((await link.call("stream.open", {"kind": STREAM}))["stream"])

    async def answer(request: dict[str, Any]) -> None:
        told = await asyncio.to_thread(send, request, redirects=not simulated)
        with contextlib.suppress(JarvisError):  # the link is gone, and with it whoever asked
            await link.send_binary(number, json.dumps({"id": request["id"], **told}).encode())

    def asked(stream: int, payload: bytes) -> None:
        if stream == number:
            spawn(answer(json.loads(payload)), name="apprise")

    link.on_binary = asked
    await link.send_binary(number, json.dumps({"ready": True}).encode())
    await asyncio.Event().wait()


def require() -> None:
    """Raises ``unavailable`` with the command that installs what is missing."""
    if importlib.util.find_spec("apprise") is not None:
        return
    pip = f"{sys.executable} -m pip install"
    if importlib.util.find_spec("pip") is None:  # a folder that uv has made
        pip = f"uv pip install --python {sys.executable}"
    raise JarvisError(
        "unavailable", "Apprise is not installed", why="the extra `notify` is missing", next=f"Run `{pip} apprise`."
    )


def send(request: dict[str, Any], *, redirects: bool = True) -> dict[str, Any]:
    """One message to one service: ``{"ok": True}``, or what went wrong, without the URL's secrets."""
    import apprise

    url = str(request["url"])
    asset = apprise.AppriseAsset(
        app_id="Jarvis", app_desc="Jarvis", storage_mode=apprise.PersistentStoreMode.MEMORY,
        http_redirects=redirects,
    )  # fmt: skip
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        return {"error": "this is no URL that Apprise understands", "unknown": False}
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    result = sender.notify(
        title=request["title"], body=request["body"], notify_type=apprise.NotifyType(request["type"]),
        body_format=apprise.NotifyFormat.TEXT, timeout=float(request["timeout_s"]), log_level=logging.WARNING,
    )  # fmt: skip
    if result:
        return {"ok": True}
    said = [entry.message for entry in result.logs()]
    late = result.timeout_count > 0
    why = said[-1] if said else ("no answer in time" if late else "it does not say why")
    return {"error": hidden(clean(why, limit=300), url), "unknown": late}


def hidden(text: str, url: str) -> str:
    """``text`` without any longer word of the URL behind its scheme: those are tokens, keys and passwords."""
    words = sorted(set(re.split(r"[^A-Za-z0-9_+=-]+", url.partition("://")[2])), key=len, reverse=True)
    for word in words:
        if len(word) >= HIDDEN_MIN:
            text = text.replace(word, "***")
    return text
