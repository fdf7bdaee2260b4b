"""Every error that can reach a client, in one table.

    JarvisError                 has code, what, why, next
      (no sub-tree: the code tells them apart, on both sides of the wire)

A row has: the stable string code, the JSON-RPC number, the exit code of the CLI, and the next step that is
told when the raiser names none. Standard library only: the CLI's fast path imports it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class ErrorRow(NamedTuple):
    number: int
    exit_code: int
    next: str


EXIT_CODES: Final[dict[int, str]] = {
    0: "done; `jarvis status`: healthy; `jarvis doctor`: all well",
    1: "failed; read back otherwise (contradicted); cancelled",
    2: "wrong usage",
    3: "the daemon cannot be reached",
    4: "the daemon speaks another version of the protocol",
    5: "denied: refused by the gate, the approval denied or expired, the kill switch engaged",
    6: "not found",
    7: "timed out",
    8: "done in part, or sent and not known what became of it (unverified)",
    10: "`jarvis status`: degraded; `jarvis doctor`: warnings",
    11: "`jarvis status`: critical; `jarvis doctor`: failures",
    130: "interrupted with Ctrl-C",
}

ERRORS: Final[dict[str, ErrorRow]] = {
    "parse_error": ErrorRow(-32700, 1, "The frame was not JSON; update the client."),
    "invalid_request": ErrorRow(-32600, 1, "The frame was not a JSON-RPC call; update the client."),
    "method_not_found": ErrorRow(-32601, 1, "`jarvis daemon restart` brings the daemon to your version."),
    "invalid_params": ErrorRow(-32602, 2, "See `--help` of the command."),
    "internal": ErrorRow(-32603, 1, "`jarvis daemon logs` has the details."),
    "protocol_mismatch": ErrorRow(-32010, 4, "Run `jarvis daemon restart`."),
    "hello_required": ErrorRow(-32011, 4, "Say hello first; update the client."),
    "forbidden": ErrorRow(-32012, 5, "Use a session of the operator."),
    "frame_too_large": ErrorRow(-32013, 1, "Send at most 1 MiB in a frame."),
    "too_slow": ErrorRow(-32014, 1, "Attach again; read faster or subscribe to less."),
    "not_found": ErrorRow(-32020, 6, "`jarvis status` lists what there is."),
    "ambiguous": ErrorRow(-32021, 2, "Name it by its vmid or id."),
    "unknown_topic": ErrorRow(-32022, 2, "See docs/contract.md for the topics."),
    "timed_out": ErrorRow(-32030, 7, "Try again, or raise --timeout."),
    "cancelled": ErrorRow(-32031, 1, "Nothing to do."),
    "busy": ErrorRow(-32032, 1, "Try again in a moment."),
    "unavailable": ErrorRow(-32033, 1, "`jarvis doctor` tells what is missing."),
    "cluster_unreachable": ErrorRow(-32040, 1, "`jarvis doctor` checks each endpoint."),
    "cluster_denied": ErrorRow(-32041, 5, "`jarvis setup` shows the privileges the token needs."),
    "cluster_untrusted": ErrorRow(-32042, 5, "Compare the fingerprint on the node, then `jarvis setup`."),
    "cluster_refused": ErrorRow(-32043, 1, "Read the message of Proxmox VE above."),
    "killed": ErrorRow(-32034, 5, "`jarvis unkill` lets Jarvis act again."),
    "refused": ErrorRow(-32035, 5, "`jarvis tool show NAME` tells what the tool needs."),
    "store_failed": ErrorRow(-32050, 1, "Free space on the disk of the data folder; nothing was saved."),
    "daemon_unreachable": ErrorRow(-32060, 3, "Run `jarvis daemon start`."),
    "config_invalid": ErrorRow(-32061, 2, "Mend the file, then `jarvis config check`."),
    "already_running": ErrorRow(-32062, 1, "`jarvis daemon status` shows the one that runs."),
}

_BY_NUMBER: Final = {row.number: code for code, row in ERRORS.items()}


class JarvisError(Exception):
    """What happened, why, and the next command; the same on the wire and on the screen.

    ``code`` is a key of ``ERRORS``. ``data`` travels as given and must be plain JSON.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        why: str = "",
        next: str = "",  # noqa: A002  the word the person reads
        data: dict[str, Any] | None = None,
    ) -> None:
        row = ERRORS[code]
        self.code = code
        self.what = what
        self.why = why
        self.next = next or row.next
        self.data = data or {}
        super().__init__(what)

    @property
    def exit_code(self) -> int:
        return ERRORS[self.code].exit_code

    def sentence(self) -> str:
        """One line: what happened and why."""
        return f"{self.what.rstrip('.')}: {self.why}" if self.why else self.what

    def to_wire(self) -> dict[str, Any]:
        """The ``error`` member of a JSON-RPC answer."""
        return {
            "code": ERRORS[self.code].number,
            "message": self.what,
            "data": {"code": self.code, "why": self.why, "next": self.next, **self.data},
        }

    @classmethod
    def from_wire(cls, error: dict[str, Any]) -> JarvisError:
        """The inverse of ``to_wire``; a code that this version does not know becomes ``internal``."""
        raw = error.get("data")
        data: dict[str, Any] = dict(raw) if isinstance(raw, dict) else {}
        code = str(data.pop("code", "") or _BY_NUMBER.get(error.get("code", 0), "internal"))
        if code not in ERRORS:
            code = "internal"
        why, next_step = str(data.pop("why", "")), str(data.pop("next", ""))
        return cls(code, str(error.get("message", "unknown error")), why=why, next=next_step, data=data)
