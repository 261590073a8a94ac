"""What a run is summed up to, and what is shown while it lasts."""

import io
import json

import msgspec
import pytest
from rich.console import Console

from bench.demo.plan import share_out
from bench.demo.printing import print_json, print_report, result_line
from bench.demo.progress import Counts, LiveDisplay, PlainDisplay, RateMeter, make_display
from bench.demo.report import Pace, Report, Totals, find_quantile, make_report
from bench.judging.cases import Case, Fault, FaultKind
from bench.judging.history import Kind, ProviderName, Receipt, Submission
from bench.judging.kills import Toll
from bench.judging.reconciliation import Reconciliation


def make_case(
    index: int, *, outcome: str | None, wait_seconds: float = 1.0, provider: ProviderName = ProviderName.APNS
) -> Case:
    """Return a notification sent at second 100 with a result, or without any."""
    submission = Submission(
        batch_id="b",
        index=index,
        id="n",
        provider=provider,
        kind=Kind.LIVE,
        destination=f"{index:064x}",
        body_sha256="",
        refusal=None,
        sent_at=100.0,
    )
    receipt = Receipt(
        batch_id="b",
        index=index,
        id="n",
        provider=provider,
        outcome=outcome or "",
        reason=None,
        provider_id=None,
        attempts=1,
        uncertain_attempts=0,
        received_at=100.0 + wait_seconds,
    )
    return Case(submission=submission, receipts=[receipt] if outcome is not None else [])


def sum_up(
    cases: list[Case],
    faults: list[Fault] | None = None,
    failures: tuple[str, ...] = (),
    tolls: tuple[Toll, ...] = (),
) -> Report:
    simulators = {name: f"{name} did well" for name in ProviderName}
    return make_report(Reconciliation(cases, faults or []), simulators=simulators, failures=failures, tolls=tolls)


def make_toll(*, in_flight: int = 6, just_answered: int = 4, sent_again: int = 7, left_unknown: int = 2) -> Toll:
    return Toll(
        in_flight=in_flight,
        just_answered=just_answered,
        sent_again=sent_again,
        left_unknown=left_unknown,
        oldest_ms=12,
        restart_seconds=0.75,
    )


@pytest.fixture
def green() -> Report:
    return sum_up([make_case(index, outcome="provider_accepted", wait_seconds=index + 1) for index in range(4)])


def print_to_text(report: Report, width: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_report(console, report)
    return console.file.getvalue().splitlines()


def test_the_last_line_is_for_machines_whatever_the_width(green: Report):
    last = print_to_text(green)[-1]
    assert last == (
        'RESULT {"sent": 4, "results": 4, "lost": 0, "duplicates": 0, "mismatches": 0, "decrypt_failures": 0, '
        '"kills": 0, "duplicates_bound": 0, "unknown": 0}'
    )
    assert json.loads(last.removeprefix("RESULT ")) == msgspec.to_builtins(green.totals)


def test_json_is_one_line_with_everything(green: Report):
    console = Console(file=io.StringIO(), width=60)
    print_json(console, green)
    (line,) = console.file.getvalue().splitlines()
    assert msgspec.json.decode(line, type=Report) == green


def test_figures_are_the_callers(green: Report):
    assert green.pace == Pace(seconds=4.0, rate=1.0, p50_ms=2_000, p99_ms=4_000)


def test_each_provider_has_its_own_table():
    cases = [make_case(0, outcome="provider_accepted", provider=ProviderName.FCM), make_case(1, outcome=None)]
    report = sum_up(cases)
    assert [(each.provider, each.sent, each.pace is None) for each in report.providers] == [
        (ProviderName.APNS, 1, True),
        (ProviderName.FCM, 1, False),
        (ProviderName.WEBPUSH, 0, True),
    ]
    text = "\n".join(print_to_text(report))
    assert [text.count(f"{title}, as the caller heard it") for title in ("APNs", "FCM", "Web Push")] == [1, 1, 1]
    assert all(f"{name} did well" in text for name in ProviderName)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.25, 1.0), (0.26, 2.0), (0.5, 2.0), (0.99, 4.0), (1.0, 4.0)]
)
def test_quantiles_are_of_nearest_rank(share: float, expected: float):
    assert find_quantile([1.0, 2.0, 3.0, 4.0], share) == expected


def test_a_run_without_results_has_no_figures():
    report = sum_up([])
    assert report.pace is None
    assert print_to_text(report)[-1] == result_line(report.totals)


GREEN = Totals(sent=4, results=4, lost=0, duplicates=0, mismatches=0, decrypt_failures=0)


