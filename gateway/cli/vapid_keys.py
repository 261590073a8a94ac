"""`pushmill vapid-keys`: make the key pair by which Web Push services know an application."""

from pathlib import Path
from typing import Annotated

import typer


def vapid_keys(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the private key. Must not exist yet.")],
) -> None:
    """Make a VAPID key pair (RFC 8292) for Web Push.

    The private key goes to --out, as PEM that only you can read. The public key is printed in the form browsers take as
    applicationServerKey: give it to pushManager.subscribe() in your pages.

    This version does not send Web Push yet, and no setting names the file; your pages can begin to collect
    subscriptions for it.

    Keep the file: every browser subscription is bound to this key pair, and a lost one can't be replaced.
    An existing file is never overwritten.
    """
    from gateway.delivery.credentials import create_vapid_key_file

    try:
        key = create_vapid_key_file(out)
    except FileExistsError:
        typer.echo(f"pushmill: {out} exists; a VAPID key is never overwritten, name another file", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"pushmill: {out}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"private key: {out}")
    typer.echo(f"applicationServerKey: {key.public_key}")
