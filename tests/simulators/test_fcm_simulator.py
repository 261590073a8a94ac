"""The FCM simulator as a whole: over TLS and HTTP/2 with a client of another make, and with the gateway's own parts."""

import hashlib

import httpx
import orjson
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bench.simulators.fcm import (
    ExchangeEvent,
    FcmAnswerEvent,
    FcmLedgerEntry,
    FcmScenario,
    FcmSimulatorOptions,
    open_fcm_simulator,
)
from bench.simulators.server import ResetEvent, SilenceEvent, read_ledger
from gateway.clock import SystemClock
from gateway.config import TcpAddress
from gateway.delivery.credentials import Unavailable, load_authorities, load_service_account_key
from gateway.delivery.credentials.token_exchange import TokenExchange
from gateway.delivery.egress.dialer import Dialer, client_tls
from gateway.delivery.egress.lookups import Lookups
from gateway.delivery.pacing.limits import SessionLimits
from gateway.delivery.sessions.session_driver import SessionDriver
from native import HeaderSet, Requests, Session
from protocol.outcomes import AttemptOutcome
from protocol.providers.fcm import AccessToken, classify
from tests.support.clocks import HandClock
from tests.support.driver_links import NotingOwner
from tests.support.fcm_sender import NOW, SEND_PATH, details_of, open_fcm_client
from tests.support.patience import HANG_SECONDS


def scenario_of(*events, exchanges=()):
    return FcmSimulatorOptions(scenario=FcmScenario(events=events, exchanges=exchanges))


async def test_a_token_is_fetched_and_messages_are_sent_over_one_port():
    async with open_fcm_simulator() as simulator, open_fcm_client(simulator) as client:
        answers = [await client.send({"token": f"c8:{number}"}) for number in range(3)]
        assert {answer.http_version for answer in answers} == {"HTTP/2"}
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        statistics = simulator.statistics()
    assert (simulator.exchanges, statistics.requests, statistics.statuses) == (1, 3, {200: 3})
    assert [entry.message_id for entry in simulator.ledger.entries] == [answer.json()["name"] for answer in answers]


async def test_the_ledger_says_what_came_and_what_became_of_it(tmp_path):
    file = tmp_path / "fcm.ndjson"
    async with (
        open_fcm_simulator(FcmSimulatorOptions(ledger_file=file)) as simulator,
        open_fcm_client(simulator) as client,
    ):
        good = await client.send({"token": "c8:x", "data": {"a": "b"}})
        bad = await client.send({"topic": "a b"})
    entries = read_ledger(file, FcmLedgerEntry)
    assert entries == list(simulator.ledger.entries)
    first, second = entries
    assert (first.destination, first.status, first.reason, first.processed) == ("c8:x", 200, None, True)
    assert (first.message_id, first.validate_only) == (good.json()["name"], False)
    assert (first.bytes, first.body_sha256) == (
        len(good.request.content),
        hashlib.sha256(good.request.content).hexdigest(),
    )
    assert (second.destination, second.status, second.reason) == ("a b", bad.status_code, "INVALID_ARGUMENT")
    assert second.message_id is None
    assert simulator.ledger.of_destination("c8:x") == [first]


async def test_a_scenario_makes_tokens_dead_and_leaves_the_others_alone():
    dead = FcmAnswerEvent(destination_prefix="dead", reason="UNREGISTERED")
    async with open_fcm_simulator(scenario_of(dead)) as simulator, open_fcm_client(simulator) as client:
        gone, good = await client.send({"token": "dead:1"}), await client.send({"token": "c8:x"})
        malformed = await client.send({"token": "dead 1"})
    assert (gone.status_code, details_of(gone.content)["FcmError"]["errorCode"]) == (404, "UNREGISTERED")
    assert (good.status_code, malformed.status_code) == (200, 400)
    assert [entry.reason for entry in simulator.ledger.entries] == ["UNREGISTERED", None, "INVALID_ARGUMENT"]


async def test_a_scenario_can_ask_to_wait_and_give_a_body_of_its_own():
    events = (
        FcmAnswerEvent(at_request=1, reason="UNAVAILABLE", retry_after="30"),
        FcmAnswerEvent(at_request=2, status=502, html=True),
        FcmAnswerEvent(at_request=3, status=500, body="cut o"),
        FcmAnswerEvent(at_request=4, status=503),
    )
    async with open_fcm_simulator(scenario_of(*events)) as simulator, open_fcm_client(simulator) as client:
        answers = [await client.send() for _ in range(5)]
    assert [answer.status_code for answer in answers] == [503, 502, 500, 503, 200]
    assert answers[0].headers["retry-after"] == "30"
    assert answers[1].headers["content-type"].startswith("text/html")
    assert (answers[2].text, answers[3].content) == ("cut o", b"")


async def test_a_scenario_can_be_replaced_while_it_runs():
    async with open_fcm_simulator() as simulator, open_fcm_client(simulator) as client:
        simulator.scenario = FcmScenario(
            events=(FcmAnswerEvent(every=1, reason="INTERNAL"),), exchanges=(ExchangeEvent(times=1, status=503),)
        )
        assert (await client.send()).status_code == 500
        assert [(await client.exchange()).status_code for _ in range(2)] == [503, 200]
        simulator.scenario = FcmScenario()
        assert (await client.send()).status_code == 200
        assert simulator.exchanges == 3


