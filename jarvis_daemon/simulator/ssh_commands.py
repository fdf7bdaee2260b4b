"""What a shell on a simulated node answers to one command line. Pure: text in; text and exit code out.

No shell runs: a command is split like a shell would and looked up. The daemon's combined reading (``sh -c SCRIPT
jarvis-reading [SERVICE …]``) is answered section by section, for the sections that its script asks for.
"""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Callable
from typing import Final

from jarvis_daemon.simulator import sensors
from jarvis_daemon.simulator.inventory import GIB
from jarvis_daemon.simulator.nodes import KERNEL, Node
from jarvis_daemon.simulator.ssh_files import FILES, clean_packages
from jarvis_daemon.simulator.ssh_upkeep import UPKEEP, Answer, apt
from jarvis_daemon.simulator.world import World

KEPT_COMMANDS: Final = 200
_WRAPPERS: Final = {"env", "nice", "timeout"}


def run(world: World, name: str, command: str) -> Answer:
    """Answer ``command`` on node ``name``."""
    node = world.nodes[name]
    try:
        words = shlex.split(command)
    except ValueError:
        return Answer(stderr="bash: -c: line 1: unexpected EOF while looking for matching quote\n", exit_code=2)
    node.commands = [*node.commands[-KEPT_COMMANDS:], command]
    words = _unwrapped(words)
    words = [word for word in words if word != "2>/dev/null"]
    if not words:
        return Answer()
    if words[0] in {"sh", "bash"} and words[1:2] == ["-c"] and len(words) > 2:
        if words[3:4] == ["jarvis-reading"]:
            return _reading(node, words[2], words[4:])
        return run(world, name, words[2])
    program = words[0].rsplit("/", 1)[-1]
    if program in node.hanging_commands:
        return Answer(hangs=True)
    if any(" ".join(words).startswith(refused) for refused in node.refused_commands):
        return Answer(stderr=f"Failed to run {program}: Access denied\n", exit_code=1)
    found = _COMMANDS.get(program)
    if found is None:
        return Answer(stderr=f"bash: line 1: {words[0]}: command not found\n", exit_code=127)
    return found(world, node, words)


def _unwrapped(words: list[str]) -> list[str]:
    """Without assignments, ``env``, ``nice`` and ``timeout`` before the command."""
    while words:
        if words[0] in _WRAPPERS:
            rest = itertools.dropwhile(lambda word: word.startswith("-"), words[1:])
            words = list(rest)[1:] if words[0] == "timeout" else list(rest)
        elif "=" in words[0] and words[0].split("=")[0].isidentifier():
            words = words[1:]
        else:
            break
    return words


def _reading(node: Node, script: str, services: list[str]) -> Answer:
    lines: list[str] = []
    if "#jarvis date" in script:
        lines += ["#jarvis date", _date(node)]
    found = sensors.as_json(node) if "sensors -j" in script else None
    if found is not None:
        lines += ["#jarvis sensors-json", found.rstrip("\n")]
    elif "#jarvis hwmon" in script:
        lines += ["#jarvis hwmon", sensors.hwmon_dump(node)]
    if services:
        lines.append("#jarvis services")
        lines += [f"{service} {node.services.get(_unit(service), 'inactive')}" for service in services]
    return Answer("\n".join(lines) + "\n")


def _date(node: Node) -> str:
    seconds = node.time()
    return f"{int(seconds)}.{int(seconds % 1 * 1e9):09d}"


def _unit(name: str) -> str:
    return name.removesuffix(".service")


def _do_date(world: World, node: Node, words: list[str]) -> Answer:
    if "+%s.%N" in words:
        return Answer(_date(node) + "\n")
    if "+%s" in words:
        return Answer(f"{int(node.time())}\n")
    return Answer(time.strftime("%a %b %e %H:%M:%S UTC %Y\n", time.gmtime(node.time())))


def _do_sensors(world: World, node: Node, words: list[str]) -> Answer:
    text = sensors.as_json(node) if "-j" in words else sensors.as_text(node)
    if text is None:
        return Answer(stderr="bash: line 1: sensors: command not found\n", exit_code=127)
    return Answer(text)


