"""All probes of a configuration, a few at a time, each with its own patience; none stops another."""

from collections.abc import Sequence

import trio

from gateway.clock import Clock
from gateway.config import Config, TcpAddress, parse_host_port
from gateway.delivery.credentials import Credentials
from gateway.delivery.providers.assembly import Providers
from gateway.errors import CredentialUnavailableError, SessionOpenError
from gateway.live.asking import NoAnswerError, NotSentError, Received, ask, prepare
from gateway.live.findings import Finding, ProbeAnswer, Word, judge
from gateway.live.probes import Choice, Probe, plan_probes

MOST_AT_ONCE = 8


async def check_live(
    config: Config, credentials: Credentials, choice: Choice, clock: Clock, *, timeout_seconds: float
) -> list[ProbeAnswer]:
    """Return what came of each probe, in the order of the settings. Raises UnknownChoiceError.

    Each has ``timeout_seconds``, beside the patience that the settings have for connections and answers.
    """
    providers = Providers(config, credentials, clock, lambda encryptor: encryptor)
    probes = plan_probes(config, providers.facts, choice)
    answers: dict[int, ProbeAnswer] = {}
    limiter = trio.CapacityLimiter(MOST_AT_ONCE)

    async def check(number: int, probe: Probe) -> None:
        async with limiter:
            came_back, word = await _check(probe, providers, clock, timeout_seconds)
        answers[number] = _report(probe, came_back, word, _find_proxy(probe, credentials))

    async with trio.open_nursery() as nursery:
        for number, probe in enumerate(probes):
            nursery.start_soon(check, number, probe)
    return [answers[number] for number in range(len(probes))]


async def _check(probe: Probe, providers: Providers, clock: Clock, timeout_seconds: float) -> tuple[str | None, Word]:
    """Return what came back, and what is to be said of it."""
    if probe.fault is not None:
        return None, Word(Finding.UNTOLD, "nothing was sent", probe.fault)
    word = Word(Finding.UNTOLD, f"nothing came back within {timeout_seconds:g} s", _REACH)
    came_back = None
    with trio.move_on_after(timeout_seconds):
        try:
            row = prepare(probe, providers.facts[probe.app], clock)
            received = await ask(*providers.provider_of_lane(row.lanes[0]), row, clock)
            came_back, word = _describe(received), judge(probe, received.status, received.verdict)
        except NotSentError as error:
            word = Word(Finding.UNTOLD, "nothing was sent", str(error))
        except CredentialUnavailableError as error:
            came_back, word = str(error), _judge_exchange(error)
        except SessionOpenError as error:
            word = Word(Finding.UNTOLD, f"it could not be reached: {error}", _REACH)
        except NoAnswerError as error:
            word = Word(Finding.UNTOLD, f"it was reached and gave no answer: {error}", "try again later")
    return came_back, word


_REACH = "check that this machine, and the proxy if there is one, may connect there"


def _judge_exchange(error: CredentialUnavailableError) -> Word:
    if error.can_retry:
        return Word(Finding.UNTOLD, "no access token could be had, and that may mend itself", _REACH)
    return Word(
        Finding.REFUSED,
        "the token endpoint doesn't accept the service account",
        "check service_account_file: was the key deleted, or the account disabled? Check this machine's clock",
    )


def _describe(received: Received) -> str:
    reason = received.verdict.provider_reason
    where = str(received.status) if received.status else "GOAWAY"
    return f"{where} {reason}" if reason else where


def _report(probe: Probe, came_back: str | None, word: Word, proxy: str | None) -> ProbeAnswer:
    return ProbeAnswer(
        app=probe.app,
        provider=probe.provider,
        setting=probe.setting,
        sent=probe.sent,
        to=probe.to,
        through=proxy,
        came_back=came_back,
        finding=word.finding,
        meaning=word.meaning,
        to_do=word.to_do,
    )


def _find_proxy(probe: Probe, credentials: Credentials) -> str | None:
    address = parse_host_port(probe.to) if ":" in probe.to else TcpAddress(probe.to, 443)
    return str(credentials.proxy) if credentials.proxy is not None and credentials.proxy.is_for(address) else None


def find_exit_code(answers: Sequence[ProbeAnswer]) -> int:
    """Return 1 when a credential is refused, 3 when nothing is and something could not be told, else 0."""
    findings = {answer.finding for answer in answers}
    return 1 if Finding.REFUSED in findings else 3 if Finding.UNTOLD in findings else 0
