"""Commands of other packages register by entry points: the gateway imports none of them before it is asked for."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import registered
from gateway.cli.main import app


def register(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    found = [EntryPoint(name, target, registered.GROUP) for name, target in targets.items()]
    monkeypatch.setattr(registered, "entry_points", lambda *, group: found if group == registered.GROUP else [])


def run(*words: str):
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("words", [["serve", "--help"], ["check-config", "--help"], ["--version"]])
def test_a_command_of_the_gateway_imports_nothing_of_bench(words: list[str]):
    program = (
        "import sys, gateway.cli.main as cli\n"
        f"try: cli.app({words!r})\n"
        "finally: print('\\nimported:', sorted(name for name in sys.modules if name.split('.')[0] == 'bench'))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603
    assert done.stdout.splitlines()[-1] == "imported: []"


def test_bench_registers_its_commands():
    group = typer.main.get_command(app)
    assert group.list_commands(None)[-3:] == ["bench", "demo", "simulate"]
    assert [group.get_command(None, name).name for name in ("bench", "demo", "simulate")] == [
        "bench",
        "demo",
        "simulate",
    ]


def test_help_shows_what_is_registered_by_its_name(monkeypatch: pytest.MonkeyPatch):
    register(monkeypatch, shown="bench.cli.demo:demo")
    assert "│ shown " in run("--help").stdout


def test_none_takes_the_place_of_a_command_of_the_gateway(monkeypatch: pytest.MonkeyPatch):
    register(monkeypatch, serve="bench.cli.demo:demo")
    assert "Run the gateway" in run("serve", "--help").stdout


def test_a_command_whose_package_was_left_out_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch):
    register(monkeypatch, gone="no_such_package.cli:gone")
    done = run("gone", "--minutes", "5")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "pushmill gone: not installed here: No module named 'no_such_package'\n"
    assert run("--help").exit_code == 0