def _do_cat(world: World, node: Node, words: list[str]) -> Answer:
    files = sensors.hwmon_files(node)
    files["/sys/class/thermal/thermal_zone0/temp"] = str(round(node.temperature() * 1000))
    out, err = "", ""
    for path in words[1:]:
        if path in files:
            out += files[path] + "\n"
        else:
            err += f"cat: {path}: No such file or directory\n"
    return Answer(out, err, 1 if err else 0)


def _do_uptime(world: World, node: Node, words: list[str]) -> Answer:
    clock = time.strftime("%H:%M:%S", time.gmtime(node.time()))
    load = ", ".join(node.loadavg(world.node_cpu(node.name)))
    return Answer(f" {clock} up {node.uptime() // 86400} days,  1 user,  load average: {load}\n")


def _do_uname(world: World, node: Node, words: list[str]) -> Answer:
    return Answer(f"Linux {node.name} {KERNEL[0]} {KERNEL[1]} x86_64 GNU/Linux\n" if "-a" in words else "Linux\n")


def _do_hostname(world: World, node: Node, words: list[str]) -> Answer:
    return Answer(node.name + "\n")


def _do_systemctl(world: World, node: Node, words: list[str]) -> Answer:
    plain = [
        word for before, word in itertools.pairwise(words)
        if not word.startswith("-") and before not in {"-p", "-n", "-t"}
    ]  # fmt: skip
    if not plain:
        return Answer(stderr="Too few arguments.\n", exit_code=1)
    verb, units = plain[0], [_unit(word) for word in plain[1:]]
    states = {unit: node.services.get(unit, "inactive") for unit in units}
    if verb == "is-active":
        good = any(state == "active" for state in states.values())
        return Answer("".join(f"{state}\n" for state in states.values()), exit_code=0 if good else 3)
    if verb == "show":
        return Answer("\n".join(_show(node, unit, words) for unit in units))
    if verb == "status":
        return _status(node, units)
    if verb in {"start", "restart", "stop"}:
        return _change(node, verb, units)
    if verb == "list-units":
        return Answer("".join(f"{unit}.service loaded {state}\n" for unit, state in node.services.items()))
    return Answer(stderr=f"Unknown command verb '{verb}'.\n", exit_code=1)


def _show(node: Node, unit: str, words: list[str]) -> str:
    state = node.services.get(unit)
    values = {
        "Id": f"{unit}.service",
        "LoadState": "loaded" if state else "not-found", "ActiveState": state or "inactive",
        "SubState": {"active": "running", "failed": "failed"}.get(state or "", "dead"),
        "Result": "exit-code" if state == "failed" else "success", "NRestarts": "5" if state == "failed" else "0",
        "ActiveEnterTimestampMonotonic": str(int(node.active_since(unit) * 1e6)) if state == "active" else "0",
        "Description": unit,
        "MainPID": "0" if state != "active" else str(700 + sum(map(ord, unit))),
    }  # fmt: skip
    wanted: list[str] = []
    for index, word in enumerate(words):
        if word.startswith("--property="):
            wanted += word.removeprefix("--property=").split(",")
        elif word == "-p" and index + 1 < len(words):
            wanted += words[index + 1].split(",")
    return "".join(f"{key}={value}\n" for key, value in values.items() if not wanted or key in wanted)


def _status(node: Node, units: list[str]) -> Answer:
    out, code = "", 0
    for unit in units:
        state = node.services.get(unit)
        if state is None:
            return Answer(out, f"Unit {unit}.service could not be found.\n", 4)
        detail = "active (running)" if state == "active" else f"{state} (Result: exit-code)"
        out += f"{'●' if state == 'active' else '×'} {unit}.service - {unit}\n"
        out += f"     Loaded: loaded (/lib/systemd/system/{unit}.service; enabled; preset: enabled)\n"
        out += f"     Active: {detail}\n"
        code = code or (0 if state == "active" else 3)
    return Answer(out, exit_code=code)


