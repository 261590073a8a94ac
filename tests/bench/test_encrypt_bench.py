import json

import msgspec
import pytest

from bench.measurements.clients.encryption import Workload
from bench.measurements.clients.openssl_speed import find_openssl, read_rate
from bench.measurements.encrypt import audit, run
from bench.measurements.encrypt_report import EncryptRound, compare, encrypt_tables, judge
from bench.measurements.measure import MeasurementError

LINE = " 256 bits ecdh (nistp256)   0.0000s  21583.8\n"


def make_round(**rates):
    values = dict.fromkeys(EncryptRound.__struct_fields__, 1000.0) | {"pywebpush_200_bytes": 400.0}
    return EncryptRound(**(values | rates))


def test_a_gate_is_missed_below_its_ratio():
    assert all(gate.passed for gate in judge(compare([make_round()])).values())
    slow = make_round(encrypt_3000_bytes=799.0, burst_200_bytes=999.0, encrypt_200_bytes_two_threads_wall=899.0)
    assert {name for name, gate in judge(compare([slow])).items() if not gate.passed} == {
        "ratio_to_openssl_ecdh_3000_bytes",
        "burst_ratio_to_openssl_ecdh",
        "scaling_of_openssl",
    }


def test_scaling_is_ours_over_openssls():
    doubled = make_round(openssl_ecdh_two_processes_wall=2000.0, encrypt_200_bytes_two_threads_wall=1900.0)
    assert compare([doubled])["scaling_of_openssl"].median == 0.95


def test_the_rate_is_the_last_word_of_openssl_speed():
    assert read_rate(f"options: bn(64,64)\n{LINE}") == 21583.8


@pytest.mark.parametrize("output", ["", "ecdh is not here", "\n\n"])
def test_other_words_are_no_rate(output):
    with pytest.raises(MeasurementError, match="not with a rate"):
        read_rate(output)


def test_a_missing_openssl_is_named_with_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MeasurementError, match="apt-get install openssl"):
        find_openssl()


def test_a_contender_that_does_not_encrypt_is_found(monkeypatch):
    workload = Workload(20)
    monkeypatch.setattr(workload, "encrypt_with_pywebpush", lambda: [bytes(123)] * len(workload.plaintexts))
    with pytest.raises(MeasurementError, match="pywebpush gave bodies"):
        audit(workload)


@pytest.mark.long
def test_the_bench_runs_and_reports_every_ratio():
    said = []
    report = run(rounds=1, seconds=1, progress=said.append)
    assert set(report.gates) < set(report.ratios)
    assert report.passed is all(gate.passed for gate in report.gates.values())
    assert json.loads(msgspec.json.encode(report))["ratio_to_openssl_ecdh"] == report.ratio_to_openssl_ecdh
    assert encrypt_tables(report)
    assert said[0].startswith("audit")