@pytest.mark.parametrize(
    "fault",
    [
        {"results": 3},
        {"lost": 1},
        {"duplicates": 1},
        {"duplicates": 6, "duplicates_bound": 5},
        {"mismatches": 1},
        {"decrypt_failures": 1},
        {"sent": 0, "results": 0},
    ],
)
def test_one_wrong_number_makes_a_run_red(fault: dict[str, int]):
    assert GREEN.is_green
    assert not msgspec.structs.replace(GREEN, **fault).is_green


def test_what_kills_cost_is_summed_up_and_shown(green: Report):
    cases = [make_case(0, outcome="provider_accepted"), make_case(1, outcome="unknown")]
    report = sum_up(cases, tolls=(make_toll(), make_toll(sent_again=3)))
    assert report.is_green
    assert (report.totals.kills, report.totals.duplicates, report.totals.duplicates_bound) == (2, 10, 20)
    assert report.totals.unknown == 1
    assert any("0.8 s" in line and "12 ms" in line for line in print_to_text(report, width=120))
    assert not any("each kill" in line for line in print_to_text(green))


def test_one_kill_beyond_its_bound_makes_a_run_red_though_others_made_room():
    cases = [make_case(0, outcome="provider_accepted")]
    assert sum_up(cases, tolls=(make_toll(sent_again=8), make_toll(sent_again=0))).is_green
    assert not sum_up(cases, tolls=(make_toll(sent_again=9), make_toll(sent_again=0))).is_green


def test_a_duplicate_that_no_kill_explains_makes_a_run_red_below_the_bound_too():
    cases = [make_case(0, outcome="provider_accepted")]
    report = sum_up(cases, [Fault(FaultKind.DUPLICATE, "b[0]", "was processed again")], tolls=(make_toll(),))
    assert report.totals.duplicates == 8 < report.totals.duplicates_bound
    assert not report.is_green


def test_the_last_act_is_left_out_of_the_pace():
    first, last = make_case(0, outcome="provider_accepted"), make_case(1, outcome="provider_accepted", wait_seconds=9)
    last.submission = msgspec.structs.replace(last.submission, is_last_act=True)
    assert sum_up([first, last]).pace == sum_up([first]).pace


def test_a_failure_of_a_process_makes_a_run_red(green: Report):
    assert green.is_green
    assert not msgspec.structs.replace(green, failures=["the gateway ended"]).is_green


def test_only_the_first_faults_are_shown_and_the_rest_counted():
    faults = [Fault(FaultKind.LOST, f"b[{index}]", "was lost") for index in range(25)]
    text = "\n".join(print_to_text(sum_up([], faults)))
    assert "b[9]" in text
    assert "b[10]" not in text
    assert "15 faults more" in text


def test_what_has_no_answer_is_shown_as_such():
    report = sum_up([make_case(0, outcome=None)])
    assert [(ending.outcome, ending.notifications) for ending in report.providers[0].endings] == [("no answer", 1)]


# --- progress ---

TOTALS = share_out(3_000)


def test_the_rate_is_that_of_the_last_moments():
    meter = RateMeter()
    assert meter.measure(0, 0.0) == 0
    assert meter.measure(1000, 1.0) == 1000
    for second in range(2, 10):
        rate = meter.measure(1000, float(second))
    assert rate == 0


def test_without_a_terminal_lines_come_now_and_then():
    console = Console(file=io.StringIO(), width=40)  # one line stays one line, however narrow
    with make_display(console, TOTALS) as display:
        assert isinstance(display, PlainDisplay)
        for tenth in range(41):
            counts = Counts(sent=tenth * 10, accepted=tenth * 9, refused=tenth, results=tenth)
            display.show({ProviderName.APNS: counts, ProviderName.WEBPUSH: Counts()}, tenth / 10)
    lines = console.file.getvalue().splitlines()
    assert lines == [
        "APNs      sent 0 of 1,000, accepted 0, refused 0, results 0, 0/s",
        "Web Push  sent 0 of 1,000, accepted 0, refused 0, results 0, 0/s",
        "APNs      sent 200 of 1,000, accepted 180, refused 20, results 20, 10/s",
        "Web Push  sent 0 of 1,000, accepted 0, refused 0, results 0, 0/s",
        "APNs      sent 400 of 1,000, accepted 360, refused 40, results 40, 10/s",
        "Web Push  sent 0 of 1,000, accepted 0, refused 0, results 0, 0/s",
    ]


def test_on_a_terminal_bars_move():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with make_display(console, TOTALS) as display:
        assert isinstance(display, LiveDisplay)
        display.show({ProviderName.FCM: Counts(sent=1000, accepted=990, refused=10, results=990)}, 1.0)
    text = console.file.getvalue()
    assert all(title in text for title in ("APNs", "FCM", "Web Push"))
    assert "990 accepted, 10 refused" in text
    assert "990 of 990" in text
