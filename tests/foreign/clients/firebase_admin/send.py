"""Sends cases by firebase-admin and prints what it said of each: a JSON document on standard input, JSON lines out."""

import asyncio
import json
import sys

import firebase_admin
from firebase_admin import credentials, messaging

REQUEST = json.load(sys.stdin)
SERVER = REQUEST["server"]
# The library has Google's host in it; the token endpoint stands in the service account.
messaging._MessagingService.FCM_URL = f"https://{SERVER['host']}:{SERVER['port']}/v1/projects/{{0}}/messages:send"

apps = {}


def app_for(wanted):
    file = wanted.get("service_account_file", SERVER["service_account_file"])
    if file not in apps:
        apps[file] = firebase_admin.initialize_app(credentials.Certificate(file), name=file)
    return apps[file]


def message_for(wanted):
    title, ttl, link = (wanted.get(name) for name in ("title", "ttl_seconds", "link"))
    return messaging.Message(
        **wanted["target"],
        data=wanted.get("data"),
        notification=None if title is None else messaging.Notification(title=title),
        android=None if ttl is None else messaging.AndroidConfig(ttl=ttl, priority="high"),
        webpush=None if link is None else messaging.WebpushConfig(fcm_options=messaging.WebpushFCMOptions(link=link)),
    )


def words_of(error):
    """Return the type of an error, and where it is the library's the code."""
    code = getattr(error, "code", None)
    return {"raised": type(error).__name__} | ({} if code is None else {"code": code})


def tell(name, said):
    sys.stdout.write(json.dumps({"case": name, "said": said}) + "\n")


def send_one(wanted):
    try:
        said = {"name": messaging.send(message_for(wanted), app=app_for(wanted))}
    except Exception as error:  # noqa: BLE001 - its type is what the library says
        said = words_of(error)
    tell(wanted["name"], said)


async def send_each(several):
    answer = await messaging.send_each_async([message_for(wanted) for wanted in several], app=app_for(several[0]))
    for wanted, response in zip(several, answer.responses, strict=True):
        said = {"name": response.message_id} if response.success else words_of(response.exception)
        tell(wanted["name"], {"success": response.success} | said)


for case in REQUEST["cases"]:
    if not case.get("at_once"):
        send_one(case)
if at_once := [case for case in REQUEST["cases"] if case.get("at_once")]:
    asyncio.run(send_each(at_once))
