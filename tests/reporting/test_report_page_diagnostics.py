from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import task_id_of
from benchmark_recorder.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore())


def record(recorder: BenchmarkRecorder, version: str, ends: str, task: str = "Fix CSS", **fields: Any) -> None:
    """Runs of a task: ``+`` succeeds, any other sign fails with that class."""
    for run, end in enumerate(ends):
        known = {"error_type": None if end in "+-" else end, **fields}
        recorder.record_execution(task, 1 + run / 100, end == "+", version, **known)


def look(recorder: BenchmarkRecorder, versions: Sequence[str]) -> str:
    text = recorder.generate_report(versions)
    return text.split("What to look at\n---------------\n")[1].split("\n\nWeek over week")[0]


def cells(text: str, start: str) -> list[str]:
    (line,) = re.findall(rf"^{re.escape(start)}(.*)$", text, re.MULTILINE)
    return re.split(r"  +", str(line).strip())


def test_the_worst_tasks_of_the_newest_version_are_named_by_their_texts(recorder: BenchmarkRecorder) -> None:
    record(recorder, "v1", "----------", "Old")
    record(recorder, "v2", "+++-", cost=0.5)
    record(recorder, "v2", "----", "Ship it", task_id="ship", cost=0.5)
    text = " ".join(look(recorder, ["v1", "v2"]).split())
    assert "Tasks of v2 that fail most: - ship failed in 4 of 4 runs" in text
    worded = r"failed in 1 of 4 runs \(success rate 75\.0% \[30\.1, 95\.4\]\), 1\.0\d s per run, \$0\.667 per success"
    assert re.search(rf"- Fix CSS \({task_id_of('Fix CSS')}\) {worded}", text)
    assert "Old" not in text


def test_failures_and_wrong_agents_stand_side_by_side_for_all_versions(recorder: BenchmarkRecorder) -> None:
    record(recorder, "v1", "TTV+", expected_agent="a", agent_selected="b")
    record(recorder, "v2", "VVV-+", expected_agent="a", agent_selected="c")
    record(recorder, "v2", "+", expected_agent="a", agent_selected="a")
    text = look(recorder, ["v1", "v2"])
    assert cells(text, "failed runs by error type") == ["v1", "v2"]
    rows = [re.split(r"  +", row) for row in text.split("failed runs by error type")[1].splitlines()[1:5]]
    assert rows[:3] == [["V", "1", "3"], ["(not given)", "0", "1"], ["T", "2", "0"]]
    assert cells(text, "a -> c") == ["0", "5 of 6"]
    assert cells(text, "a -> b") == ["4 of 4", "0"]


def test_of_many_classes_the_first_five_are_listed(recorder: BenchmarkRecorder) -> None:
    record(recorder, "v1", "ABCDEFGH")
    text = look(recorder, ["v1"])
    assert "(and 3 more)" in text
    assert len(re.findall(r"^[A-H] +1$", text, re.MULTILINE)) == 5


def test_a_class_that_may_be_among_the_unlisted_ones_is_not_said_to_be_absent(recorder: BenchmarkRecorder) -> None:
    for i in range(21):
        record(recorder, "v1", "-" * (2 if i < 20 else 1), error_type=f"E{i:02}")
    record(recorder, "v2", "-", error_type="E20")
    assert cells(look(recorder, ["v1", "v2"]), "E20") == ["-", "1"]


def test_a_success_bears_the_cost_of_failures(recorder: BenchmarkRecorder) -> None:
    record(recorder, "v1", "++--", cost=0.25)
    assert re.search(
        r"v1: \$0\.500 \[\S+, \S+\] per success; 50\.0% of all costs went into failed runs",
        " ".join(look(recorder, ["v1"]).split()),
    )


def test_where_no_run_failed_it_says_so(recorder: BenchmarkRecorder) -> None:
    record(recorder, "v1", "++")
    assert look(recorder, ["v1"]).strip() == "No run of v1 failed."


def test_without_runs_there_is_nothing_to_look_at(recorder: BenchmarkRecorder) -> None:
    assert "What to look at" not in recorder.generate_report(["v1"])


def test_tasks_that_begin_to_fail_or_are_repaired_are_marked(recorder: BenchmarkRecorder) -> None:
    for task, before, after in (("broken", "+++", "---"), ("mended", "--", "++"), ("same", "++", "++")):
        record(recorder, "v1", before, task, task_id=task)
        record(recorder, "v2", after, task, task_id=task)
    text = recorder.generate_report(["v1", "v2"])
    assert "- ! broken begins to fail (0 of 3 runs failed before, 3 of 3 now)\n" in text
    assert "- * mended is repaired (2 of 2 runs failed before, 0 of 2 now)\n" in text
    assert " same " not in text.split("Tasks that stand out")[1].split("What to look at")[0]
    single = str(recorder.compare_versions("v1", "v2", "success_rate"))
    assert "- ! broken begins to fail (0 of 3 runs failed before, 3 of 3 now)\n" in single
