"""The facade over the Proxmox VE API: ``await proxmox.call("cluster_resources")`` gives the reply's raw data.

Endpoints are asked in order; one that fails is left alone for a while (``breaker``) and a read is asked once
more, of the next. Writes go out once. Only calls of ``calls.CALLS`` exist. What comes back is a list or an
object as the table says, still raw: ``shapes`` reads it. Everything that fails is a ``JarvisError``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from pathlib import Path
from typing import Any, Final

import urllib3

from jarvis_daemon.clock import Clock
from jarvis_daemon.cluster.addresses import endpoint_url, trusted_in_words
from jarvis_daemon.cluster.breaker import Breaker
from jarvis_daemon.cluster.call_kinds import Call
from jarvis_daemon.cluster.calls import CALLS, fill
from jarvis_daemon.cluster.flight import Flight
from jarvis_daemon.cluster.pve_errors import Asked, Verdict, judge
from jarvis_daemon.cluster.shapes import Version, parse_version
from jarvis_daemon.cluster.tls import trust_context
from jarvis_daemon.cluster.transport import Endpoint, Malformed, TimedOut, TransportError
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings
from jarvis_daemon.tools import Act

FIRST_SHARE: Final = 0.6
"""Share of a call's time for the first endpoint, while another could still answer."""
_MARGIN_S: Final = 0.25
"""The thread's own deadline comes first, since it can tell more about why."""
_WEIGHT: Final = {"cluster_denied": 2, "cluster_untrusted": 1}


