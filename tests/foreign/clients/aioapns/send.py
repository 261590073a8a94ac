"""Sends cases by aioapns and prints what it said of each: a JSON document on standard input, JSON lines out."""

import asyncio
import json
import logging
import ssl
import sys
from pathlib import Path

from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol

# Refusals are told by what is returned; the library's log lines would say them again.
logging.getLogger("aioapns").setLevel(logging.CRITICAL)

REQUEST = json.load(sys.stdin)
SERVER = REQUEST["server"]


class Protocol(APNsProductionClientProtocol):
    APNS_SERVER = SERVER["host"]
    APNS_PORT = SERVER["port"]


def make_client(identity):
    key_file, key_id, team_id = identity
    context = ssl.create_default_context(cafile=SERVER["ca_file"])
    client = APNs(
        key=Path(key_file).read_text(),
        key_id=key_id,
        team_id=team_id,
        topic=SERVER["topic"],
        max_connections=1,
        max_connection_attempts=2,
        ssl_context=context,
    )
    client.pool.protocol_class = Protocol
    return client


async def send(client, wanted):
    push_type = wanted.get("push_type")
    request = NotificationRequest(
        device_token=wanted["token"],
        message=json.loads(wanted["payload"]),
        notification_id=wanted["id"],
        time_to_live=wanted.get("ttl"),
        priority=wanted.get("priority"),
        collapse_key=wanted.get("collapse_id"),
        push_type=None if push_type is None else PushType(push_type),
        apns_topic=wanted.get("topic"),
    )
    try:
        result = await client.send_notification(request)
    except Exception as error:  # noqa: BLE001 - its type is what the library says
        said = {"raised": type(error).__name__}
    else:
        said = {"is_successful": result.is_successful, "status": result.status, "id": result.notification_id}
        if result.description is not None:
            said["description"] = result.description
        if result.timestamp is not None:
            said["has_timestamp"] = True
    sys.stdout.write(json.dumps({"case": wanted["name"], "said": said}) + "\n")


async def main():
    clients = {}

    def client_for(wanted):
        identity = tuple(wanted.get(name, SERVER[name]) for name in ("key_file", "key_id", "team_id"))
        if identity not in clients:
            clients[identity] = make_client(identity)
        return clients[identity]

    at_once = [wanted for wanted in REQUEST["cases"] if wanted.get("at_once")]
    for wanted in REQUEST["cases"]:
        if wanted not in at_once:
            await send(client_for(wanted), wanted)
    await asyncio.gather(*(send(client_for(wanted), wanted) for wanted in at_once))


asyncio.run(main())
