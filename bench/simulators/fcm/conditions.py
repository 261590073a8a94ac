"""Conditions over topics: ``'a' in topics && ('b' in topics || !('c' in topics))`` (docs/fcm.md#addresses)."""

import re

MOST_TOPICS = 5

_NEXT_PART = re.compile(
    r"""\ *(?:
        (?P<topic>'[A-Za-z0-9_.~%-]{1,900}'\ +in\ +topics\b)
      | (?P<join>&&|\|\|)
      | (?P<negation>!)
      | (?P<open>\()
      | (?P<close>\))
    )""",
    re.VERBOSE,
)


def is_condition(text: str) -> bool:
    """Tell whether a condition is well formed: its parts in a possible order, and at most five topics in all."""
    topics = depth = position = 0
    wants_operand = True
    while part := _NEXT_PART.match(text, position):
        position = part.end()
        kind = part.lastgroup
        if wants_operand != (kind in {"topic", "negation", "open"}):
            return False
        if kind in {"topic", "join"}:
            wants_operand = kind == "join"
            topics += kind == "topic"
        depth += (kind == "open") - (kind == "close")
        if depth < 0:
            return False
    return not text[position:].strip(" ") and not wants_operand and depth == 0 and 1 <= topics <= MOST_TOPICS