def _change(node: Node, verb: str, units: list[str]) -> Answer:
    for unit in units:
        if unit not in node.services:
            return Answer(stderr=f"Failed to {verb} {unit}.service: Unit {unit}.service not found.\n", exit_code=5)
        if verb == "stop":
            node.services[unit] = "inactive"
        else:
            node.start_service(unit)
    return Answer()


def _do_journalctl(world: World, node: Node, words: list[str]) -> Answer:
    unit = None
    for index, word in enumerate(words):
        if word in {"-u", "--unit"} and index + 1 < len(words):
            unit = _unit(words[index + 1])
        elif word.startswith("--unit="):
            unit = _unit(word.removeprefix("--unit="))
    if unit is None or unit not in node.services:
        return Answer("-- No entries --\n")
    stamp = time.strftime("%b %d %H:%M:%S", time.gmtime(node.time() - 30))
    told = [f"Started {unit}.service."]
    if node.services[unit] == "failed":
        told = [
            f"{unit}.service: Main process exited, code=exited, status=1/FAILURE",
            f"{unit}.service: Failed with result 'exit-code'.",
        ]
    if node.journal_padding:
        wanted = next((int(w.removeprefix("--lines=")) for w in words if w.startswith("--lines=")), 100)
        told = [text + " " + "x" * node.journal_padding for text in told * wanted][-wanted:]
    return Answer("".join(f"{stamp} {node.name} systemd[1]: {text}\n" for text in told))


def _do_docker(world: World, node: Node, words: list[str]) -> Answer:
    """The containers of the guest on this node that hosts Docker."""
    guest = next((g for g in world.guests_on(node.name) if g.spec.name in world.inventory.docker), None)
    if guest is None:
        return Answer(stderr="bash: line 1: docker: command not found\n", exit_code=127)
    if not guest.running:
        return Answer(stderr="Cannot connect to the Docker daemon. Is the docker daemon running?\n", exit_code=1)
    names = world.inventory.docker[guest.spec.name]
    if words[1:2] == ["ps"]:
        if "--format" in words:
            template = words[words.index("--format") + 1]
            rows = [template.replace("{{.Names}}", n).replace("{{.State}}", "running") for n in names]
            return Answer("".join(f"{row}\n" for row in rows))
        head = "CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES\n"
        rows = [f"{i:012x}   {name}:latest   \"/entrypoint\"   3 weeks ago   Up 3 days             {name}"
                for i, name in enumerate(names, start=0xC0FFEE)]  # fmt: skip
        return Answer(head + "".join(f"{row}\n" for row in rows))
    return Answer(stderr=f"docker: '{' '.join(words[1:2])}' is not a docker command.\n", exit_code=1)


def _do_apt(world: World, node: Node, words: list[str]) -> Answer:
    return clean_packages(world, node) if words[-1] == "clean" else apt(world, node, words)


def _do_free(world: World, node: Node, words: list[str]) -> Answer:
    total, used = node.spec.memory_bytes // 1024, world.node_memory(node.name) // 1024
    swap = 8 * GIB // 1024
    half, rest = (total - used) // 2, total - used
    return Answer(
        "               total        used        free      shared  buff/cache   available\n"
        f"Mem: {total:14d} {used:11d} {half:11d}       80000 {half:11d} {rest:11d}\n"
        f"Swap:{swap:14d}           0 {swap:11d}\n"
    )


def _do_true(world: World, node: Node, words: list[str]) -> Answer:
    return Answer()


def _do_echo(world: World, node: Node, words: list[str]) -> Answer:
    return Answer(" ".join(words[1:]) + "\n")


_COMMANDS: Final[dict[str, Callable[[World, Node, list[str]], Answer]]] = {
    "apt-get": _do_apt, "cat": _do_cat, "date": _do_date, "docker": _do_docker, "echo": _do_echo, "free": _do_free,
    "hostname": _do_hostname, "journalctl": _do_journalctl, "sensors": _do_sensors, "systemctl": _do_systemctl,
    **FILES, **UPKEEP, "true": _do_true, "uname": _do_uname, "uptime": _do_uptime,
}  # fmt: skip
