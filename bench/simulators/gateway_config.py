"""Settings of a gateway that sends to the three simulators, and notifications to try it with.

Both work as they are: `pushmill serve --config FILE`, and `pushmill send --app shop --address … --file FILE`.
"""

import errno
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.simulators.webpush import SERVICE_OF_ORIGIN, make_send_line

if TYPE_CHECKING:
    from bench.simulators.together import AllSimulators

APP = "shop"
_LONGEST_SOCKET_PATH_BYTES = 107
_EXAMPLE_SUBSCRIPTIONS = 4
_DEVICE_TOKEN = "9f" * 32
_REGISTRATION_TOKEN = "cExampleInstallationId:APA91b" + "x" * 134
_EVERYWHERE = frozenset(("0.0.0.0", "::"))  # noqa: S104 - compared with, not listened at

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

Sections = dict[str, dict[str, Any]]


class GatewayFiles(msgspec.Struct, frozen=True):
    """What was written, and what a caller needs to know of it."""

    config_file: Path
    notifications_file: Path
    socket: Path

    @property
    def address(self) -> str:
        """Where a caller finds the gateway."""
        return f"unix:{self.socket}"


def write_gateway_files(simulators: "AllSimulators", config_file: Path, directory: Path) -> GatewayFiles:
    """Write the settings, over an older file, and notifications for every provider into ``directory``.

    The gateway's socket and journal are going to be in ``directory`` too; all paths are absolute. OSError passes, and
    is raised for a folder whose name is too long for a socket in it.
    """
    folder = directory.resolve()
    files = GatewayFiles(config_file, folder / "notifications.ndjson", folder / "gateway.sock")
    if len(bytes(files.socket)) > _LONGEST_SOCKET_PATH_BYTES:
        raise OSError(errno.ENAMETOOLONG, "too long a path for a Unix socket", str(files.socket))
    folder.mkdir(parents=True, exist_ok=True)
    config_file.parent.mkdir(parents=True, exist_ok=True)
    config_file.write_text(_write_toml(_make_settings(simulators, files, folder)), encoding="utf-8")
    lines = _make_notifications(simulators)
    files.notifications_file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return files


def _make_settings(simulators: "AllSimulators", files: GatewayFiles, folder: Path) -> Sections:
    apns, fcm, webpush = simulators.apns, simulators.fcm, simulators.webpush
    key = apns.credentials.keys[0]
    return {
        "listen": {"socket": [files.address]},
        "journal": {"directory": str(folder / "journal")},
        "apns": {
            f"{apns.options.environment}_address": _find_address(apns.options.host, apns.port),
            "ca_file": _absolute(apns.ca_file),
        },
        "fcm": {
            "address": _find_address(fcm.options.host, fcm.port),
            "token_uri": f"https://{_find_address(fcm.options.host, fcm.port)}/token",
            "ca_file": _absolute(fcm.ca_file),
        },
        "webpush": {"allowed_networks": ["127.0.0.0/8", "::1/128"], "ca_file": _absolute(webpush.ca_file)},
        "webpush.allowed_hosts": {
            url.removeprefix("https://"): SERVICE_OF_ORIGIN[name] for name, url in webpush.origins.items()
        },
        f"apps.{APP}.apns": {
            "team_id": key.options.team_id,
            "key_id": key.options.key_id,
            "key_file": _absolute(key.file),
            "topic": apns.options.topics[0],
            "environment": apns.options.environment,
        },
        f"apps.{APP}.fcm": {"service_account_file": _absolute(fcm.account.file)},
        f"apps.{APP}.webpush": {
            "subject": webpush.options.subject,
            "default_vapid_key": next(iter(webpush.vapid_key_files)),
        },
        f"apps.{APP}.webpush.vapid_key_files": {
            key_id: _absolute(file) for key_id, file in webpush.vapid_key_files.items()
        },
    }


def _make_notifications(simulators: "AllSimulators") -> list[dict[str, Any]]:
    """Return one for each kind of destination that a first try wants to see."""
    count = min(simulators.webpush.options.subscriptions, _EXAMPLE_SUBSCRIPTIONS)
    subscriptions = itertools.islice(simulators.webpush.make_subscriptions(count), count)
    targets: list[dict[str, Any]] = [
        {"to": {"apns": {"token": _DEVICE_TOKEN}}},
        {"to": {"fcm": {"token": _REGISTRATION_TOKEN}}},
        {"to": {"fcm": {"topic": "news"}}},
        *map(make_send_line, subscriptions),
    ]
    content = {"title": "Hello", "body": "from Pushmill"}
    return [{"id": f"example-{number}", **to, "content": content} for number, to in enumerate(targets, start=1)]


def _find_address(host: str, port: int) -> str:
    reached = "127.0.0.1" if host in _EVERYWHERE else host
    return f"[{reached}]:{port}" if ":" in reached else f"{reached}:{port}"


def _absolute(file: Path) -> str:
    return str(file.resolve())


def _write_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return sections as TOML. A JSON string or a list of them is TOML too, except for surrogates in escapes."""
    return "# Of `pushmill simulate all`: a gateway that sends to these simulators.\n\n" + "\n".join(
        f"[{name}]\n"
        + "".join(
            f"{key if _BARE_KEY.fullmatch(key) else json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}\n"
            for key, value in section.items()
        )
        for name, section in sections.items()
    )
