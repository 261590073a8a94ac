"""Every reason, outcome and advice stands in docs/api.md, under its number and where the code gives it."""

import re

import pytest

from protocol.outcomes import Advice, Outcome
from protocol.providers.apns.responses import RESPONSES as APNS_RESPONSES
from protocol.providers.fcm.responses import RESPONSES as FCM_RESPONSES
from protocol.providers.webpush.responses import RESPONSES as WEBPUSH_RESPONSES
from protocol.reasons import Reason
from tests.support.api_tables import API, NOTHING, read_tables, unquote
from tests.support.tree import ROOT, project_files


def compare_words(api: str = API) -> list[str]:
    """Return every difference between the lists of words and their tables, numbers included."""
    differences = []
    for heading, column, words in (
        ("Reasons", "reason", Reason),
        ("Outcomes", "outcome", Outcome),
        ("Advice", "advice", Advice),
    ):
        said = [(int(row["no."]), unquote(row[column])) for row in read_tables(api, heading)[0]]
        meant = [(word.value, word.word) for word in words]
        differences += [f"{heading}: {each} in one of the two" for each in sorted({*said} ^ {*meant})]
        differences += [f"{heading}: out of order"] if said != sorted(said) else []
    return differences


def test_the_tables_of_words_say_what_the_lists_do():
    assert compare_words() == []


@pytest.mark.parametrize(
    ("said", "planted"),
    [
        (r"\| 29 \| `batch_conflict` .*\n", ""),
        (r"\| 21 \| `channel_gone`", "| 21 | `channel_missing`"),
        (r"\| 7 \| `unknown`", "| 8 | `unknown`"),
        (r"(?=\| 7 \| `retry_later`)", "| 8 | `ask_again` | - |\n"),
    ],
)
def test_a_difference_in_the_words_is_found(said: str, planted: str):
    changed, count = re.subn(said, lambda _: planted, API, count=1)
    assert count == 1
    assert compare_words(changed) != []


def test_a_reason_is_said_to_be_given_where_the_code_gives_it():
    comes_as = {Reason[unquote(row["reason"]).upper()]: row["comes as"] for row in read_tables(API, "Reasons")[0]}
    code = "\n".join((ROOT / path).read_text() for path in project_files("protocol/*.py", "gateway/*.py"))
    given = {Reason[name] for name in re.findall(r"\bReason\.([A-Z_]+)\b(?!:)", code)}
    assert {reason for reason, places in comes_as.items() if places != NOTHING} == given
    by_providers = {
        verdict.reason for table in (APNS_RESPONSES, FCM_RESPONSES, WEBPUSH_RESPONSES) for verdict in table.values()
    }
    assert {reason for reason in by_providers if reason and "result" not in comes_as[reason]} == set()
    for raised, place in (("RowError", "rejected"), ("(?:Request|Shed|Frame)Error", "error")):
        found = {Reason[name] for name in re.findall(rf"\b{raised}\(\s*Reason\.([A-Z_]+)", code)}
        assert found
        assert {reason for reason in found if place not in comes_as[reason]} == set()
