"""Commands on nodes: the fixed reads take no foreign word, an act goes nowhere without a live permit."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.clock import SystemClock
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.cluster.ssh_keys import Target, fetch_host_key, pin_host_key
from jarvis_daemon.cluster.ssh_run import OUTPUT_MAX_BYTES, READS, command_line, reading
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings
from jarvis_daemon.tools import Act
from tests.unit.cluster.test_ssh import Node

GOOD = {
    "unit": "smbd", "lines": "5", "since": "60", "path": "/mnt/pve/nas", "vmid": "101", "minutes": "1440",
}  # fmt: skip
BAD = ["", "-x", "a;b", "$(x)", "`x`", "a b;", "a\nb", "../x", "a'b", 'a"b', "a|b", "--help", "\x1b[31m", "ü"]


PLACE = re.compile(r"\{(\w+)\}")
"""``{}`` is find's own."""


def wanted(name: str) -> set[str]:
    return {key for part in READS[name] for key in PLACE.findall(part)}


@pytest.mark.parametrize("name", READS)
def test_a_read_takes_exactly_its_values(name: str) -> None:
    argv = reading(name, {key: GOOD[key] for key in wanted(name)})
    assert len(argv) == len(READS[name])
    assert not any(PLACE.search(part) for part in argv)
    assert all(part == "{}" or "{" not in part for part in argv)


@pytest.mark.parametrize("name", [name for name in READS if wanted(name)])
@pytest.mark.parametrize("bad", BAD)
def test_a_value_that_could_be_more_than_a_value_is_refused(name: str, bad: str) -> None:
    for key in wanted(name):
        with pytest.raises(JarvisError) as caught:
            reading(name, {k: bad if k == key else GOOD[k] for k in wanted(name)})
        assert caught.value.code == "invalid_params"


@given(st.text(max_size=30))
def test_whatever_is_let_through_stays_one_argument(value: str) -> None:
    for name in READS:
        for key in wanted(name):
            try:
                argv = reading(name, {k: value if k == key else GOOD[k] for k in wanted(name)})
            except JarvisError:
                continue
            assert shlex.split(command_line(argv)) == argv
            assert not value.startswith("-")


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=10))
def test_an_argument_vector_comes_out_of_a_shell_as_it_went_in(argv: list[str]) -> None:
    try:
        line = command_line(argv)
    except JarvisError:
        assert any(not part.isprintable() for part in argv)
        return
    assert shlex.split(line) == argv


# --- over a real SSH server --------------------------------------------------------------------------------


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    one = await Node(tmp_path).start()
    yield one
    await one.stop()


async def nodes_of(node: Node, tmp_path: Path) -> SshNodes:
    known_hosts = tmp_path / "known_hosts"
    target = Target(node="pve", host="127.0.0.1", port=node.port)
    pin_host_key(known_hosts, target, await fetch_host_key(target))
    cluster = ClusterSettings.model_validate({
        "endpoints": ["https://127.0.0.1:1"], "token_id": "a@b!c",
        "ssh": {"key_file": str(node.key_file), "hosts": {"pve": f"127.0.0.1:{node.port}"}},
    })  # fmt: skip
    return SshNodes(cluster, known_hosts=known_hosts, clock=SystemClock())


def permit(*, killed: bool = False) -> Act:
    async def check() -> bool:
        return killed

    async def note(what: str) -> None:
        return

    return Act(call_id="c", killed=check, note=note, progress=lambda data: None)


async def test_an_act_runs_under_its_permit_and_not_after_it(node: Node, tmp_path: Path) -> None:
    ssh = await nodes_of(node, tmp_path)
    act = permit()
    ran = await ssh.act(act, "says hello", "pve", ["echo", "two  words"])
    assert (ran.exit_code, act.steps, node.commands) == (0, ["says hello"], ["echo 'two  words'"])
    act.end()
    for spent, code in ((act, "refused"), (permit(killed=True), "killed")):
        with pytest.raises(JarvisError) as caught:
            await ssh.act(spent, "says more", "pve", ["echo", "more"])
        assert caught.value.code == code
    assert len(node.commands) == 1
    await ssh.close()


async def test_output_without_end_is_cut_and_the_command_still_ends(node: Node, tmp_path: Path) -> None:
    async def much(process: Any) -> None:
        for _ in range(50):
            process.stdout.write("x" * 1_000_000)
            await process.stdout.drain()
        process.exit(7)

    node.answer = much  # type: ignore[method-assign]
    ssh = await nodes_of(node, tmp_path)
    ran = await ssh.act(permit(), "talks", "pve", ["yes"], timeout_s=60)
    assert (ran.exit_code, ran.truncated) == (7, True)
    assert len(ran.stdout) <= OUTPUT_MAX_BYTES
    await ssh.close()


async def test_a_connection_that_breaks_while_a_command_runs_is_told_as_not_known(
    node: Node, tmp_path: Path
) -> None:
    async def cut(process: Any) -> None:
        process.channel.get_connection().abort()

    node.answer = cut  # type: ignore[method-assign]
    ssh = await nodes_of(node, tmp_path)
    act = permit()
    with pytest.raises(JarvisError) as caught:
        await ssh.act(act, "works", "pve", ["sleep", "9"])
    assert (caught.value.code, act.steps) == ("cluster_unreachable", ["works"])
    await ssh.close()
