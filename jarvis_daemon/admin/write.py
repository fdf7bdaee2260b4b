"""``admin setup write``: config.toml and the secret's file, 0600, whole or not at all, the old ones kept."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.admin.hostkeys import pin
from jarvis_daemon.admin.probe import cluster_settings
from jarvis_daemon.admin.token import split_token_id
from jarvis_daemon.admin.toml import dumps
from jarvis_daemon.paths import make_places, write_private
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, base_places

SECRET_FILE: Final = "pve-token"  # noqa: S105  the name of a file
HEADER: Final = (
    "# Written by `jarvis setup`; every setting: docs/configuration.md, `jarvis config show --origin`.\n\n"
)


def write(given: dict[str, Any]) -> dict[str, Any]:
    """Keep what setup collected: ``cluster`` (settings without the secret), ``token_secret``, ``autonomy_level``,
    ``host_keys`` (rows of ``setup ssh``). Other sections of the file stay, its comments do not.

    ``{"config", "secret", "known_hosts", "kept": [copies of the old files]}``. Raises ``config_invalid``.
    """
    where = base_places()
    make_places(where)
    cluster = dict(given.get("cluster") or {})
    cluster.pop("token_secret", None)
    split_token_id(str(cluster.get("token_id") or ""))
    secret = str(given.get("token_secret") or "").strip()
    if not secret:
        raise JarvisError("invalid_params", "The token's secret is missing")
    cluster["token_secret_file"] = SECRET_FILE
    cluster_settings(cluster)
    tree = _old(where)
    tree["cluster"] = {**_kept_keys(tree.get("cluster")), **cluster}
    if given.get("autonomy_level") is not None:
        tree["autonomy"] = {**(tree.get("autonomy") or {}), "level": int(given["autonomy_level"])}
    text = HEADER + dumps(tree)
    kept = [copy for path in (where.config_file, where.config_dir / SECRET_FILE) if (copy := _keep(path))]
    write_private(where.config_dir / SECRET_FILE, secret + "\n")
    if accepted := list(given.get("host_keys") or []):
        pin(where.known_hosts, accepted)
    write_private(where.config_file, text)
    if where.system:
        _hand_over(where)
    return {
        "config": str(where.config_file),
        "secret": str(where.config_dir / SECRET_FILE),
        "known_hosts": str(where.known_hosts) if accepted else None,
        "kept": kept,
    }


def _hand_over(where: Places) -> None:
    """Let the account of the machine's daemon read the settings; the secret stays root's, systemd passes it on."""
    try:
        shutil.chown(where.config_file, group="jarvis")
        where.config_file.chmod(0o640)
        if where.known_hosts.exists():
            shutil.chown(where.known_hosts, "jarvis", "jarvis")
    except (LookupError, OSError) as error:
        raise JarvisError(
            "config_invalid", "The settings cannot be handed to the user `jarvis`", why=str(error),
            next="Run `sudo jarvis daemon install --system` first.",
        ) from None  # fmt: skip


def _old(where: Places) -> dict[str, Any]:
    """The settings there are; a file that cannot be read is kept as a copy and begun anew."""
    try:
        return tomllib.loads(where.config_file.read_text())
    except (FileNotFoundError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _kept_keys(old: Any) -> dict[str, Any]:
    """Rhythms and deadlines survive a second setup; what concerns trust does not."""
    if not isinstance(old, dict):
        return {}
    return {key: old[key] for key in old if key.endswith(("_interval_s", "_timeout_s"))}


def _keep(path: Path) -> str | None:
    """Copy an existing file to ``NAME.old``, 0600; the path of the copy."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    copy = path.with_name(path.name + ".old")
    write_private(copy, content)
    os.chmod(copy, 0o600)
    return str(copy)
