"""The conversation of `jarvis setup`. What it finds out comes from ``admin setup …``; nothing is trusted or
written that a person (or an option) did not agree to, and the secret is never shown.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import typer

from jarvis_cli import admin, levels
from jarvis_cli.group import nearest
from jarvis_cli.session import Session
from jarvis_cli.values import rfc3339
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.launch import answers as daemon_answers
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.text import clean

ACTING: Final = 3
"""From this autonomy level on something is done without asking."""
TOKEN_ID: Final = "jarvis@pve!daemon"  # noqa: S105  a name, no secret


@dataclass
class Answers:
    """What the options gave; what is missing is asked."""

    endpoints: list[str] = field(default_factory=list)
    fingerprints: list[str] = field(default_factory=list)
    ca_file: str | None = None
    insecure: bool = False
    name: str | None = None
    token_id: str | None = None
    token_file: Path | None = None
    runs_on: str | None = None
    ssh: bool | None = None
    ssh_user: str | None = None
    ssh_key: str | None = None
    ssh_hosts: list[str] = field(default_factory=list)
    accept_host_keys: bool = False
    autonomy: int | None = None
    accept_missing: bool = False


class Wizard:
    """One run of setup."""

    def __init__(self, run: Session, answers: Answers) -> None:
        self.run, self.answers = run, answers
        self.cluster: dict[str, Any] = {}
        self.secret = ""
        self.host_keys: list[dict[str, Any]] = []

    def go(self) -> None:
        """All steps. Raises ``invalid_params`` for what is missing and cannot be asked."""
        if not self._unattended and not sys.stdin.isatty():
            self.run.no_input = True
        self._endpoints()
        self._token()
        found = self._test()
        self._names(found)
        self._ssh(found)
        level = self._autonomy(found)
        written = admin.ask(
            "setup", "write",
            given={
                "cluster": self.cluster, "token_secret": self.secret, "autonomy_level": level,
                "host_keys": self.host_keys,
            },
        )  # fmt: skip
        self._told(written)

    @property
    def _unattended(self) -> bool:
        return self.run.no_input

    def say(self, text: str = "") -> None:
        """A line of the conversation, on stderr: with ``--quiet`` only questions are left."""
        self.run.out.note(text)

    def ask(self, question: str, option: str, default: str | None = None) -> str:
        if default is not None and self._unattended:
            return default
        self.run.need_input(option, f'"{question}"')
        return str(typer.prompt(question, default=default, err=True)).strip()

    def agree(self, question: str, option: str, *, default: bool = False) -> bool:
        self.run.need_input(option, f'"{question}"')
        return typer.confirm(question, default=default, err=True)

    # --- steps -------------------------------------------------------------------------------------------

    def _endpoints(self) -> None:
        """Addresses, and which certificate each may show."""
        urls = list(self.answers.endpoints)
        if not urls:
            self.say("Any node serves the whole cluster; name two, so that one may be down.")
            urls = [self.ask("Address of a node (https://192.168.1.50:8006)", "--endpoint")]
            while more := self.ask("Another one (empty: no more)", "--endpoint", ""):
                urls.append(more)
        pinned: list[str] = []
        shown = admin.ask("setup", "certificates", given={"endpoints": urls})["certificates"]
        self.cluster["endpoints"] = [one["endpoint"] for one in shown]
        if self.answers.insecure:
            self.say("Any certificate will be trusted, as --insecure asks: the token goes to whoever answers.")
            self.cluster["tls"] = "insecure"
            return
        if self.answers.ca_file:
            self.cluster |= {"tls": "verify", "ca_file": str(Path(self.answers.ca_file).expanduser().absolute())}
            return
        if not self.answers.fingerprints and all(one["trusted"] for one in shown):
            self.say("The certificates are signed by a CA that this machine trusts.")
            self.cluster["tls"] = "verify"
            return
        for one in shown:
            self._trust(one)
            pinned.append(one["fingerprint"])
        self.cluster |= {"tls": "fingerprint", "fingerprints": list(dict.fromkeys(pinned))}

    def _trust(self, shown: dict[str, Any]) -> None:
        """Have a person compare the fingerprint. Raises ``cluster_untrusted`` when it is not accepted."""
        seen = str(shown["fingerprint"])
        given = {_digits(text) for text in self.answers.fingerprints}
        if given:
            if _digits(seen) in given:
                return
            raise JarvisError(
                "cluster_untrusted", f"The certificate of {shown['endpoint']} is not the one given",
                why=f"seen {seen}", next="Run `pvenode cert info` on the node and give that value.",
            )  # fmt: skip
        self.say()
        self.say(f"The certificate of {shown['endpoint']}:")
        self.say(f"  fingerprint  {seen}")
        self.say(f"  subject      {clean(str(shown['subject']))}")
        self.say(f"  issuer       {clean(str(shown['issuer']))}")
        self.say(f"  expires      {(rfc3339(float(shown['expires_at'])) or '')[:10]}")
        self.say("Compare the fingerprint with what `pvenode cert info` prints on the node itself.")
        if not self.agree("Is it the same?", "--fingerprint"):
            raise JarvisError(
                "cluster_untrusted", f"The certificate of {shown['endpoint']} was not accepted",
                why="nothing was sent to it and nothing was written", next="Find out who answers there.",
            )  # fmt: skip

    def _token(self) -> None:
        """The commands that make a token, then its secret."""
        token_id = self.answers.token_id or TOKEN_ID
        if self.answers.token_file is None:
            told = admin.ask("setup", "commands", given={"token_id": token_id})
            self.say()
            self.say("Make a token that may only look. In a shell on any node, as root:")
            for line in told["commands"]:
                self.say(f"  {line}")
            for note in told["notes"]:
                self.say(note)
            self.say()
            self.say("To let it act too (each act is still judged and confirmed), these as well, now or later:")
            for line in told["act"]["commands"]:
                self.say(f"  {line}")
            self.say()
        if not self.answers.token_id:
            token_id = self.ask("Token id", "--token-id", token_id)
        self.cluster["token_id"] = token_id
        self.secret = self._secret()

    def _secret(self) -> str:
        source = self.answers.token_file
        if source is None:
            self.run.need_input("--token-file", "The token's secret")
            return str(typer.prompt("Secret (not shown)", hide_input=True, err=True)).strip()
        try:
            text = sys.stdin.read() if str(source) == "-" else source.expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise JarvisError(
                "invalid_params", f"The secret cannot be read from {source}", why=str(error)
            ) from None
        if not text.strip():
            raise JarvisError("invalid_params", f"There is no secret in {source}")
        return text.strip().splitlines()[-1].strip()

    def _test(self) -> dict[str, Any]:
        """Ask each endpoint. Raises ``cluster_denied`` for missing privileges that are not accepted."""
        found = admin.ask("setup", "test", given={"cluster": self.cluster | {"token_secret": self.secret}})
        self.say()
        for row in found["endpoints"]:
            error = JarvisError.from_wire(row["error"]).sentence() if row["error"] else None
            self.say(f"{'✖' if error else '✔'} {row['endpoint']}  {error or 'answers'}")
        seen = f"{len(found['nodes'])} nodes, {len(found['guests'])} guests to be seen"
        self.say(f"✔ Proxmox VE {found['version']}: {seen}.")
        if found["missing_optional"]:
            self.say(f"· Without {', '.join(found['missing_optional'])} the addresses of VMs stay unknown.")
        if missing := found["missing"]:
            self.say(f"✖ The token lacks {', '.join(missing)}: what they show will be unknown.")
            self.say("  With privilege separation both the user and the token need the role.")
            if not (self.answers.accept_missing or self.agree("Go on without?", "--accept-missing")):
                raise JarvisError(
                    "cluster_denied", f"The token lacks {', '.join(missing)}", why="nothing was written",
                    next="Run the two `pveum acl modify` lines, then `jarvis setup` again.",
                )  # fmt: skip
        return found

    def _names(self, found: dict[str, Any]) -> None:
        self.cluster["name"] = self.answers.name or self.ask(
            "Name of the cluster", "--name", found["name"] or "homelab"
        )
        known = [str(node["name"]) for node in found["nodes"]] + [str(name) for name in found["guests"]]
        wanted = self.answers.runs_on
        if wanted is None and not self._unattended:
            self.say("Which node or guest carries this daemon? It will not be switched off by it.")
            wanted = self.ask("Runs on (empty: none of them)", "--runs-on", "")
        while wanted and known and wanted not in known:
            near = nearest(wanted, known)
            hint = f"did you mean {' or '.join(near)}?" if near else ""
            if self._unattended:
                raise JarvisError("not_found", f"There is no node or guest {wanted!r}", why=hint)
            self.say(f"There is no node or guest {wanted!r}. {hint}")
            wanted = self.ask("Runs on (empty: none of them)", "--runs-on", "")
        if wanted:
            self.cluster["runs_on"] = wanted

    def _ssh(self, found: dict[str, Any]) -> None:
        """Temperatures by SSH: account, key, host keys that a person compared."""
        ssh = self.answers.ssh
        if ssh is None:
            ssh = not self._unattended and self.agree(
                "Read temperatures and services by SSH?", "--ssh", default=True
            )
        if not ssh:
            self.cluster["ssh"] = {"enabled": False}
            return
        settings: dict[str, Any] = {
            "user": self.answers.ssh_user or self.ask("Account on the nodes", "--ssh-user", "root")
        }
        key = self.answers.ssh_key or self.ask("Private key (empty: the usual ones)", "--ssh-key", _usual_key())
        if key:
            settings["key_file"] = key
        if self.answers.ssh_hosts:
            settings["hosts"] = dict(_pair(text) for text in self.answers.ssh_hosts)
        self.cluster["ssh"] = settings
        nodes = {node["name"]: node["ip"] for node in found["nodes"]}
        shown = admin.ask("setup", "ssh", given={"cluster": self.cluster, "nodes": nodes})["nodes"]
        self.host_keys = [row for row in shown if self._accept(row)]
        if self.host_keys:
            given = {"cluster": self.cluster, "host_keys": self.host_keys}
            for row in admin.ask("setup", "login", given=given)["nodes"]:
                text = row["error"] or ("reading taken" if row["temperature"] else "no temperature there")
                self.say(f"{'✖' if row['error'] else '✔'} {row['node']}  {text}")
                if row["error"] and row["next"]:
                    self.say(f"    {row['next']}")

    def _accept(self, row: dict[str, Any]) -> bool:
        """Whether to pin the host key of ``row``."""
        where = f"{row['node']} ({row['host']}:{row['port']})"
        if row["error"]:
            self.say(f"✖ {row['error']}; left out.")
            return False
        if row["pinned"] == "same":
            return True
        self.say(f"Host key of {where}: {row['algorithm']} {row['fingerprint']}")
        if row["pinned"] == "changed":
            self.say("  IT IS NOT THE ONE PINNED BEFORE. Accept it only if the node was set up anew.")
        elif self.answers.accept_host_keys:
            return True
        return self.agree(f"Is it the host key of {row['node']}?", "--accept-host-keys")

    def _autonomy(self, found: dict[str, Any]) -> int:
        """How much is repaired without asking, and whether the token can do that."""
        level = self.answers.autonomy
        if level is None:
            level = levels.RECOMMENDED if self._unattended else self._ask_level()
        missing = found.get("missing_act") or []
        if level >= ACTING and missing:
            self.say(f"· At L{level} it would act, but the token lacks {', '.join(missing)}.")
            self.say("  What needs them fails until the commands for acting have been run; `jarvis doctor` tells.")
        return level

    def _ask_level(self) -> int:
        self.say()
        self.say("What may Jarvis repair by itself?")
        for level, (word, text) in enumerate(levels.LEVELS):
            self.say(f"  {level}  {word}: {text}")
        self.say("2 until you have seen what it would do: `jarvis autonomy preview 3` shows that.")
        self.say("At 3 it starts what crashed, restarts services and wakes nodes, within its guardrails (quorum,")
        self.say("locks, backups, what you stopped, three attempts), looks whether it worked, and tells you.")
        while True:
            said = self.ask("Level", "--autonomy", str(levels.RECOMMENDED))
            if said in {str(level) for level in range(len(levels.LEVELS))}:
                return int(said)
            self.say("A number from 0 to 4.")

    def _told(self, written: dict[str, Any]) -> None:
        self.say()
        self.say(f"✔ Wrote {written['config']} and {written['secret']} (0600).")
        for copy in written["kept"]:
            self.say(f"  The old one is kept as {copy}.")
        if daemon_answers(base_places().socket):
            self.say("Now: `jarvis daemon restart` takes the new settings, `jarvis doctor` checks everything.")
            self.say("A level that was chosen with `jarvis autonomy set` goes before the one given here.")
        else:
            self.say("Now: `jarvis status`, or `jarvis` for the display. `jarvis doctor` checks everything.")


def _digits(fingerprint: str) -> str:
    return "".join(char for char in fingerprint.upper() if char in "0123456789ABCDEF")


def _pair(text: str) -> tuple[str, str]:
    node, sign, address = text.partition("=")
    if not sign or not node or not address:
        raise JarvisError(
            "invalid_params", f"{text!r} is not NODE=ADDRESS", next="As in --ssh-host pve=10.0.0.2:2222."
        )
    return node, address


def _usual_key() -> str:
    key = Path(os.environ.get("HOME") or "~").expanduser() / ".ssh/id_ed25519"
    return "~/.ssh/id_ed25519" if key.exists() else ""
