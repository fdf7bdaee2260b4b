"""JSON-RPC frames, in and out."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from jarvis_daemon.bus import StateDelta
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import CALLS, NOTIFICATIONS, Delta, Message

_encoder: Final = msgspec.json.Encoder()
CallId = int | str | None


class Call(msgspec.Struct):
    """An incoming call; ``params`` stay raw until the method tells their type."""

    id: int | str | None = None
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"{}")


_call_decoder: Final = msgspec.json.Decoder(Call)


def decode_call(frame: str) -> Call:
    """Raises ``parse_error`` for what is not JSON, ``invalid_request`` for what is no call."""
    try:
        call = _call_decoder.decode(frame)
    except msgspec.ValidationError as error:
        raise JarvisError("invalid_request", "The frame is no call", why=str(error)) from None
    except msgspec.DecodeError as error:
        raise JarvisError("parse_error", "The frame is not JSON", why=str(error)) from None
    if not call.method:
        raise JarvisError("invalid_request", "The frame is no call", why="it names no method")
    return call


def decode_params(call: Call) -> Any:
    """The parameters as the method's struct. Raises ``method_not_found`` or ``invalid_params``."""
    if call.method not in CALLS:
        raise JarvisError("method_not_found", f"This daemon knows no method {call.method!r}")
    raw = bytes(call.params)
    try:
        return msgspec.json.decode(raw if raw not in (b"", b"null") else b"{}", type=CALLS[call.method][0])
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise JarvisError("invalid_params", f"The parameters of {call.method} are wrong", why=str(error)) from None


def encode_result(call_id: CallId, result: Any) -> bytes:
    return _encoder.encode({"jsonrpc": "2.0", "id": call_id, "result": {"ok": True} if result is None else result})


def encode_error(call_id: CallId, error: JarvisError) -> bytes:
    return _encoder.encode({"jsonrpc": "2.0", "id": call_id, "error": error.to_wire()})


def encode_note(method: str, params: Message | dict[str, Any]) -> bytes:
    """A notification of the contract's table."""
    if method not in NOTIFICATIONS:
        raise ValueError(f"{method} is not in the contract")
    return _encoder.encode({"jsonrpc": "2.0", "method": method, "params": params})


def encode_delta(delta: StateDelta) -> bytes:
    """The frame of a delta that goes out as it is; encoded once, shared by all sessions."""
    if delta.frame is None:
        message = Delta(topic=delta.topic, seq=delta.seq, set=delta.set, delete=delta.delete)
        delta.frame = encode_note("delta", message)
    return delta.frame
