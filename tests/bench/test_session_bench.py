import json
import shutil

import msgspec
import pytest

from bench.measurements.clients import workload
from bench.measurements.clients.course import CONTENDERS, H2LOAD, NATIVE, Contender
from bench.measurements.clients.h2load import H2loadMissingError, find_h2load
from bench.measurements.measure import MeasurementError, Round
from bench.measurements.session import audit_client, run
from bench.measurements.session_report import compare_cpu, judge, session_tables

needs_h2load = pytest.mark.skipif(shutil.which("h2load") is None, reason="needs h2load (nghttp2-client)")


def test_the_workload_is_of_the_promised_size_and_every_request_differs():
    assert len(workload.BODY) == 200
    json.loads(workload.BODY)
    assert len(set(workload.paths(500))) == len(set(workload.identifiers(500))) == 500
    assert all(len(path) == len("/3/device/") + 64 for path in workload.paths(5))
    assert workload.paths(5) == workload.paths(10)[:5]


def test_a_missing_h2load_is_named_with_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(H2loadMissingError, match="apt-get install nghttp2-client"):
        find_h2load()


@needs_h2load
def test_a_client_that_does_not_send_the_workload_is_found():
    with pytest.raises(MeasurementError, match="nothing does not send the workload"):
        audit_client(Contender("nothing", "bench.measurements.clients"), streams=10)


def test_a_gate_is_missed_below_its_ratio():
    def rounds(microseconds):
        return [
            Round(
                requests=1000,
                wall_seconds=1.0,
                client_cpu_seconds=microseconds / 1000,
                sink_cpu_seconds=0.001,
                received_bytes=1,
            )
        ]

    figures = {contender.name: rounds(3000.0) for contender in CONTENDERS}
    figures |= {NATIVE.name: rounds(2.0), H2LOAD.name: rounds(2.3)}
    gates = judge(compare_cpu(figures), 3.1)
    assert {name for name, gate in gates.items() if not gate.passed} == {
        "ratio_to_h2load_cpu",
        "sink_cpu_microseconds_per_request",
    }


@needs_h2load
@pytest.mark.long
def test_the_bench_runs_and_reports_every_client():
    said = []
    report = run(rounds=1, requests=4_000, streams=100, progress=said.append)
    assert set(report.clients) == {contender.name for contender in CONTENDERS}
    assert report.audits[NATIVE.name].distinct_apns_ids == report.audits[NATIVE.name].distinct_paths
    assert report.rounds == 1
    assert report.sink.protocol_errors == report.sink.refused_streams == 0
    assert report.passed is all(gate.passed for gate in report.gates.values())
    assert json.loads(msgspec.json.encode(report))["ratio_to_h2load_cpu"] == report.ratio_to_h2load_cpu
    assert session_tables(report)
    assert said[0].startswith("audit")
