"""The exact commands that clean, run for real in a folder of this machine: what goes, and what must stay."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from jarvis_daemon.cluster.ssh_run import READS, TASK_LOGS, VZDUMP_TMP, Ran, command_line, reading
from jarvis_daemon.cluster.tools.cleanup import (
    LeftoversArgs,
    LogsArgs,
    leftover_commands,
    log_commands,
    parse_sizes,
)

DAY_S = 86400.0
DUMP = "/var/lib/vz/dump"


def left_in_dump() -> list[str]:
    return reading("left_in_dump", {"minutes": "1440", "path": DUMP})


def shell(argv: Sequence[str], here: Path, instead_of: str) -> Ran:
    """As a node's shell runs it, in ``here`` instead of the folder that it names."""
    line = command_line([part.replace(instead_of, str(here)) for part in argv])
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    return Ran(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def make(folder: Path, name: str, days: float, *, size: int = 4096, inside: str = "") -> Path:
    """A file of that age, or a folder with one file in it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if inside:
        path.mkdir()
        (path / inside).write_bytes(b"x" * size)
    else:
        path.write_bytes(b"x" * size)
    at = time.time() - days * DAY_S
    os.utime(path, (at, at))
    return path


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path / "dump"
    folder.mkdir()
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_orphans_of_a_backup_folder_are_listed_and_removed(dump: Path, tmp_path: Path) -> None:
    orphans = {"vzdump-lxc-101-2026_01_01-02_30_05.tar.dat", "vzdump-qemu-110-2026_01_01-02_30_05.vma.dat",
               "vzdump-lxc-101-2026_01_01-02_30_05.tmp"}  # fmt: skip
    for name in orphans:
        make(dump, name, 1.1, inside="pct.conf" if name.endswith(".tmp") else "")
    kept = {
        "vzdump-qemu-110-2026_01_01-02_30_05.vma.zst": 400.0, "vzdump-lxc-101-2026_01_01-02_30_05.tar.zst": 400.0,
        "vzdump-lxc-101-2026_01_01-02_30_05.log": 400.0, "vzdump-lxc-102-2026_01_02-02_30_05.tar.dat": 0.9,
        "important.dat": 400.0, "vzdump.tmp": 400.0, "my vzdump-1.dat.zst": 400.0,
    }  # fmt: skip
    for name, days in kept.items():
        make(dump, name, days)
    make(dump, "sub/vzdump-lxc-101-old.dat", 400)
    secret = make(tmp_path, "elsewhere/secret", 400)
    (dump / "vzdump-lxc-103-link.tmp").symlink_to(secret.parent)
    os.utime(dump / "vzdump-lxc-103-link.tmp", (0, 0), follow_symlinks=False)

    args = LeftoversArgs(node="pve", storage="local")
    found = shell(left_in_dump(), dump, DUMP)
    assert {Path(path).name for _, path in parse_sizes(found)} == orphans | {"vzdump-lxc-103-link.tmp"}
    assert all(size >= 4096 for size, path in parse_sizes(found) if not path.endswith("link.tmp"))
    (command,) = leftover_commands(args)
    done = shell(command, dump, DUMP)
    assert (done.exit_code, done.stderr) == (0, "")
    assert names(dump) == {*kept, "sub"}
    assert secret.exists(), "a link is removed, not what it points to"
    assert (dump / "sub/vzdump-lxc-101-old.dat").exists()
    again = shell(left_in_dump(), dump, DUMP)
    assert (again.exit_code, again.stdout) == (0, "")


def test_in_the_temporary_folder_only_what_is_roots_goes(dump: Path) -> None:
    make(dump, "vzdumptmp4711_101", 2, inside="etc")
    make(dump, "vzdumptmp4712_102", 0.5, inside="etc")
    make(dump, "systemd-private-x", 40, inside="etc")
    strange = make(dump, "vzdumptmp666", 40, inside="etc")
    if os.getuid() == 0:
        os.chown(strange, 65534, 65534)
    commands = leftover_commands(LeftoversArgs(node="pve"))
    assert len(commands) == 2
    done = shell(commands[1], dump, VZDUMP_TMP)
    assert (done.exit_code, done.stderr) == (0, "")
    mine = {"vzdumptmp4711_101"} if os.getuid() == 0 else set()
    everything = {"vzdumptmp4711_101", "vzdumptmp4712_102", "systemd-private-x", "vzdumptmp666"}
    assert names(dump) == everything - mine


def test_only_old_task_logs_are_listed_and_removed(dump: Path) -> None:
    old = make(dump, "A/UPID:pve:00001000:00002000:6000000A:vzdump:101:root@pam:", 31, size=5000)
    young = make(dump, "A/UPID:pve:00001000:00002000:6100000A:vzdump:101:root@pam:", 29)
    index, deep = make(dump, "index", 400), make(dump, "A/B/UPID:pve:1", 400)
    other = make(dump, "B/notes", 400)
    listed = shell(reading("old_task_logs", {"minutes": str(30 * 1440)}), dump, TASK_LOGS)
    assert [int(line) * 512 >= 5000 for line in listed.stdout.split()] == [True]
    (command,) = log_commands(LogsArgs(node="pve"))
    assert shell(command, dump, TASK_LOGS).exit_code == 0
    assert not old.exists()
    assert all(path.exists() for path in (young, index, deep, other))


def test_the_reads_of_usage_are_understood(dump: Path) -> None:
    big = dump / "a" / "b" / "big"
    big.parent.mkdir(parents=True)
    big.write_bytes(b"x" * (70 * 2**20))
    make(dump, "a/small", 1)
    folders = shell(reading("folders", {"path": "/srv"}), dump, "/srv")
    assert folders.exit_code == 0, folders.stderr
    found = {path: size for size, path in parse_sizes(folders)}
    assert set(found) == {str(dump), f"{dump}/a", f"{dump}/a/b"}
    assert found[f"{dump}/a/b"] >= 70 * 2**20
    files = shell(reading("big_files", {"path": "/srv"}), dump, "/srv")
    blocks, changed, path = files.stdout.strip().split(" ")
    assert (512 * int(blocks) >= 70 * 2**20, path) == (True, str(big))
    assert float(changed) == pytest.approx(time.time(), abs=600)
    space = shell(reading("space", {"path": "/srv"}), dump, "/srv")
    assert len(space.stdout.splitlines()[-1].split()) == 3
    size = shell(reading("size", {"path": "/srv"}), dump, "/srv")
    assert parse_sizes(size)[-1][0] >= 70 * 2**20


def test_reads_never_remove() -> None:
    for name, argv in READS.items():
        assert not {"rm", "-delete", "--delete", "clean"} & set(argv), name


def test_a_folder_that_is_not_there_is_told_in_known_words(tmp_path: Path) -> None:
    missing = shell(left_in_dump(), tmp_path / "no",
                    DUMP)  # fmt: skip
    assert (missing.exit_code, missing.stderr.endswith(": No such file or directory\n")) == (1, True)
