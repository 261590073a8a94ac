"""Where the command `pushmill` begins and ends.

Nothing is imported before an end by Ctrl-C can be told in one line.
"""

import sys

from gateway.cli.output import READER_GONE, UNWRITABLE, Output, OutputError, find_output_error

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def main() -> None:
    """Run the command line."""
    try:
        code = _run(Output())
    except KeyboardInterrupt:
        _tell("interrupted")
        code = INTERRUPTED
    sys.exit(code)


def _run(output: Output) -> int | str | None:
    try:
        with output.in_use():
            return _run_command()
    except OutputError as error:
        return _tell_output_error(error)
    except BaseExceptionGroup as errors:
        found = find_output_error(errors)
        if found is None:
            raise
        return _tell_output_error(found)


def _run_command() -> int | str | None:
    try:
        from gateway.cli.main import app

        app(prog_name="pushmill")
    except SystemExit as end:
        # How typer ends for a Ctrl-C that the command didn't see to.
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            _tell("interrupted")
        return end.code
    return 0


def _tell_output_error(error: OutputError) -> int:
    if error.is_reader_gone:
        _tell("nobody reads standard output any more")
        return READER_GONE
    _tell(f"standard output can't be written: {error}")
    return UNWRITABLE


def _tell(what: str) -> None:
    words = [word for word in sys.argv[1:2] if not word.startswith("-")]
    try:
        sys.stderr.write(f"{' '.join(['pushmill', *words])}: {what}\n")
        sys.stderr.flush()
    except (OSError, AttributeError):  # closed, full, or gone: the exit code says it
        return
