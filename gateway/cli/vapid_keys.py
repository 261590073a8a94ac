"""`pushmill vapid-keys`: make, import or show the key pair by which Web Push services know an application."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import OutputError

STANDARD_INPUT = Path("-")
IMPORTED_FILE = Path("vapid.pem")

if TYPE_CHECKING:
    from gateway.delivery.credentials import VapidKey


def vapid_keys(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where to write the private key. Must not exist yet. With --import: vapid.pem."
        ),
    ] = None,
    public: Annotated[
        Path | None, typer.Option("--public", help="A private key that exists already, to show its public key.")
    ] = None,
    imported: Annotated[
        Path | None,
        typer.Option("--import", help="A key pair of another tool, to write as a file of ours. - is standard input."),
    ] = None,
) -> None:
    """Make a VAPID key pair (RFC 8292) for Web Push, import one, or show the public key of one.

    The private key goes to --out, as PEM that only you can read. The public key is printed in the form browsers take as
    applicationServerKey: give it to pushManager.subscribe() in your pages. The lines for the settings follow; put in
    the name of your app and an address at which push services can reach you.

    A pair that your subscriptions were made with comes in by --import: what `web-push generate-vapid-keys` prints, with
    --json or without, the two keys of Firebase's console, a JWK, or PEM. A public key beside the private one must be
    its own. The settings take such files as they are, too.

        npx web-push generate-vapid-keys --json | pushmill vapid-keys --import - --out vapid.pem

    Keep the file: every subscription is bound to the key pair it was made with, and a lost one can't be replaced. An
    existing file is never overwritten.

    To change keys, have two for a while. Make a second file, and name both in the settings, the old one by the id that
    it has had so far ("default", unless you chose another):

        vapid_key_files = { "default" = "old.pem", "2026" = "new.pem" }
        default_vapid_key = "default"

    Then let your pages subscribe with the new public key, and send to these subscriptions with "vapid_key": "2026".
    When the last subscription of the old key is gone, take it out of the settings.
    """
    if public is not None and out is None and imported is None:
        _print_public(_load(public))
    elif public is None and (out is not None or imported is not None):
        path = out or IMPORTED_FILE
        key = _write(path, None if imported is None else _load(imported))
        try:
            typer.echo(f"private key: {path}")
            _print_public(key)
            typer.echo()
            typer.echo(_settings(path))
            sys.stdout.flush()
        except OutputError:
            path.unlink()  # nobody has seen its public half: the same command can be given again
            raise
    else:
        raise typer.BadParameter(
            "name one of them: --out FILE makes a key pair, --import FILE takes one over, --public FILE shows one"
        )


def _write(path: Path, key: "VapidKey | None") -> "VapidKey":
    """Write a key, or a new one, to a file that doesn't exist yet."""
    from gateway.delivery.credentials import create_vapid_key_file

    try:
        if key is None:
            key = create_vapid_key_file(path)
        else:
            key.write(path)
    except FileExistsError:
        typer.echo(f"pushmill: {path} exists; a VAPID key is never overwritten, name another file", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"pushmill: {path}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    return key


def _load(path: Path) -> "VapidKey":
    from gateway.delivery.credentials import (
        LARGEST_FILE_BYTES,
        InvalidCredentialFileError,
        load_vapid_key,
        read_vapid_key,
    )

    try:
        if path == STANDARD_INPUT:
            return read_vapid_key(sys.stdin.buffer.read(LARGEST_FILE_BYTES), Path("standard input"))
        return load_vapid_key(path)
    except InvalidCredentialFileError as error:
        typer.echo(f"pushmill: {error}", err=True)
        raise typer.Exit(1) from None


def _print_public(key: "VapidKey") -> None:
    typer.echo(f"applicationServerKey: {key.public_key}")


def _settings(path: Path) -> str:
    """Return what to paste into the settings for an app's first key."""
    import json

    # A JSON string is a TOML string too.
    file = json.dumps(str(path.absolute()), ensure_ascii=False)
    return f'[apps.shop.webpush]\nsubject = "mailto:push@your.domain"\nvapid_key_file = {file}'