class Proxmox:
    """One cluster. Build it anew when the settings change: that also forgets a refused token."""

    def __init__(self, settings: ClusterSettings, *, clock: Clock, config_dir: Path | None = None) -> None:
        """``config_dir`` is where a relative ``ca_file`` lies. Raises ``config_invalid``."""
        self._clock = clock
        self._timeout_s = settings.call_timeout_s
        self._token_id = settings.token_id
        secret = settings.token_secret.get_secret_value() if settings.token_secret else ""
        ca_file = Path(settings.ca_file).expanduser() if settings.ca_file else None
        if ca_file is not None and config_dir is not None:
            ca_file = config_dir / ca_file
        context = trust_context(settings.tls, settings.fingerprints, ca_file)
        if settings.tls == "insecure":
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._trusted = trusted_in_words(settings, ca_file)
        urls = [endpoint_url(text, loopback_only=settings.simulated) for text in settings.endpoints]
        self._endpoints = [Endpoint(url, f"{self._token_id}={secret}", context) for url in dict.fromkeys(urls)]
        self._breakers = {e.url: Breaker(clock, settings.poll_interval_s) for e in self._endpoints}
        self._flights: set[Flight] = set()
        self._sent: deque[float] = deque()
        self._answered_by: dict[str, str] = {}
        self._closed = False
        self.version: Version | None = None
        """The cluster's version since ``version`` was called: newer calls and parameters are then refused here."""
        self.last_endpoint: str | None = None
        """The endpoint that answered last."""
        self.calls: Counter[str] = Counter()
        """Requests sent, by name of the call, those to a second endpoint included."""

    @property
    def endpoints(self) -> list[str]:
        return [endpoint.url for endpoint in self._endpoints]

    @property
    def endpoints_failed(self) -> dict[str, str]:
        """Endpoints that did not answer when they were asked last, each with one sentence."""
        return {
            url: breaker.error.sentence() for url, breaker in self._breakers.items() if breaker.error is not None
        }

    @property
    def errors(self) -> dict[str, JarvisError]:
        """The same with codes."""
        return {url: breaker.error for url, breaker in self._breakers.items() if breaker.error is not None}

    def answered_by(self, name: str) -> str | None:
        """The endpoint that answered the call ``name`` last."""
        return self._answered_by.get(name)

    @property
    def received_bytes(self) -> int:
        return sum(endpoint.received_bytes for endpoint in self._endpoints)

    @property
    def calls_per_minute(self) -> int:
        """Requests sent within the last 60 s."""
        self._forget_old()
        return len(self._sent)

    async def call(self, name: str, /, *, timeout_s: float | None = None, **arguments: Any) -> Any:
        """The ``data`` of the reply: a list or a dict. ``timeout_s`` is the deadline of the whole call.

        Raises ``cluster_unreachable`` ``cluster_denied`` ``cluster_untrusted`` ``cluster_refused`` ``not_found``,
        ``invalid_params`` and ``unavailable`` (see ``calls.fill``).
        """
        if CALLS[name].writes:
            raise ValueError(f"{name} writes: it needs the gate's permit")
        return await self._ask(CALLS[name], arguments, self._endpoints, timeout_s)

    async def write(
        self, act: Act, what: str, name: str, /, *, timeout_s: float | None = None, **arguments: Any
    ) -> Any:
        """Send one writing call under the gate's permit; ``what`` names the side effect, for the audit.

        One endpoint, never a second try. Raises as ``call``, and ``killed`` or ``refused`` by the permit; after
        ``cluster_unreachable`` or ``timed_out`` it is not known whether the cluster acted.
        """
        call = CALLS[name]
        if not call.writes:
            raise ValueError(f"{name} is a read")
        fill(call, arguments, self.version)  # what cannot be sent is refused before the step is noted
        async with act.step(what):
            return await self._ask(call, arguments, self._endpoints, timeout_s)

    async def ask_other(self, name: str, /, *, timeout_s: float | None = None, **arguments: Any) -> Any:
        """The same of another endpoint than the one that answered this call last: a second opinion.

        Raises ``unavailable`` when there is no other endpoint, else as ``call``.
        """
        answered = self._answered_by.get(name, self.last_endpoint or self._endpoints[0].url)
        others = [endpoint for endpoint in self._endpoints if endpoint.url != answered]
        if not others:
            raise JarvisError(
                "unavailable",
                "There is no second endpoint to ask",
                why=f"cluster.endpoints names only {answered}",
                next="Add another node to cluster.endpoints.",
            )
        return await self._ask(CALLS[name], arguments, others, timeout_s)

    async def ask_at(self, url: str, name: str, /, *, timeout_s: float | None = None, **arguments: Any) -> Any:
        """The same of one endpoint alone: is it well? It does not become the one in use. Raises as ``call``."""
        chosen = [endpoint for endpoint in self._endpoints if endpoint.url == url]
        return await self._ask(CALLS[name], arguments, chosen, timeout_s, apart=True)

    def admits(self, url: str) -> bool:
        """Whether the endpoint may be asked now: it is well, or its pause is over."""
        return self._breakers[url].admits()

    def retry_now(self, url: str | None = None) -> None:
        """Ask an endpoint, or every one, again with the next call, the refused ones too: somebody mended it."""
        for breaker in self._breakers.values() if url is None else (self._breakers[url],):
            breaker.forget()

    async def close(self) -> None:
        """Stop what is under way and close every connection."""
        self._closed = True
        for flight in list(self._flights):
            flight.abort()
        await asyncio.gather(*(asyncio.to_thread(endpoint.close) for endpoint in self._endpoints))

    async def _ask(
        self, call: Call, arguments: dict[str, Any], among: list[Endpoint], timeout_s: float | None,
        *, apart: bool = False,
    ) -> Any:  # fmt: skip
        if self._closed:
            raise JarvisError("unavailable", "The connection to the cluster is closed")
        path, parameters = fill(call, arguments, self.version)
        ready = [endpoint for endpoint in among if self._breakers[endpoint.url].admits()]
        tries = ready[:1] if call.writes else ready[:2]
        now = asyncio.get_running_loop().time
        end = now() + (self._timeout_s if timeout_s is None else timeout_s)
        errors: list[JarvisError] = []
        for endpoint in tries:
            share = 1.0 if endpoint is tries[-1] else FIRST_SHARE
            trusted = endpoint.certificate or self._trusted
            asked = Asked(endpoint.url, call, arguments, self._token_id, trusted)
            outcome = await self._attempt(endpoint, asked, path, parameters, (end - now()) * share)
            if not isinstance(outcome, Verdict):
                if not apart:
                    self.last_endpoint = self._answered_by[call.name] = endpoint.url
                return outcome
            if not outcome.elsewhere:
                raise _fresh(outcome.error)
            errors.append(outcome.error)
        left_alone = [self._breakers[endpoint.url].error for endpoint in among if endpoint not in tries]
        raise _summary([*errors, *(error for error in left_alone if error is not None)])

    async def _attempt(
        self, endpoint: Endpoint, asked: Asked, path: str, parameters: dict[str, str], timeout_s: float
    ) -> Any:
        """One request to one endpoint, its breaker kept up to date: the data, or the ``Verdict`` on a failure.

        A verdict is returned and not raised, so that an error which is kept does not keep the reply with it.
        """
        breaker = self._breakers[endpoint.url]
        breaker.begin()
        flight = Flight(timeout_s)
        self._flights.add(flight)
        self._count(asked.call)
        future = asyncio.get_running_loop().run_in_executor(
            endpoint.executor(asked.call.node_scoped), endpoint.send, flight, asked.call.method, path, parameters
        )
        try:
            async with asyncio.timeout(timeout_s + _MARGIN_S):
                data = await future
            _check_shape(asked.call, data)
        except TimeoutError:
            verdict = judge(TimedOut("it does not answer", connected=flight.connected), asked)
        except TransportError as failure:
            verdict = judge(failure, asked)
        except BaseException:
            breaker.gave_up()
            raise
        else:
            breaker.succeeded()
            self._learn_version(asked.call, data)
            return data
        finally:
            self._flights.discard(flight)
            if future.cancelled():
                flight.abort()
        breaker.learn(verdict.endpoint, verdict.error)
        return verdict

    def _count(self, call: Call) -> None:
        self.calls[call.name] += 1
        self._sent.append(self._clock.monotonic())
        self._forget_old()

    def _forget_old(self) -> None:
        oldest = self._clock.monotonic() - 60.0
        while self._sent and self._sent[0] <= oldest:
            self._sent.popleft()

    def _learn_version(self, call: Call, data: Any) -> None:
        if call.name == "version":
            with contextlib.suppress(JarvisError):
                self.version = parse_version(data)


