"""Every `pushmill …` that a document shows is a command, and every option in it one that the command has."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.main import app
from tests.support.tree import ROOT, project_files

DOCUMENTS = project_files("*.md", "Dockerfile")
COMMAND = re.compile(r"(?:^\s*|`)(?:\.venv/bin/)?pushmill ([a-z][^`\n|>&]*)", re.MULTILINE)
APPLICATION = typer.main.get_command(app)


def documented_commands(text: str) -> list[list[str]]:
    return [shlex.split(words, comments=True) for words in COMMAND.findall(text.replace("\\\n", " "))]


def find_fault(words: list[str]) -> str | None:
    """Return the first word of a command line that the application does not know."""
    command: Any = APPLICATION
    known = {"--help"}
    for word in words:
        if word == "--":  # what follows is handed on
            return None
        if hasattr(command, "list_commands"):
            if word not in command.list_commands(None):
                return word
            command = command.get_command(None, word)
            known |= {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        elif word.startswith("-") and word != "-" and word.split("=")[0] not in known:
            return word
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_documented_commands_exist(document: Path):
    commands = documented_commands((ROOT / document).read_text())
    assert {" ".join(words): fault for words in commands if (fault := find_fault(words))} == {}


@pytest.mark.parametrize(
    ("line", "fault"), [("pushmill deliver x", "deliver"), ("pushmill simulate apns --nope", "--nope")]
)
def test_an_unknown_word_is_found(line: str, fault: str):
    (words,) = documented_commands(f"Type `{line}`.")
    assert find_fault(words) == fault


def test_readme_shows_a_first_send():
    commands = documented_commands((ROOT / "README.md").read_text())
    assert {"simulate", "serve", "send"} <= {words[0] for words in commands}
