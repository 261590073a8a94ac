"""The tables of answers in the docs say what the tables of the code do."""

import re
from collections.abc import Hashable, Mapping

import pytest

from protocol.outcomes import AttemptOutcome, Remedy, Verdict
from protocol.providers.apns.responses import RESPONSES as APNS_RESPONSES
from protocol.providers.fcm.responses import BY_TEXT
from protocol.providers.fcm.responses import RESPONSES as FCM_RESPONSES
from protocol.providers.webpush.responses import RESPONSES as WEBPUSH_RESPONSES
from tests.support.tree import ROOT

REMEDIES = {
    Remedy.NONE: "",
    Remedy.FRESH_TOKEN: ": once more with a new token",
    Remedy.FRESH_SESSION: ": on a new connection",
    Remedy.HOLD_LANE: ": the lane is held",
    Remedy.SLOW_LANE: ": the lane slows down",
    Remedy.KEEP_TOKEN: ": the token is kept",
}
OUTCOMES = {
    AttemptOutcome.ACCEPTED: "accepted",
    AttemptOutcome.REJECTED: "rejected",
    AttemptOutcome.DEFERRED: "deferred",
}
ROW = re.compile(r"^\|(?: (?P<service>\w+) \|)? (?P<answers>`\d{3}.*?`) \| (?P<rest>.*) \|$", re.MULTILINE)


def read_table(document: str) -> dict[tuple[str | None, int, str], str]:
    """Return what a document says of each service (None: it names none), status and word."""
    said: dict[tuple[str | None, int, str], str] = {}
    for row in ROW.finditer((ROOT / document).read_text()):
        for answer in re.findall(r"`([^`]+)`", row["answers"]):
            status, _, word = answer.partition(" ")
            key = (row["service"], int(status), word)
            assert key not in said, key
            said[key] = row["rest"]
    return said


def describe(verdict: Verdict) -> str:
    happens = OUTCOMES[verdict.outcome] + REMEDIES[verdict.remedy]
    if verdict.reason is None:
        return f"{happens} | |"
    return f"{happens} | `{verdict.reason.word}` | `{verdict.advice.word}`"


def describe_all(responses: Mapping[Hashable, Verdict]) -> dict[Hashable, str]:
    return {key: describe(verdict) for key, verdict in responses.items()}


@pytest.mark.parametrize(
    ("document", "responses"),
    [
        (
            "docs/apns.md",
            {(None, status, reason): verdict for (status, reason), verdict in APNS_RESPONSES.items()},
        ),
        (
            "docs/fcm.md",
            {(None, status, code or ""): verdict for (status, code), verdict in FCM_RESPONSES.items()}
            | {(None, 400, words): verdict for words, verdict in BY_TEXT.items()},
        ),
        (
            "docs/web-push.md",
            {
                ("any" if service is None else service.value, status, word): verdict
                for (service, status, word), verdict in WEBPUSH_RESPONSES.items()
            },
        ),
    ],
)
def test_every_answer_is_documented_as_it_is_judged(document, responses):
    assert read_table(document) == describe_all(responses)
