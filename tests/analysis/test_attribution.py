from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.memory import MemoryStore
from tests.days import followed, record_days

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark_recorder.analysis import ChangePoint

STEP = [1.0] * 20 + [1.4] * 20
CALM = [1.0] * 40
OLD, NEW = "a" * 40, "b" * 40


def cause_of(recorder: BenchmarkRecorder, version: str | None = "v", **asked: Any) -> ChangePoint:
    (change,) = recorder.find_changes(version, **asked).changes
    return change


def codes(change: ChangePoint) -> list[str]:
    return [one.code for one in change.evidence]


def at_step(**fields: tuple[Any, Any]) -> Callable[[int], dict[str, Any]]:
    """Fields of the days before the step, and of those from it on."""
    return lambda day: {name: values[day >= 20] for name, values in fields.items()}


def test_a_commit_that_is_first_measured_there_is_the_cause() -> None:
    change = cause_of(followed("v", STEP, about=at_step(git_commit=(OLD, NEW))))
    assert (change.cause, change.commits, change.evidence) == ("commits", (NEW,), ())
    assert change.sentence.endswith(f"Cause: the code; commit {NEW[:12]} was first measured there.")


def test_of_several_commits_between_two_days_none_is_blamed_alone() -> None:
    recorder = followed("v", STEP, about=at_step(git_commit=(OLD, NEW)))
    third = followed("v", [0.0] * 20 + [1.4], about=lambda _: {"git_commit": "c" * 40}, seed=5)
    for metric in third.get_all_metrics():
        recorder.record(metric)
    change = cause_of(recorder)
    assert (change.cause, set(change.commits)) == ("commits", {NEW, "c" * 40})
    assert "2 commits (" in change.sentence


def test_the_same_commit_on_both_sides_is_not_the_cause() -> None:
    change = cause_of(followed("v", STEP, about=lambda _: {"git_commit": OLD}))
    assert (change.cause, change.commits, codes(change)) == ("environment", (), ["same_commit"])


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("model", {"model": ("m-0301", "m-0417")}),
        ("host", {"host": ("one", "two")}),
        ("metadata.provider", {"metadata": ({"provider": "x"}, {"provider": "y"})}),
        ("metadata.region", {"metadata": ({"region": "eu"}, {"region": "us"})}),
        ("metadata.python", {"metadata": ({"python": "3.11"}, {"python": "3.12"})}),
    ],
)
def test_what_changed_around_one_commit_is_named(field: str, fields: dict[str, tuple[Any, Any]]) -> None:
    change = cause_of(followed("v", STEP, about=at_step(git_commit=(OLD, OLD), **fields)))
    assert change.cause == "environment"
    assert codes(change) == ["same_commit", "surroundings_changed"]
    assert change.evidence[1].figures["field"] == field


def test_where_model_and_commit_changed_at_once_nobody_can_tell() -> None:
    change = cause_of(followed("v", STEP, about=at_step(git_commit=(OLD, NEW), model=("m1", "m2"))))
    assert (change.cause, change.commits, codes(change)) == ("unknown", (NEW,), ["surroundings_changed"])


def test_without_commits_the_cause_is_unknown() -> None:
    change = cause_of(followed("v", STEP))
    assert (change.cause, change.commits, change.evidence) == ("unknown", (), ())


def with_canary(levels: list[float], commit: Callable[[int], str] = lambda _: OLD) -> BenchmarkRecorder:
    recorder = followed("v", STEP, about=at_step(git_commit=(OLD, NEW)))
    record_days(recorder, "pinned", levels, about=lambda day: {"git_commit": commit(day)}, seed=9)
    return recorder


def test_a_pinned_version_that_moves_as_well_speaks_for_the_environment() -> None:
    change = cause_of(with_canary(STEP))
    assert (change.cause, codes(change)) == ("environment", ["canary_moved"])
    assert change.evidence[0].figures["version"] == "pinned"
    assert change.evidence[0].figures["effect"] == pytest.approx(-0.4, abs=0.05)


def test_a_pinned_version_that_stays_speaks_for_the_code() -> None:
    change = cause_of(with_canary(CALM))
    assert (change.cause, codes(change)) == ("commits", ["canary_stayed"])


def test_a_version_whose_commit_changes_is_no_canary() -> None:
    change = cause_of(with_canary(STEP, commit=lambda day: f"{day:040x}"))
    assert (change.cause, change.evidence) == ("commits", ())


def test_one_that_moves_less_or_the_other_way_says_nothing() -> None:
    for levels in ([1.0] * 20 + [1.15] * 20, [1.4] * 20 + [1.0] * 20):
        change = cause_of(with_canary(levels))
        assert "canary_moved" not in codes(change)


def test_a_canary_without_days_on_both_sides_says_nothing() -> None:
    assert cause_of(with_canary([1.0] * 20)).evidence == ()
    assert cause_of(with_canary([0.0] * 20 + [1.0] * 20)).evidence == ()


def test_of_all_versions_together_none_is_a_canary() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for seed, version in enumerate(("v", "w")):
        record_days(recorder, version, STEP, about=lambda _: {"git_commit": OLD}, seed=seed)
    change = cause_of(recorder, None)
    assert (change.cause, codes(change)) == ("environment", ["same_commit"])


def test_by_commit_the_commits_between_are_named() -> None:
    recorder = followed("v", STEP, about=lambda day: {"git_commit": f"{day:040x}"})
    change = cause_of(recorder, by="commit")
    assert change.cause == "commits"
    assert f"{20:040x}" in change.commits
    assert change.commits[-1] == change.after


def test_a_drift_has_no_cause() -> None:
    change = cause_of(followed("v", [1.02**day for day in range(60)], about=lambda _: {"git_commit": OLD}))
    assert (change.kind, change.cause, change.evidence) == ("drift", "unknown", ())
