"""FCM as the server asks for it: messages by `rules`, exchanges by `token_exchange`, and the scenario's answers."""

import random
from collections.abc import Callable

from bench.simulators.fcm import answers
from bench.simulators.fcm.access_tokens import AccessTokens, TokenExchange
from bench.simulators.fcm.assertions import AssertionJudge, OAuthFault
from bench.simulators.fcm.ledger import FcmLedgerEntry, hash_message
from bench.simulators.fcm.options import FcmSimulatorOptions
from bench.simulators.fcm.rules import MessageJudge, SentMessage, read_body
from bench.simulators.fcm.scenario import ExchangeEvent, ExchangeFaults, FcmAnswerEvent
from bench.simulators.fcm.service_account import ServiceAccount
from bench.simulators.server import Answer, Judgement, Peer, Request, Scenario, Sender

TOKEN_PATH = b"/token"
# Where older libraries of Google go, on hosts that all lead here.
_TOKEN_PATHS = frozenset((TOKEN_PATH, b"/o/oauth2/token", b"/oauth2/v3/token", b"/oauth2/v4/token"))


class FcmProvider:
    """The v1 endpoint and the OAuth endpoint of one project, side by side."""

    entry_type = FcmLedgerEntry

    def __init__(
        self, options: FcmSimulatorOptions, account: ServiceAccount, find_scenario: Callable[[], Scenario]
    ) -> None:
        """Serve the account's project; ``find_scenario`` tells the scenario of the moment."""
        source = random.Random(options.scenario.seed)
        self.tokens = AccessTokens(options.access_token_seconds, source)
        self.exchanges = 0
        """Exchanges asked for since the start, good or not."""
        self._options = options
        self._judge = MessageJudge(options, self.tokens, source)
        self._exchange = TokenExchange(AssertionJudge(account), self.tokens)
        self._exchange_faults = ExchangeFaults(options.scenario)
        self._find_scenario = find_scenario

    def meet(self, _peer: Peer) -> Sender:
        """Remember nothing: every request carries its token."""
        return Sender()

    def judge(self, request: Request, _sender: Sender) -> Judgement:
        """Judge a message or an exchange."""
        now = self._options.clock.wall()
        if request.plain_path in _TOKEN_PATHS:
            return Judgement(answer=self._answer_exchange(request, now), is_notification=False)
        sent = read_body(request.body)
        refusal = self._judge.find_refusal(request, sent, now)
        if refusal is not None:
            return _judgement(refusal, sent, None)
        name = self._judge.make_name(sent)
        return _judgement(answers.accepted(name), sent, name)

    def plan_answer(self, event: FcmAnswerEvent, _request: Request, judgement: Judgement) -> Answer:
        """Return a scenario's answer as FCM would give it."""
        return answers.planned(event, self._options.project_id, judgement.destination)

    def goaway_data(self, reason: str) -> bytes:
        """Return the reason as bare text, the form that Google's front ends use."""
        return reason.encode()

    def _answer_exchange(self, request: Request, now: float) -> Answer:
        if request.method != b"POST":
            return answers.front_end_page(404)
        self.exchanges += 1
        grant = self._exchange.judge(request, now)
        if isinstance(grant, OAuthFault):
            return answers.token_refused(grant)
        event = self._find_exchange_event()
        if event is not None:
            return answers.planned_exchange(event)
        return answers.token_issued(self._exchange.issue(grant, now))

    def _find_exchange_event(self) -> ExchangeEvent | None:
        scenario = self._find_scenario()
        if scenario is not self._exchange_faults.scenario:
            self._exchange_faults = ExchangeFaults(scenario)
        return self._exchange_faults.find_event(self.exchanges)


def _judgement(answer: Answer, sent: SentMessage, name: str | None) -> Judgement:
    return Judgement(
        answer=answer,
        destination=sent.destination,
        provider_id=name,
        ledger_fields={
            "message_id": name,
            "message_sha256": hash_message(sent.message),
            "validate_only": sent.validate_only,
        },
    )
