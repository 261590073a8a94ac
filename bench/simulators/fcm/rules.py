"""How a healthy FCM takes a request: who sends, for which project, within which quota, and whether it is a message.

Google does not publish the order. This one has what a front end can tell first (token, project, quota, the form of the
body), then FCM's own rules, and last what depends on others (fan-outs in progress). Like Google's it counts a message
that is refused with 4xx against the quota, and one that found the quota empty not; a success that the scenario turns
into a failure was counted too.
"""

import math
import random
import re
from urllib.parse import unquote_to_bytes

import msgspec
import orjson

from bench.simulators.fcm import answers
from bench.simulators.fcm.access_tokens import AccessTokens
from bench.simulators.fcm.message_fields import TARGETS, read_send_request
from bench.simulators.fcm.message_rules import Message, find_violation, has_malformed_token, is_fan_out, is_too_large
from bench.simulators.fcm.options import FcmSimulatorOptions
from bench.simulators.fcm.proto_json import Violation
from bench.simulators.fcm.quota import FanOuts, MinuteQuota
from bench.simulators.server import Answer, Request

VALIDATED_ID = "fake_message_id"

_PATH = re.compile(rb"/v1/projects/(?P<project>[^/]+)/messages:send")


class SentMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A request body as far as it could be read."""

    message: Message
    validate_only: bool
    violations: list[Violation]

    @property
    def destination(self) -> str:
        """The one target; empty when there is none."""
        targets = [self.message[name] for name in sorted(TARGETS & self.message.keys())]
        return targets[0] if targets else ""


def read_body(body: bytes) -> SentMessage:
    """Read a body; what is wrong with its form stands in ``violations``. Never raises."""
    violations: list[Violation] = []
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return SentMessage(message={}, validate_only=False, violations=[Violation("", "The body is not JSON.")])
    request = read_send_request(value, "", violations)
    if "message" not in request and not violations:
        violations.append(Violation("message", "The request has no message."))
    return SentMessage(
        message=request.get("message", {}),
        validate_only=request.get("validate_only", False),
        violations=violations,
    )


class MessageJudge:
    """The rules together with what they need to know and to count."""

    def __init__(self, options: FcmSimulatorOptions, tokens: AccessTokens, source: random.Random) -> None:
        self._options = options
        self._tokens = tokens
        self._random = source
        self._quota = MinuteQuota(options.messages_per_minute)
        self._fan_outs = FanOuts(options.most_fan_outs, options.fan_out_seconds)
        self._own_project = {options.project_id.encode(), options.project_number.encode()}

    def find_refusal(self, request: Request, sent: SentMessage, now: float) -> Answer | None:
        """Return the answer to a request that is refused, or None; ``now`` is UNIX time."""
        path = _PATH.fullmatch(unquote_to_bytes(request.path.partition(b"?")[0]))
        if path is None or request.method != b"POST":
            return answers.front_end_page(404)
        return (
            self._find_sender_fault(request, path["project"], now)
            or self._find_quota_fault(now)
            or _find_form_fault(request, sent)
            or _find_rule_fault(sent.message)
            or self._find_fan_out_fault(sent, now)
        )

    def make_name(self, sent: SentMessage) -> str:
        """Return the name of an accepted message, in the form that its kind of target has."""
        if sent.validate_only:
            message_id = VALIDATED_ID
        elif is_fan_out(sent.message):
            message_id = str(self._random.getrandbits(63))
        else:
            message_id = f"0:{self._random.getrandbits(50)}%{self._random.getrandbits(64):016x}"
        return f"projects/{self._options.project_id}/messages/{message_id}"

    def _find_sender_fault(self, request: Request, project: bytes, now: float) -> Answer | None:
        authorization = request.headers.get(b"authorization")
        if not self._tokens.is_valid(authorization, now):
            return answers.refusal(401)
        if not self._tokens.covers_messaging(authorization):
            return answers.scope_insufficient()
        return None if project in self._own_project else answers.foreign_project(project.decode("ascii", "replace"))

    def _find_quota_fault(self, now: float) -> Answer | None:
        if self._quota.take(now):
            return None
        wait = math.ceil(self._quota.seconds_until_refill(now)) if self._options.quota_tells_wait else None
        return answers.quota_exceeded("project", self._options.project_id, retry_after_seconds=wait)

    def _find_fan_out_fault(self, sent: SentMessage, now: float) -> Answer | None:
        if sent.validate_only or not is_fan_out(sent.message) or self._fan_outs.begin(now):
            return None
        return answers.quota_exceeded("topic", sent.destination, retry_after_seconds=None)


def _find_form_fault(request: Request, sent: SentMessage) -> Answer | None:
    if request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        return answers.unreadable([Violation("", "The content type is not application/json.")])
    if request.body_bytes > len(request.body):
        return answers.too_large()  # far above any message: it was not even kept whole
    return answers.unreadable(sent.violations) if sent.violations else None


def _find_rule_fault(message: Message) -> Answer | None:
    if has_malformed_token(message):
        return answers.malformed_token()
    violation = find_violation(message)
    if violation is not None:
        return answers.misused(violation)
    return answers.too_large() if is_too_large(message) else None
