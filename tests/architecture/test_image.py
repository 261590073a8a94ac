"""The Dockerfile names what is there: its sources, its commands, the settings' own folders. tests/image builds it."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import typer

from gateway.cli.main import app
from gateway.config import Config
from tests.support.tree import PACKAGES, ROOT

# A line that ends with a backslash goes on in the next one; comments stand alone.
TEXT = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
INSTRUCTIONS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line.strip()]
FINAL_STAGE = INSTRUCTIONS[max(at for at, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]
COMMANDS = typer.main.get_command(app).list_commands(None)  # type: ignore[attr-defined, arg-type]


def values(instruction: str) -> list[str]:
    return [rest for word, rest in FINAL_STAGE if word == instruction]


def installed_packages(instructions: list[list[str]]) -> set[str]:
    """Return the Debian packages that are named in ``apt-get install`` lines."""
    (words,) = (
        found[1].split()
        for word, rest in instructions
        if word == "RUN" and (found := re.search(r"apt-get install ([^&]*)", rest))
    )
    return {word for word in words if not word.startswith("-")}


def test_every_source_is_copied_and_let_through():
    copied = [
        source for word, rest in INSTRUCTIONS if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]
    ]
    let_through = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied) == sorted(let_through)
    assert set(PACKAGES) <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_build_installs_what_setup_installs():
    build = INSTRUCTIONS[: INSTRUCTIONS.index(FINAL_STAGE[0], 1)]
    listed = re.search(r"missing_packages\(\) \{(.*?)\n\}", (ROOT / "scripts" / "setup").read_text(), re.DOTALL)
    assert listed is not None
    wanted = {
        name for names in re.findall(r"(?<!\w\()\becho ([\w. -]+)$", listed[1], re.MULTILINE) for name in names.split()
    }
    assert installed_packages(build) == wanted


def test_what_runs_has_nothing_to_build_with():
    builders = re.compile(r"-dev$|^(gcc|g\+\+|make|pkg-config|python3-(pip|venv|dev)|build-essential)$")
    assert [name for name in installed_packages(FINAL_STAGE) if builders.search(name)] == []


@pytest.mark.parametrize("instruction", ["CMD", "HEALTHCHECK"])
def test_its_commands_are_commands_of_pushmill(instruction: str):
    (line,) = values(instruction)
    program, command, *options = json.loads(line[line.index("[") :])
    assert program == "pushmill"
    assert command in COMMANDS
    assert options == []  # the defaults are what docs/operations.md tells


def test_it_runs_as_a_user_of_its_own_by_number():
    (user,) = values("USER")
    number, group = user.split(":")
    assert number == group != "0"
    assert f"--uid {number}" in TEXT


def test_volumes_hold_the_journal_and_the_socket():
    (volumes,) = values("VOLUME")
    defaults = Config()
    (address,) = defaults.listen.addresses
    assert volumes.split() == [str(Path(str(address).removeprefix("unix:")).parent), str(defaults.journal.directory)]


def test_without_an_engine_make_image_says_what_to_install(tmp_path: Path):
    for tool in ("bash", "dirname", "env"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run(  # noqa: S603 (our own script)
        [ROOT / "scripts" / "image"], check=False, capture_output=True, text=True, env={"PATH": str(tmp_path)}
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "no container engine works here: tried docker, podman and buildah" in done.stderr
    assert "apt-get install podman" in done.stderr
