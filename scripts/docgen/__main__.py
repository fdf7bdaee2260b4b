"""``python -m scripts.docgen [--check]``: write the generated pages, or say which are not current."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from scripts.docgen import commands, configuration, contract, faults, runbooks, schema

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES: dict[str, Callable[[], str]] = {
    "contract.md": contract.render,
    "protocol.schema.json": schema.render,
    "runbook.schema.json": runbooks.render,
    "configuration.md": configuration.render,
    "commands.md": commands.render,
    "faults.md": faults.render,
}


def main(arguments: list[str]) -> int:
    """Exit code: 0, or with ``--check`` 1 when a page is not current."""
    check = arguments == ["--check"]
    if arguments and not check:
        print("usage: scripts/generate-contract [--check]", file=sys.stderr)
        return 2
    stale = []
    for name, render in PAGES.items():
        path, text = DOCS / name, render()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    for name in stale:
        print(f"docs/{name} {'is not current: run scripts/generate-contract' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
