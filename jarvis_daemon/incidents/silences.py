"""Silences and maintenance windows: what they match, and what a request for one has to hold."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import IncidentSilence
from jarvis_daemon.protocol.state import Incident, Silence
from jarvis_daemon.protocol.text import clean

MAX_DURATION_S: Final = 30 * 86400.0


def matches(silence: Silence, incident: Incident) -> bool:
    """Whether ``silence`` speaks of ``incident``. Maintenance of a node covers what lies on that node."""
    if silence.cluster and silence.cluster != incident.cluster:
        return False
    if not fnmatchcase(incident.condition, silence.condition):
        return False
    if fnmatchcase(incident.target, silence.target):
        return True
    return silence.maintenance and fnmatchcase(f"node:{incident.evidence.get('node')}", silence.target)


def silenced_until(silences: Iterable[Silence], incident: Incident, now: float) -> float | None:
    """When the last of the silences that hold now ends, or None when none does."""
    ends = [s.ends_at for s in silences if s.starts_at <= now < s.ends_at and matches(s, incident)]
    return max(ends, default=None)


def asked_for(params: IncidentSilence, incident: Incident | None, cluster: str, by: str, now: float) -> Silence:
    """The silence that was asked for, still without a number. Raises ``invalid_params``."""
    reason = clean(params.reason)
    if not reason:
        raise JarvisError("invalid_params", "A silence needs a reason", next='Add --reason "…".')
    if not 0 < params.duration_s <= MAX_DURATION_S:
        raise JarvisError("invalid_params", "A silence lasts at most 30 days", next="Choose a shorter one.")
    starts_at = now if params.starts_at is None else params.starts_at
    if not now - 86400 <= starts_at <= now + 366 * 86400 or starts_at + params.duration_s <= now:
        raise JarvisError("invalid_params", "That window does not lie ahead")
    condition, target = params.condition, params.target
    if incident is not None:
        condition, target = incident.condition, glob.escape(incident.target)
    elif params.condition == "*" and params.target == "*" and not params.maintenance:
        raise JarvisError(
            "invalid_params", "That would silence everything", next="Name a condition or a target."
        )  # fmt: skip
    return Silence(
        id="", cluster=cluster, condition=clean(condition), target=clean(target), reason=reason, by=by,
        starts_at=starts_at, ends_at=starts_at + params.duration_s, maintenance=params.maintenance,
    )  # fmt: skip
