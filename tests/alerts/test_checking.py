"""Each state of an alert, from recorded months; and what a wrong or a lacking history says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmark_recorder import BenchmarkRecorder, History
from benchmark_recorder.alerts import check_alerts
from benchmark_recorder.alerts.checking import Memory, look
from benchmark_recorder.reporting import json_text
from benchmark_recorder.stores.memory import MemoryStore
from tests.alerts.months import NOW, iso, month, record_hours, rules, slower_since
from tests.hostile import HOSTILE


def checked(store: MemoryStore, *changes: dict[str, Any], now: int = NOW) -> list[Any]:
    return list(check_alerts(History(store), rules(*changes), now=now))


def test_an_unchanged_version_is_quiet() -> None:
    [alert] = checked(month())
    assert alert.state == "quiet"
    assert abs(alert.change) < 0.1
    assert "nothing says that it is beyond 10%" in alert.sentence


def test_a_slower_version_fires_and_says_what_how_much_since_when_how_sure_and_where_to_look() -> None:
    [alert] = checked(month(factor=slower_since(48)))
    assert alert.state == "firing"
    assert alert.since == iso(-48)
    assert alert.low < 0.5 < alert.high
    assert alert.runs == 48 * 6
    assert alert.chance_days >= 365
    for part in ("v1 is ", "% slower than in the 14 days before", "95% interval", "288 runs since", "10% is allowed",
                 "Chance alone gets this far at most once in"):  # fmt: skip
        assert part in alert.sentence
    assert alert.command == f"benchmark-recorder show v1 --by hour --since {iso(-48)[:13]}:00Z"


def test_a_version_is_held_against_another_one() -> None:
    store = month()
    record_hours(store, range(-72, 0), version="v2", factor=lambda _: 1.6)
    [alert] = checked(store, {"version": "v2", "baseline": "v1", "baseline_days": None} | {"metric": "time"})
    assert alert.state == "firing"
    assert alert.low < 0.6 < alert.high
    assert "slower than v1" in alert.sentence
    assert alert.command == "benchmark-recorder compare v1 v2 --metric execution_time"


@pytest.mark.parametrize("metric", ["failures", "success"])
def test_failures_fire(metric: str) -> None:
    store = month(failing=lambda hour: 0.3 if hour >= -72 else 0.03)
    [alert] = checked(store, {"metric": metric})
    assert alert.state == "firing"
    assert alert.low < 0.27 < alert.high
    assert "points" in alert.sentence


def test_costs_fire() -> None:
    [alert] = checked(month(factor=slower_since(48)), {"metric": "cost"})
    assert alert.state == "firing"
    assert alert.change == pytest.approx(0.5)


def test_it_recovers_and_is_quiet_a_day_later() -> None:
    store = month(factor=lambda hour: 1.5 if -120 <= hour < -72 else 1.0)
    history, settings = History(store), rules()
    states: list[str] = []
    memory = Memory()
    for now in range(-122, 1, 6):
        alert, memory = look(history, settings.rules[0], settings, memory, NOW + now)
        if not states or states[-1] != alert.state:
            states.append(alert.state)
    assert [state for state in states if state != "pending"] == ["quiet", "firing", "recovered", "quiet"]
    # One look over all of it sees the same.
    assert not look(history, settings.rules[0], settings, Memory(), NOW)[1].firing


def test_runs_that_stop_are_an_alert_once_the_pause_is_twice_the_longest_one() -> None:
    store = MemoryStore()
    record_hours(store, (hour for hour in range(-700, -20) if hour % 24 < 16))  # nobody works at night: 8 h
    assert [checked(store, now=NOW - 20 + after)[0].state for after in (1, 16, 30)] == ["quiet", "quiet", "no_data"]
    [alert] = checked(store)
    assert alert.since is not None
    assert (
        f"No runs of v1 since {alert.since[:13].replace('T', ' ')}:00 UTC; the longest pause before was 8 h"
        in alert.sentence
    )
    assert checked(store, {"no_data_hours": 200})[0].state == "quiet"


@pytest.mark.parametrize(
    ("changes", "state", "sentence"),
    [
        ({"version": "v9"}, "broken", "there are no runs of the version in the last"),
        ({"baseline": "v9", "baseline_days": None}, "broken", "there are no runs of the baseline"),
        ({"metric": "routing"}, "quiet", "too few runs of the baseline count; it waits for more"),
    ],
)
def test_a_rule_that_cannot_be_judged_says_why(changes: dict[str, Any], state: str, sentence: str) -> None:
    [alert] = checked(month(), changes)
    assert (alert.state, alert.change) == (state, None)
    assert sentence in alert.sentence


def test_without_any_record_a_rule_is_broken_and_the_others_go_on() -> None:
    assert [alert.state for alert in checked(MemoryStore(), {}, {"name": "other"})] == ["broken", "broken"]


def test_a_young_version_learns_from_the_first_half_of_its_runs() -> None:
    store = MemoryStore()
    record_hours(store, range(-40, 0))
    [alert] = checked(store)
    assert alert.state == "quiet"
    assert alert.since == iso(-20)
    assert [alert.state for alert in checked(store, now=NOW - 39)] == ["quiet"]


def test_equal_times_gaps_of_weeks_and_records_of_the_future_are_no_trouble() -> None:
    store = MemoryStore()
    with BenchmarkRecorder(store=store) as recorder:
        for hour in (*range(-900, -850), *range(-40, 0), *range(50, 60)):
            moment = datetime.fromtimestamp((NOW + hour) * 3600, UTC)
            recorder.record_execution("same", 1.0, True, "v1", timestamp=moment)
    [alert] = checked(store)
    assert alert.state == "quiet"
    assert alert.runs == 40


def test_tasks_that_the_baseline_did_not_run_do_not_count() -> None:
    store = MemoryStore()
    record_hours(store, range(-30 * 24, -48))
    record_hours(store, range(-48, 0), tasks=("new", "newer"), factor=lambda _: 9.0)
    assert checked(store)[0].state == "quiet"


def test_an_alert_is_plain_data() -> None:
    alerts = check_alerts(History(month(factor=slower_since(48))), rules(), now=NOW)
    [document] = json.loads(json_text(alerts))
    assert document["state"] == "firing"
    assert list(document) == list(alerts[0])
    assert list(alerts.to_pandas()["state"]) == ["firing"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_harmless_in_every_output(text: str) -> None:
    store = MemoryStore()
    record_hours(store, range(-40, 0), version=text)
    with BenchmarkRecorder(store=store) as recorder:
        version = next(iter(recorder.versions()))
    found = check_alerts(History(store), rules({"version": version, "name": "x" + text.replace("://", "")}), now=NOW)
    shown = str(found)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert not re.search(r"(^|\s)::|##", shown)
    html = found._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert json.loads(json_text(found))
