"""scripts/bootstrap: what it asks of a machine; nothing is done twice. No network, and Python is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ["sh", "cat", "chmod", "cut", "dirname", "grep", "mkdir", "rm", "sha256sum"]

PYTHON = """\
#!/bin/sh
# Stands in for Python: answers what bootstrap asks, makes a venv that logs every installation.
case "$*" in
  *ensurepip*) [ -e "$LAB/has-venv" ] ;;
  *version_info\\ \\<*) [ ! -e "$LAB/too-old" ] ;;
  *sys.executable*) echo /usr/bin/python3 ;;
  --version) echo "Python 3.9.2" ;;
  *-m\\ venv*)
    mkdir -p .venv/bin
    cp "$LAB/bin/python3" .venv/bin/python
    printf '#!%s\\nexit 0\\n' "$PWD/.venv/bin/python" >.venv/bin/pip
    chmod +x .venv/bin/pip
    echo "venv" >>"$LAB/log" ;;
  *-m\\ pip*) echo "pip $*" >>"$LAB/log" ;;
esac
"""


class Lab:
    """A checkout with the real script and a PATH that holds only what the test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "checkout"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in [*TOOLS, "cp"]:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        self.tool("id", "#!/bin/sh\necho ${LAB_UID:-1000}\n")
        (self.home / "scripts").mkdir(parents=True)
        (self.home / "requirements").mkdir()
        shutil.copy(ROOT / "scripts" / "bootstrap", self.home / "scripts" / "bootstrap")
        for name in ("core", "test", "build"):
            (self.home / "requirements" / f"{name}.lock").write_text(f"{name}\n")
        (self.home / "pyproject.toml").write_text("[project]\n")

    def tool(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def python(self, *, venv: bool = True, too_old: bool = False) -> None:
        self.tool("python3", PYTHON)
        for mark, wanted in (("has-venv", venv), ("too-old", too_old)):
            if wanted:
                (self.folder / mark).touch()
            else:
                (self.folder / mark).unlink(missing_ok=True)

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "scripts/bootstrap", *arguments], cwd=self.home, capture_output=True, text=True, timeout=30,
            env={"PATH": str(self.bin), "LAB": str(self.folder), **environ}, check=False,
        )  # fmt: skip

    @property
    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_without_python_it_names_the_exact_line_and_changes_nothing(lab: Lab) -> None:
    run = lab.run()
    assert run.returncode == 1
    assert "sudo apt-get install -y --no-install-recommends python3 python3-venv" in run.stderr
    assert not (lab.home / ".venv").exists()


def test_without_the_venv_module_it_names_its_package(lab: Lab) -> None:
    lab.python(venv=False)
    run = lab.run()
    assert run.returncode == 1
    assert "missing on this machine: python3-venv\n" in run.stderr


def test_a_python_that_is_too_old_is_told(lab: Lab) -> None:
    lab.python(too_old=True)
    lab.tool("apt-get", "#!/bin/sh\n")
    run = lab.run(JARVIS_APT="1", LAB_UID="0")
    assert run.returncode == 1
    assert "Python 3.11 or newer is needed; found Python 3.9.2" in run.stderr


