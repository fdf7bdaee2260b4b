"""Reads ``config.toml``, then the environment, then systemd credentials, and tells where each value came from."""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

import pydantic
from pydantic import BaseModel

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.redact import learn
from jarvis_daemon.settings.model import Settings
from jarvis_daemon.settings.sections import ClusterSettings

ENV_PREFIX = "JARVIS_"
NOT_SETTINGS = frozenset({"JARVIS_HOME", "JARVIS_NO_AUTOSTART", "JARVIS_APT", "JARVIS_HOST"})
"""Variables with our prefix that steer programs and are no settings."""


@dataclass
class Loaded:
    """Settings and where each value came from: dotted key to ``file`` ``env NAME`` ``credential`` ``default``."""

    settings: Settings
    origins: dict[str, str] = field(default_factory=dict)


def load(places: Places, environ: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings. Raises ``config_invalid`` with file, key and the nearest known key."""
    env = os.environ if environ is None else environ
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if places.config_file.exists():
        tree = _read_toml(places.config_file)
        if "token_secret" in (tree.get("cluster") or {}):
            raise JarvisError(
                "config_invalid", f"{places.config_file} holds a secret: cluster.token_secret",
                next='Put it into a file of mode 0600 and name that by token_secret_file = "pve-token".',
            )  # fmt: skip
        _refuse_secrets_of_notify(tree.get("notify"), places.config_file)
        cloud = tree.get("assistant", {}).get("cloud", {}) if isinstance(tree.get("assistant"), dict) else {}
        if isinstance(cloud, dict) and "key" in cloud:
            raise JarvisError(
                "config_invalid", f"{places.config_file} holds a secret: assistant.cloud.key",
                next="Put it into a file of mode 0600 and name that by key_file.",
            )  # fmt: skip
        origins |= {key: f"file {places.config_file}" for key, _ in _leaves(tree)}
    for name, value in sorted(env.items()):
        if name.startswith(ENV_PREFIX) and name not in NOT_SETTINGS and "__" in name:
            key = name.removeprefix(ENV_PREFIX).lower().replace("__", ".")
            _put(tree, key, _env_value(key, value))
            origins[key] = f"env {name}"
    _check_keys(tree, Settings, "", places.config_file)
    try:
        settings = Settings.model_validate(tree)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        where = origins.get(key, f"file {places.config_file}")
        raise JarvisError(
            "config_invalid", f"The setting {key} is not usable ({where})", why=first["msg"]
        ) from None
    if settings.cluster is not None:
        _load_secret(settings.cluster, places, env, origins)
        if (token := settings.cluster.token_secret) is not None:
            learn(token.get_secret_value())
    for key, _ in _leaves(settings.model_dump()):
        origins.setdefault(key, "default")
    return Loaded(settings, origins)


def _load_secret(cluster: ClusterSettings, places: Places, env: Mapping[str, str], origins: dict[str, str]) -> None:
    if cluster.token_secret is not None:
        return
    candidates: list[tuple[Path, str]] = []
    if folder := env.get("CREDENTIALS_DIRECTORY"):
        candidates.append((Path(folder) / "pve-token", "credential pve-token"))
    if cluster.token_secret_file:
        path = Path(cluster.token_secret_file).expanduser()
        candidates.append((path if path.is_absolute() else places.config_dir / path, f"file {path}"))
    for path, origin in candidates:
        if not path.exists():
            continue
        if origin.startswith("file") and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise JarvisError(
                "config_invalid",
                f"The secret file {path} can be read by others",
                next=f"Run `chmod 600 {path}`.",
            )
        try:
            cluster.token_secret = pydantic.SecretStr(path.read_text().strip())
        except OSError as error:
            raise JarvisError("config_invalid", f"The secret file {path} cannot be read", why=str(error)) from error
        origins["cluster.token_secret"] = origin
        return
    raise JarvisError(
        "config_invalid", "The API token's secret is not to be found",
        why="no token_secret_file that exists, no JARVIS_CLUSTER__TOKEN_SECRET, no credential",
        next="Run `jarvis setup`.",
    )  # fmt: skip


def _refuse_secrets_of_notify(given: Any, path: Path) -> None:
    """Raises ``config_invalid`` where the file itself holds a password or an Apprise URL."""
    notify = given if isinstance(given, Mapping) else {}
    email, apprise = notify.get("email"), notify.get("apprise")
    found = [("email.password", "password_file")] if isinstance(email, Mapping) and "password" in email else []
    if isinstance(apprise, Mapping):
        found += [
            (f"apprise.{name}.url", "url_file")
            for name, one in apprise.items() if isinstance(one, Mapping) and "url" in one
        ]  # fmt: skip
    for key, instead in found:
        raise JarvisError(
            "config_invalid", f"{path} holds a secret: notify.{key}",
            next=f"Put it into a file of mode 0600 and name that by {instead}.",
        )  # fmt: skip


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise JarvisError("config_invalid", f"{path} is not TOML", why=str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise JarvisError("config_invalid", f"{path} cannot be read", why=str(error)) from error


def _env_value(key: str, value: str) -> Any:
    """A TOML value where it reads as one and the field is no string (lists, numbers, booleans)."""
    annotation = _annotation(key)
    if annotation in {str, str | None, pydantic.SecretStr, pydantic.SecretStr | None}:
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return [part.strip() for part in value.split(",")] if get_origin(annotation) is list else value


def _annotation(key: str) -> Any:
    model: Any = Settings
    for part in key.split("."):
        if get_origin(model) is dict:
            model = get_args(model)[1]
            continue
        fields = getattr(_model_of(model), "model_fields", {})
        if part not in fields:
            return None
        model = fields[part].annotation
    return model


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[last] = value


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check_keys(tree: Mapping[str, Any], model: type[BaseModel], prefix: str, path: Path) -> None:
    for key, value in tree.items():
        if key not in model.model_fields:
            near = difflib.get_close_matches(key, model.model_fields, n=1)
            hint = f"did you mean `{prefix}{near[0]}`?" if near else f"known: {', '.join(model.model_fields)}"
            raise JarvisError("config_invalid", f"Unknown setting `{prefix}{key}` in {path}", why=hint)
        annotation = model.model_fields[key].annotation
        section = _model_of(annotation)
        if section is None or not isinstance(value, Mapping):
            continue
        if get_origin(annotation) is not dict:
            _check_keys(value, section, f"{prefix}{key}.", path)
            continue
        for name, one in value.items():
            if isinstance(one, Mapping):
                _check_keys(one, section, f"{prefix}{key}.{name}.", path)
