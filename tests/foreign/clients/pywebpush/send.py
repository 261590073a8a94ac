"""Sends cases by pywebpush and prints what it said of each: a JSON document on standard input, JSON lines out."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from pywebpush import webpush

REQUEST = json.load(sys.stdin)


def run(wanted):
    vapid = wanted["vapid"]
    headers = {name: wanted[name] for name in ("urgency", "topic") if name in wanted}
    try:
        answer = webpush(
            wanted["subscription"],
            wanted.get("payload"),
            vapid_private_key=vapid["private_key"],
            vapid_claims={"sub": vapid["subject"]} | wanted.get("claims", {}),
            content_encoding=wanted.get("content_encoding", "aes128gcm"),
            ttl=wanted.get("ttl", 60),
            headers=headers,
        )
    except Exception as error:  # noqa: BLE001 - its type is what the library says
        response = getattr(error, "response", None)
        said = {"raised": type(error).__name__}
        if response is not None:
            said |= {"status_code": response.status_code} | ({"text": response.text} if response.text else {})
    else:
        said = {"status_code": answer.status_code, "has_location": "location" in answer.headers}
    return {"case": wanted["name"], "said": said}


def tell(line):
    sys.stdout.write(json.dumps(line) + "\n")


for case in REQUEST["cases"]:
    if not case.get("at_once"):
        tell(run(case))
with ThreadPoolExecutor(8) as threads:
    for line in threads.map(run, [case for case in REQUEST["cases"] if case.get("at_once")]):
        tell(line)