def _summary(errors: list[JarvisError]) -> JarvisError:
    """One error for what several endpoints said: a refused token outweighs silence."""
    if not errors:
        return JarvisError("unavailable", "There is no such endpoint to ask")
    for error in errors:
        if error.data.get("node"):
            return _fresh(error)
    heaviest = max(errors, key=lambda error: _WEIGHT.get(error.code, 0))
    told = {str(error.data.get("endpoint")): error.why for error in errors}
    if len(told) < 2 or any(error.code != "cluster_unreachable" for error in errors):
        return _fresh(heaviest)
    return JarvisError(
        "cluster_unreachable",
        "No endpoint of the cluster answers",
        why=_whys(told),
        data={"endpoints": told},
    )


def _whys(told: dict[str, str]) -> str:
    """Each reason once, with the endpoints that gave it where there are several."""
    urls: dict[str, list[str]] = {}
    for url, why in told.items():
        urls.setdefault(why, []).append(url)
    if len(urls) == 1:
        return f"{next(iter(urls))} ({'both' if len(told) == 2 else f'all {len(told)}'})"
    return "; ".join(f"{', '.join(those)}: {why}" for why, those in urls.items())


def _fresh(error: JarvisError) -> JarvisError:
    """A copy to raise: one that a breaker keeps would collect a traceback, frames and all, with each raise."""
    return JarvisError(error.code, error.what, why=error.why, next=error.next, data=dict(error.data))


def _check_shape(call: Call, data: Any) -> None:
    """Raises ``Malformed`` for a reply that is no list or object, as the table says."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "list": list, "object": dict, "text": str, "number": (int, str), "nothing": type(None),
    }  # fmt: skip
    wanted = kinds[call.reply]
    if not isinstance(data, wanted):
        raise Malformed(f"it answered {call.name} with something that is no {call.reply}")
