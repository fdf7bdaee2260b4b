"""One check of the doctor, as it travels."""

from __future__ import annotations

from typing import Any

Check = dict[str, Any]


def ok(id_: str, title: str, detail: str) -> Check:
    return {"id": id_, "title": title, "status": "ok", "detail": detail, "fix": None}


def warned(id_: str, title: str, detail: str, fix: str) -> Check:
    return {"id": id_, "title": title, "status": "warn", "detail": detail, "fix": fix}


def failed(id_: str, title: str, detail: str, fix: str) -> Check:
    return {"id": id_, "title": title, "status": "fail", "detail": detail, "fix": fix}
