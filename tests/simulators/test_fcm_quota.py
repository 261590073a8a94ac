"""What FCM counts: messages of a minute, and fan-outs in progress."""

from bench.simulators.fcm.quota import FanOuts, MinuteQuota
from tests.support.fcm_sender import NOW, FcmRules, details_of


def test_the_bucket_is_filled_whole_a_minute_after_its_first_message():
    quota = MinuteQuota(2)
    taken = [quota.take(now) for now in (100.0, 130.0, 159.9, 160.0, 161.0, 162.0, 220.0)]
    assert taken == [True, True, False, True, True, False, True]


def test_an_empty_bucket_tells_how_long_it_stays_so():
    quota = MinuteQuota(1)
    assert quota.take(100.0)
    assert quota.seconds_until_refill(145.0) == 15.0
    assert quota.seconds_until_refill(161.0) == 0.0


def test_messages_above_the_quota_are_told_which_quota_and_when_to_come_back():
    rules = FcmRules(messages_per_minute=2)
    assert [rules.judge().answer.status for _ in range(2)] == [200, 200]
    rules.clock.now = NOW + 10.5
    answer = rules.judge().answer
    assert (answer.status, answer.reason) == (429, "QUOTA_EXCEEDED")
    assert dict(answer.headers)[b"retry-after"] == b"50"
    details = details_of(answer.body)
    assert details["FcmError"]["errorCode"] == "QUOTA_EXCEEDED"
    assert details["QuotaFailure"]["violations"][0]["subject"] == "project:shop-1"
    rules.clock.now = NOW + 60
    assert rules.judge().answer.status == 200


def test_the_wait_can_be_left_out():
    rules = FcmRules(messages_per_minute=0, quota_tells_wait=False)
    assert b"retry-after" not in dict(rules.judge().answer.headers)


def test_refused_messages_count_and_those_that_found_it_empty_do_not():
    rules = FcmRules(messages_per_minute=3)
    statuses = [rules.judge(message).answer.status for message in ({"token": "a b"}, {"x": 1}, {"token": "a:b"})]
    assert statuses == [400, 400, 200]
    assert [rules.judge().answer.status for _ in range(5)] == [429] * 5
    rules.clock.now = NOW + 60
    assert [rules.judge().answer.status for _ in range(4)] == [200, 200, 200, 429]


def test_requests_without_a_token_cost_nothing():
    rules = FcmRules(messages_per_minute=1)
    assert rules.judge(authorization=None).answer.status == 401
    assert rules.judge().answer.status == 200


def test_only_so_many_fan_outs_go_on_at_a_time():
    fan_outs = FanOuts(2, seconds=5.0)
    assert [fan_outs.begin(now) for now in (0.0, 1.0, 4.9, 5.0, 5.5, 6.0)] == [True, True, False, True, False, True]


def test_a_topic_too_many_is_told_so_and_tokens_go_on():
    rules = FcmRules(most_fan_outs=1, fan_out_seconds=5)
    assert rules.judge({"topic": "news"}).answer.status == 200
    assert rules.judge({"topic": "news"}, validate_only=True).answer.status == 200
    answer = rules.judge({"condition": "'a' in topics"}).answer
    assert answer.status == 429
    assert details_of(answer.body)["QuotaFailure"]["violations"][0]["subject"] == "topic:'a' in topics"
    assert rules.judge().answer.status == 200
    rules.clock.now = NOW + 5
    assert rules.judge({"topic": "news"}).answer.status == 200