async def test_tokens_end_by_the_simulators_clock_and_can_be_revoked():
    clock = HandClock(NOW)
    options = FcmSimulatorOptions(clock=clock, access_token_seconds=60)
    async with open_fcm_simulator(options) as simulator, open_fcm_client(simulator) as client:
        assert (await client.send()).status_code == 200
        clock.now += 60
        assert (await client.send()).status_code == 401
        await client.exchange()
        assert (await client.send()).status_code == 200
        simulator.revoke_tokens()
        assert (await client.send()).status_code == 401


async def test_what_can_befall_any_request_befalls_messages_too():
    options = scenario_of(SilenceEvent(destination_prefix="silent"), ResetEvent(destination_prefix="reset"))
    async with open_fcm_simulator(options) as simulator, open_fcm_client(simulator) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.send({"token": "reset:x"})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, {"token": "silent:x"})
            await wait_all_tasks_blocked()
            assert (await client.send()).status_code == 200
            nursery.cancel_scope.cancel()
    fates = {entry.destination: (entry.status, entry.processed) for entry in simulator.ledger.entries}
    assert fates == {"reset:x": (None, True), "silent:x": (None, True), "c8:x": (200, True)}


async def test_files_and_addresses_are_where_a_gateway_looks_for_them(tmp_path):
    options = FcmSimulatorOptions(directory=tmp_path / "sim", project_id="bank-7")
    async with open_fcm_simulator(options) as simulator:
        assert simulator.token_uri == f"https://{simulator.address}/token"
        assert simulator.ca_file == tmp_path / "sim" / "ca.pem"
        assert orjson.loads(simulator.account.file.read_bytes())["project_id"] == "bank-7"
        assert simulator.account.file.parent == tmp_path / "sim"
        assert repr(simulator).startswith("<FcmSimulator 127.0.0.1:")


async def test_exchange_and_message_go_over_http1_too():
    async with open_fcm_simulator() as simulator, open_fcm_client(simulator, http2=False) as client:
        replies = [await client.send({"token": f"c8:{number}"}) for number in range(2)]
        assert [(reply.status_code, reply.http_version) for reply in replies] == [(200, "HTTP/1.1")] * 2
        assert (simulator.exchanges, simulator.statistics().connections) == (1, 1)


async def fetch_token(simulator):
    """Exchange an assertion as the gateway does."""
    exchange = TokenExchange(
        simulator.token_uri, load_authorities(simulator.ca_file), connect_timeout_seconds=5, timeout_seconds=5
    )
    account = load_service_account_key(simulator.account.file)
    return await exchange.fetch(account, simulator.options.clock.wall())


async def test_the_gateways_own_exchange_gets_a_token_or_a_reason():
    failures = (
        ExchangeEvent(at_exchange=2, error="invalid_grant"),
        ExchangeEvent(at_exchange=3, status=502, html=True),
    )
    async with open_fcm_simulator(scenario_of(exchanges=failures)) as simulator:
        outcomes = [await fetch_token(simulator) for _ in range(3)]
    assert isinstance(outcomes[0], AccessToken)
    assert [outcome.can_retry for outcome in outcomes if isinstance(outcome, Unavailable)] == [False, True]


async def test_the_gateways_own_session_sends_hundreds_at_once():
    dead = FcmAnswerEvent(destination_prefix="dead", reason="UNREGISTERED")
    async with open_fcm_simulator(scenario_of(dead)) as simulator:
        token = await fetch_token(simulator)
        names = [f"dead:{row}" if row % 100 == 7 else f"c8:{row}" for row in range(500)]
        requests = Requests(
            paths=[SEND_PATH.encode()] * len(names),
            bodies=[orjson.dumps({"message": {"token": name}}) for name in names],
            header_sets=[HeaderSet([(b"content-type", b"application/json; charset=utf-8", True)])],
        )
        clock = SystemClock()
        authorization = HeaderSet([(b"authorization", token.authorization, True)])
        session = Session(authority=simulator.address.encode(), headers=authorization, now=clock.monotonic())
        owner = NotingOwner()
        connection = await Dialer(
            TcpAddress("127.0.0.1", simulator.port),
            client_tls(simulator.ca_file),
            timeout_seconds=5,
            resolver=Lookups(threads=2, clock=clock).resolve,
        ).dial()
        limits = SessionLimits(window=100, first_window=100, ping_after_seconds=10)
        driver = SessionDriver(1, connection.stream, session, limits=limits, clock=clock, owner=owner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.run)
            submitted = 0
            with trio.fail_after(HANG_SECONDS):
                while len(owner.ended_rows) < len(names):
                    submitted += driver.submit(requests, submitted, len(names), authorization)
                    await trio.sleep(0.002)
            nursery.cancel_scope.cancel()
    assert owner.ended_rows == list(range(500))
    verdicts = {
        exchange.row: classify(exchange.status, exchange.headers, exchange.body, NOW) for exchange in owner.exchanges
    }
    assert sorted(verdicts) == [7, 107, 207, 307, 407]
    assert {verdict.outcome for verdict in verdicts.values()} == {AttemptOutcome.REJECTED}
    assert sorted(entry.destination for entry in simulator.ledger.entries) == sorted(names)
    assert simulator.statistics().stream_limit_violations == 0
