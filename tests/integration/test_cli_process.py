"""The command line as a process of its own: what it imports, how it ends, what it survives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.terminal import Terminal
from tests.unit.cli.served import Served, in_home

FORBIDDEN = {
    "textual", "rich", "pydantic", "httpx", "msgspec", "asyncio", "websockets", "litellm", "yaml", "requests",
    "asyncssh", "proxmoxer", "sqlite_utils",
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    with Served(in_home(folder)) as served:
        yield served
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def environ(served: Served) -> dict[str, str]:
    home = served.places.runtime_dir.parent.parent
    return {**os.environ, "JARVIS_HOME": str(home), "JARVIS_NO_AUTOSTART": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def jarvis(environ: dict[str, str], *arguments: str) -> list[str]:
    return [sys.executable, "-m", "jarvis_cli", *arguments]


def loaded(environ: dict[str, str], *arguments: str) -> set[str]:
    """Names in ``sys.modules`` after a command has run in a fresh interpreter."""
    script = (
        "import sys, json; from jarvis_cli.main import run\n"
        f"code = run({list(arguments)!r}); print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, timeout=60)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code in {0, 10}
    return {name.partition(".")[0] for name in modules} | set(modules)


@pytest.mark.parametrize(
    "line",
    [
        "status", "status --json", "guest list", "guest show 100", "feed", "task show last", "incident list",
        "tool list", "tool call look_around", "guest start 103", "guest stop 103 --dry-run", "approvals",
        "audit list",
    ],
)  # fmt: skip
def test_commands_stay_light(environ: dict[str, str], line: str) -> None:
    modules = loaded(environ, *line.split())
    assert modules & FORBIDDEN == set()
    assert {name for name in modules if name.startswith("jarvis_daemon.")} <= {
        "jarvis_daemon.protocol",
        *(f"jarvis_daemon.protocol.{name}" for name in (
            "errors", "health", "launch", "locate", "plain", "text", "version",
        )),
    }  # fmt: skip


def test_the_gate_sees_what_is_loaded(environ: dict[str, str]) -> None:
    assert "yaml" in loaded(environ, "status", "-o", "yaml")


def test_exit_code_and_bytes_of_a_process(environ: dict[str, str]) -> None:
    done = subprocess.run(jarvis(environ, "status"), capture_output=True, text=True, env=environ, timeout=60)
    golden = Path(__file__).resolve().parents[1] / "golden/status.txt"
    assert (done.returncode, done.stderr) == (10, "")
    assert done.stdout == golden.read_text()


def test_ascii_output_without_utf_8(environ: dict[str, str]) -> None:
    env = {**environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(jarvis(env, "status"), capture_output=True, env=env, timeout=60)
    assert done.returncode == 10
    assert done.stdout.isascii()
    assert b"* online" in done.stdout


def test_a_reader_that_goes_away_is_no_error(environ: dict[str, str]) -> None:
    process = subprocess.Popen(jarvis(environ, "guest", "list", "--json"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environ)  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, b"")


def test_a_full_disk_behind_the_output_is_told_in_one_sentence(environ: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            jarvis(environ, "status", "--json"), stdout=full, stderr=subprocess.PIPE, text=True, env=environ,
            timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "jarvis: It could not be written: No space left on device\n  next: Free space where the output goes.\n"
    )


def test_ctrl_c_is_130(environ: dict[str, str]) -> None:
    process = subprocess.Popen(jarvis(environ, "feed", "-f"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environ)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_feed_goes_on_after_a_restart_without_hole_or_double(served: Served, environ: dict[str, str]) -> None:
    process = subprocess.Popen(jarvis(environ, "feed", "-f", "-o", "jsonl", "-n", "2"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environ, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    seen = [json.loads(process.stdout.readline())["seq"] for _ in range(2)]
    served.do(served.feed.post("test", "before"))
    seen.append(json.loads(process.stdout.readline())["seq"])

    async def while_away() -> None:
        await served.server.stop()
        await served.feed.post("test", "meanwhile")

    served.do(while_away())
    assert "went away" in process.stderr.readline()
    served.do(served._serve())
    seen.append(json.loads(process.stdout.readline())["seq"])
    assert "is back" in process.stderr.readline()
    served.do(served.feed.post("test", "after"))
    seen.append(json.loads(process.stdout.readline())["seq"])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert seen == list(range(seen[0], seen[0] + 5))


def test_shell_completion_of_a_live_name(environ: dict[str, str]) -> None:
    env = {**environ, "_JARVIS_COMPLETE": "complete_bash", "COMP_WORDS": "jarvis guest show pih", "COMP_CWORD": "3"}
    done = subprocess.run(jarvis(env), capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout.split() == ["pihole"]
    env |= {"COMP_WORDS": "jarvis inc", "COMP_CWORD": "1"}
    done = subprocess.run(jarvis(env), capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout.split() == ["incident"]


def test_bare_jarvis_at_a_terminal_is_the_display(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    me = Terminal()
    me.answer("homelab", "")
    me.answer("quorate 3/4", "q")
    assert me.end() == 0, me.seen[-2000:]
