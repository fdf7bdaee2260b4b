"""What other watchers say of the house's services: Uptime Kuma's public status page, Prometheus' ``up``.

Plain HTTP requests of reads only, to the addresses of the settings and nowhere else: no redirect is followed.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import msgspec

from jarvis_daemon.cluster.addresses import require_loopback
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings import UptimeSettings

BODY_MAX: Final = 4 * 1024 * 1024
TIMEOUT_S: Final = 10.0
CHECKS_MAX: Final = 1000
State = Literal["up", "down", "pending", "maintenance", "unknown"]
_KUMA: Final[dict[Any, State]] = {0: "down", 1: "up", 2: "pending", 3: "maintenance"}
_QUERY: Final = "up or probe_success"


class Check(msgspec.Struct):
    source: str
    name: str
    state: State
    detail: str = ""


async def uptime_checks(settings: UptimeSettings, *, loopback_only: bool) -> tuple[list[Check], dict[str, str]]:
    """The checks, and the watchers that do not answer. Raises ``unavailable`` where none is configured."""
    asked = [
        (name, url, ask)
        for name, url, ask in (
            ("Uptime Kuma", settings.kuma_url, _kuma), ("Prometheus", settings.prometheus_url, _prometheus)
        )
        if url is not None
    ]  # fmt: skip
    if not asked:
        raise JarvisError(
            "unavailable", "No watcher of uptime is configured",
            next="Set uptime.kuma_url or uptime.prometheus_url.",
        )  # fmt: skip
    checks: list[Check] = []
    failed: dict[str, str] = {}
    for name, url, ask in asked:
        if loopback_only:
            require_loopback(urlsplit(url).hostname or "")
        try:
            checks += await ask(url)
        except JarvisError as error:
            failed[name] = error.sentence()
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            failed[name] = "Its answer cannot be read"
    return checks[:CHECKS_MAX], failed


async def _kuma(url: str) -> list[Check]:
    base, _, slug = url.rpartition("/status/")
    page = await _json(f"{base}/api/status-page/{quote(slug)}")
    beats = (await _json(f"{base}/api/status-page/heartbeat/{quote(slug)}"))["heartbeatList"]
    monitors = [monitor for group in page["publicGroupList"] for monitor in group["monitorList"]]
    found = []
    for monitor in monitors:
        last = (beats.get(str(monitor["id"])) or [{}])[-1]
        state = _KUMA.get(last.get("status"), "unknown")
        found.append(Check("Uptime Kuma", clean(str(monitor["name"])), state, clean(str(last.get("msg") or ""))))
    return found


async def _prometheus(url: str) -> list[Check]:
    told = await _json(f"{url.rstrip('/')}/api/v1/query?query={quote(_QUERY)}")
    found = []
    for row in told["data"]["result"]:
        labels = row["metric"]
        name = " ".join(str(labels[key]) for key in ("job", "instance") if key in labels)
        up = str(row["value"][1]) == "1"
        found.append(
            Check("Prometheus", clean(name), "up" if up else "down", clean(str(labels.get("__name__", ""))))
        )
    return found


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect would lead somewhere that nobody configured."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


async def _json(url: str) -> Any:
    """Raises ``unavailable``."""
    return await asyncio.to_thread(_fetch, url)


def _fetch(url: str) -> Any:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), _Stay(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    where = urlsplit(url).netloc
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:  # http or https: the settings take no other
            return json.loads(answer.read(BODY_MAX))
    except urllib.error.HTTPError as error:
        error.close()
        raise JarvisError("unavailable", f"{where} answered {error.code}") from None
    except (OSError, ValueError) as error:
        why = clean(str(getattr(error, "reason", error)), limit=200)
        raise JarvisError("unavailable", f"{where} does not answer", why=why) from None
