"""Taking secrets out of what leaves the machine: the ones we know, and whatever looks like one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.redact import redact as redact_known
from jarvis_daemon.settings import Loaded

GONE: Final = "***"
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_UUID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_BEARER: Final = re.compile(r"\b(Bearer|Basic|PVEAPIToken|PVEAuthCookie)[ =]\S+", re.IGNORECASE)
_SECRET_NAME: Final = re.compile(r"secret|token|password|passwd|api_?key|credential", re.IGNORECASE)
MIN_LENGTH: Final = 6
"""Shorter values are words, and taking them out would garble the report."""


def known_secrets(where: Places, loaded: Loaded | None, environ: Mapping[str, str] | None = None) -> set[str]:
    """The values of all secrets that this installation has: files, environment, settings."""
    env = os.environ if environ is None else environ
    found = {value for name, value in env.items() if _SECRET_NAME.search(name)}
    for path in (where.config_dir / "pve-token", where.config_dir / "pve-token.old"):
        found |= _content(path)
    cluster = loaded.settings.cluster if loaded else None
    if cluster is not None and cluster.token_secret is not None:
        found.add(cluster.token_secret.get_secret_value())
    if cluster is not None and cluster.token_secret_file:
        found |= _content(where.config_dir / Path(cluster.token_secret_file).expanduser())
    return {value.strip() for value in found if len(value.strip()) >= MIN_LENGTH}


def _content(path: Path) -> set[str]:
    try:
        return {path.read_text()}
    except (OSError, UnicodeDecodeError):
        return set()


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` without ``secrets`` and without what looks like one (a PVE token's secret is a UUID)."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, GONE)
    text = _PEM.sub(GONE, text)
    text = _BEARER.sub(lambda match: f"{match[1]} {GONE}", text)
    text = redact_known(text)
    return _UUID.sub(GONE, text)
