"""The part of `pushmill check-config` that goes to the providers, and how it is told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog
import typer

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.live import Choice, ProbeAnswer

COLOURS = {"proven": "green", "not_refused": "green", "untold": "yellow", "refused": "red"}
WORDS = {"proven": "proven", "not_refused": "not refused", "untold": "can't be told", "refused": "REFUSED"}


def ask_providers(config: "Config", choice: "Choice", timeout_seconds: float) -> "list[ProbeAnswer]":
    """Try the credentials of a good configuration. Raises typer.BadParameter for a choice that there is not."""
    import trio

    from gateway.clock import SystemClock
    from gateway.delivery.credentials import load_credentials
    from gateway.live import UnknownChoiceError, check_live

    clock = SystemClock()
    credentials = load_credentials(config, clock)
    try:
        with _without_logs():
            return trio.run(partial(check_live, config, credentials, choice, clock, timeout_seconds=timeout_seconds))
    except UnknownChoiceError as error:
        raise typer.BadParameter(str(error)) from None


def print_answers(answers: "Sequence[ProbeAnswer]") -> None:
    """Say what was sent, to whom, what came back, what that means and what to do."""
    from rich.console import Console
    from rich.markup import escape

    out = Console(soft_wrap=True, highlight=False)
    for answer in answers:
        finding = answer.finding.value
        through = f" through {answer.through}" if answer.through else ""
        out.print(f"[bold]{escape(answer.setting)}[/bold]: sent {escape(answer.sent)}, to {escape(answer.to)}{through}")
        if answer.came_back is not None:
            out.print(f"  came back: {escape(answer.came_back)}")
        out.print(f"  [{COLOURS[finding]}]{WORDS[finding]}[/{COLOURS[finding]}]: {escape(answer.meaning)}")
        if answer.to_do is not None:
            out.print(f"  to do: {escape(answer.to_do)}")
    if not answers:
        out.print("no app has a credential of what was chosen: nothing was sent")


@contextmanager
def _without_logs() -> Iterator[None]:
    """Keep what a gateway would log from the output: it is all in the answers."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(*_: object) -> structlog.typing.ProcessorReturnValue:
    raise structlog.DropEvent
