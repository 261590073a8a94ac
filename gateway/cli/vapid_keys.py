"""`pushmill vapid-keys`: make the key pair by which Web Push services know an application, or show its public half."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.delivery.credentials import VapidKey


def vapid_keys(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write a new private key. Must not exist yet.")
    ] = None,
    public: Annotated[
        Path | None, typer.Option("--public", help="A private key that exists already, to show its public key.")
    ] = None,
) -> None:
    """Make a VAPID key pair (RFC 8292) for Web Push, or show the public key of one.

    The private key goes to --out, as PEM that only you can read. The public key is printed in the form browsers take as
    applicationServerKey: give it to pushManager.subscribe() in your pages. The lines for the settings follow; put in
    the name of your app and an address at which push services can reach you.

    Keep the file: every subscription is bound to the key pair it was made with, and a lost one can't be replaced. An
    existing file is never overwritten.

    To change keys, have two for a while. Make a second file, and name both in the settings, the old one by the id that
    it has had so far ("default", unless you chose another):

        vapid_key_files = { "default" = "old.pem", "2026" = "new.pem" }
        default_vapid_key = "default"

    Then let your pages subscribe with the new public key, and send to these subscriptions with "vapid_key": "2026".
    When the last subscription of the old key is gone, take it out of the settings.
    """
    if (out is None) == (public is None):
        raise typer.BadParameter("name one of them: --out FILE makes a key pair, --public FILE shows one")
    if out is not None:
        key = _create(out)
        typer.echo(f"private key: {out}")
        _print_public(key)
        typer.echo()
        typer.echo(_settings(out))
    elif public is not None:
        _print_public(_load(public))


def _create(path: Path) -> "VapidKey":
    from gateway.delivery.credentials import create_vapid_key_file

    try:
        return create_vapid_key_file(path)
    except FileExistsError:
        typer.echo(f"pushmill: {path} exists; a VAPID key is never overwritten, name another file", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"pushmill: {path}: {error.strerror}", err=True)
        raise typer.Exit(1) from None


def _load(path: Path) -> "VapidKey":
    from gateway.delivery.credentials import InvalidCredentialFileError, load_vapid_key

    try:
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
