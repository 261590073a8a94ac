"""Settings of a gateway that sends to the native sink."""

import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

APP = "shop"


def write_settings(  # noqa: PLR0917 - what every gateway of a bench needs
    folder: Path,
    engine: str,
    journal: Path,
    port: int,
    ca_file: Path,
    sections: Mapping[str, Mapping[str, object]] | None = None,
) -> Path:
    """Write them into ``folder``, with a fresh signing key and the door at ``gateway.sock``; return the file.

    ``sections`` are added, or replace single settings.
    """
    key_file = folder / "AuthKey_ABC123DEFG.p8"
    key = ec.generate_private_key(ec.SECP256R1())
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings: dict[str, dict[str, object]] = {
        "listen": {"socket": [f"unix:{folder / 'gateway.sock'}"]},
        "journal": {"engine": engine, "directory": str(journal)},
        "apns": {"production_address": f"localhost:{port}", "ca_file": str(ca_file)},
        f"apps.{APP}.apns": {
            "team_id": "DEF123GHIJ",
            "key_id": "ABC123DEFG",
            "key_file": str(key_file),
            "topic": "com.example.shop",
            "environment": "production",
        },
    }
    for name, section in (sections or {}).items():
        settings.setdefault(name, {}).update(section)
    path = folder / "gateway.toml"
    # A JSON string or list of them is TOML, too.
    path.write_text(
        "\n".join(
            f"[{section}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
            for section, values in settings.items()
        )
    )
    return path
