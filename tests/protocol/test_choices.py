from typing import Annotated, Literal

import msgspec
import pytest

from protocol.choices import find_choices
from protocol.frames import CallerFrame
from protocol.outcomes import Advice
from protocol.send import Notification, SendFrame


class Inner(msgspec.Struct):
    word: Annotated[Literal["a", "b"] | None, msgspec.Meta(description="x")] = None
    advice: Advice | None = None
    by_name: dict[str, Literal["c"]] = {}


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        (list[Notification], "$[3].to.apns.environment", ["production", "sandbox"]),
        (list[Notification], "$[3].apns.priority", ["1", "5", "10"]),
        (SendFrame, "$.defaults.urgency", ["high", "low", "normal"]),
        (CallerFrame, "$.feed", ["dead_tokens", "results"]),
        (Inner, "$.word", ["a", "b"]),
        (Inner, "$.advice", sorted((str(each.value) for each in Advice), key=int)),
        (Inner, "$.by_name[...]", ["c"]),
        (Inner, "$.none", []),
        (SendFrame, "$.app", []),
        (None, "$.app", []),
    ],
)
def test_the_words_at_a_place_are_found_in_the_schema(kind, path, words):
    assert find_choices(kind, path) == words


def test_the_tags_of_frames_are_words_too():
    assert {"hello", "send", "goodbye"} <= set(find_choices(CallerFrame, "$.op"))
