"""Services that Apprise knows: asked of a worker, which is started when there is something to say."""

from __future__ import annotations

from typing import Any, Final

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.notify.channel import NotTaken, Parcel
from jarvis_daemon.notify.loopback import check_url
from jarvis_daemon.notify.wording import cut
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings import AppriseSettings
from jarvis_daemon.settings.secret import secret
from jarvis_daemon.supervisor import Asking, Lost, Supervisor, WorkerSpec

STREAM: Final = "notify.apprise"
WORKER: Final = "apprise"
IDLE_S: Final = 300.0
"""It is ended when it was not needed for so long."""
GRACE_S: Final = 5.0
"""The worker itself gives up at the time-out; so much later it is not waited for either."""
BODY_MAX: Final = 3500
"""Most services take about 4,000 characters."""
_TYPE: Final = {"ok": "success", "warning": "warning", "error": "failure", "critical": "failure"}


class AppriseLink:
    """The one worker for all of them. ``start`` gives it the supervisor; before that nothing can be sent."""

    def __init__(self, bus: Bus, clock: Clock, *, simulated: bool) -> None:
        spec = WorkerSpec(WORKER, settings={"simulated": simulated})
        self._asking = Asking(bus, clock, WORKER, STREAM, lambda: spec, idle_s=IDLE_S)

    def start(self, supervisor: Supervisor) -> None:
        self._asking.start(supervisor)

    async def stop(self) -> None:
        await self._asking.stop()

    async def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """The worker's answer; ``{error, unknown}`` also where it did not come, or ended on the way."""
        try:
            return await self._asking.ask({"timeout_s": timeout_s, **request}, timeout_s, grace_s=GRACE_S)
        except Lost as lost:
            return {"error": lost.why, "unknown": lost.sent}


class Push:
    """One channel of ``[notify.apprise.NAME]``."""

    def __init__(
        self, name: str, settings: AppriseSettings, places: Places, link: AppriseLink, *, simulated: bool
    ) -> None:
        self.name = name
        self.route = settings
        self._settings, self._places, self._link, self._simulated = settings, places, link, simulated

    async def send(self, parcel: Parcel) -> str:
        """Hand it to the service. Raises ``NotTaken``; such a service knows no keys, so what may have arrived may
        arrive twice."""
        request = {
            "url": self._url(), "title": clean(parcel.subject, limit=200), "body": cut(parcel.body, BODY_MAX),
            "type": _TYPE.get(parcel.severity, "info"),
        }  # fmt: skip
        answer = await self._link.ask(request, self._settings.timeout_s)
        if answer.get("ok"):
            return ""
        why = clean(str(answer.get("error") or "it does not say why"), limit=300)
        raise NotTaken("unknown" if answer.get("unknown") else "down", JarvisError(
            "unavailable", f"The service {self.name} did not take the message", why=why,
            next=f"`jarvis notify test {self.name}` tries it again.",
        ))  # fmt: skip

    def _url(self) -> str:
        """Raises ``NotTaken`` where there is none, or it may not be used."""
        try:
            found = secret(self._places, self._settings.url, self._settings.url_file, f"notify-{self.name}")
            lines = (found or "").split()
            if not lines:
                raise JarvisError(
                    "config_invalid", f"The URL of the service {self.name} is not to be found",
                    next="Put it into a file of mode 0600 and name that by url_file.",
                )  # fmt: skip
            check_url(lines[0], simulated=self._simulated)
        except JarvisError as error:
            raise NotTaken("down", error) from None
        return lines[0]