def test_as_root_and_asked_to_it_installs_what_is_missing(lab: Lab) -> None:
    lab.python(venv=False)
    lab.tool("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$LAB/log"\n: >"$LAB/has-venv"\n')
    run = lab.run(JARVIS_APT="1", LAB_UID="0")
    assert run.returncode == 0, run.stderr
    assert lab.log[:2] == ["apt-get update -qq", "apt-get install -y -qq --no-install-recommends python3-venv"]


@pytest.mark.parametrize("environ", [{"JARVIS_APT": "1", "LAB_UID": "1000"}, {"JARVIS_APT": "", "LAB_UID": "0"}])
def test_it_installs_nothing_unless_root_and_asked_to(lab: Lab, environ: dict[str, str]) -> None:
    lab.python(venv=False)
    lab.tool("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$LAB/log"\n')
    assert lab.run(**environ).returncode == 1
    assert lab.log == []


def test_tools_that_tests_use_are_installed_or_named(lab: Lab) -> None:
    lab.python()
    run = lab.run("--test")
    assert run.returncode == 0
    assert "some tests will be skipped" in run.stderr
    assert "openssh-client systemd" in run.stderr
    (lab.home / ".venv" / ".jarvis-test").unlink()
    lab.tool("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$LAB/log"\n')
    run = lab.run("--test", JARVIS_APT="1", LAB_UID="0")
    assert run.returncode == 0
    assert "apt-get install -y -qq --no-install-recommends openssh-client systemd" in lab.log
    assert "skipped" not in run.stderr


def test_tools_that_cannot_be_installed_stop_nothing(lab: Lab) -> None:
    lab.python()
    lab.tool("apt-get", "#!/bin/sh\nexit 100\n")
    run = lab.run("--test", JARVIS_APT="1", LAB_UID="0")
    assert run.returncode == 0
    assert "some tests will be skipped" in run.stderr


def test_it_installs_by_hash_and_once(lab: Lab) -> None:
    lab.python()
    assert lab.run().returncode == 0
    assert lab.log[0] == "venv"
    assert "--require-hashes -r requirements/core.lock -r requirements/build.lock" in lab.log[1]
    assert "--no-deps --no-build-isolation -e ." in lab.log[2]
    again = lab.run()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(lab.log) == 3


def test_what_tests_need_contains_what_running_needs(lab: Lab) -> None:
    lab.python()
    assert lab.run("--test").returncode == 0
    assert "-r requirements/test.lock" in lab.log[1]
    done = len(lab.log)
    assert lab.run().returncode == 0
    assert len(lab.log) == done


def test_running_needs_less_than_tests_need(lab: Lab) -> None:
    lab.python()
    assert lab.run().returncode == 0
    assert lab.run("--test").returncode == 0
    assert any("requirements/test.lock" in line for line in lab.log)


@pytest.mark.parametrize("changed", ["requirements/core.lock", "requirements/build.lock", "pyproject.toml"])
def test_a_change_is_installed_into_the_same_environment(lab: Lab, changed: str) -> None:
    lab.python()
    lab.run()
    (lab.home / changed).write_text("changed\n")
    assert lab.run().returncode == 0
    assert lab.log.count("venv") == 1
    assert sum(line.startswith("pip") for line in lab.log) == 4


def test_a_checkout_that_was_copied_gets_an_environment_of_its_own(lab: Lab) -> None:
    lab.python()
    lab.run()
    shutil.copytree(lab.home, lab.folder / "copy")
    lab.home = lab.folder / "copy"
    assert lab.run().returncode == 0
    assert lab.log.count("venv") == 2
    assert str(lab.home) in (lab.home / ".venv" / "bin" / "pip").read_text()


def test_an_environment_without_its_interpreter_is_made_anew(lab: Lab) -> None:
    lab.python()
    lab.run()
    (lab.home / ".venv" / "bin" / "python").unlink()
    (lab.home / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")
    assert lab.run().returncode == 0
    assert lab.log.count("venv") == 2


def test_a_failed_installation_is_not_taken_for_done(lab: Lab) -> None:
    lab.python()
    lab.tool("python3", PYTHON.replace('echo "pip $*" >>"$LAB/log"', "exit 1"))
    run = lab.run()
    assert run.returncode == 1
    assert "could not be installed" in run.stderr
    assert lab.run().returncode == 1


def test_uv_is_used_where_it_is(lab: Lab) -> None:
    lab.tool(
        "uv",
        '#!/bin/sh\necho "uv $*" >>"$LAB/log"\n'
        "case $1 in venv) mkdir -p .venv/bin; : >.venv/bin/python; chmod +x .venv/bin/python ;; esac\n",
    )
    assert lab.run().returncode == 0
    assert lab.log[0].startswith("uv venv")
    assert "--require-hashes -r requirements/core.lock" in lab.log[1]


def test_a_wrong_option_tells_the_usage(lab: Lab) -> None:
    run = lab.run("--tests")
    assert run.returncode == 1
    assert "usage: scripts/bootstrap [--test]" in run.stderr


def test_locks_of_the_checkout_are_what_the_script_reads() -> None:
    text = (ROOT / "scripts" / "bootstrap").read_text()
    assert "requirements/build.lock" in text
    assert all((ROOT / "requirements" / f"{name}.lock").stat().st_size for name in ("core", "test", "build"))
    assert os.access(ROOT / "scripts" / "bootstrap", os.X_OK)
