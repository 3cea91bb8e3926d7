from __future__ import annotations

from collections import Counter

from benchmark_recorder.harness import BenchmarkTasks
from benchmark_recorder.harness.runner import interleave
from benchmark_recorder.harness.tasks import checked_tasks

TASKS = checked_tasks(BenchmarkTasks.get_all_tasks())


def test_every_version_does_every_task_in_every_repeat_once() -> None:
    jobs = interleave(TASKS, 3, 4, seed=0)
    assert len(jobs) == 13 * 3 * 4
    assert len({(job.task.id, job.side, job.repeat) for job in jobs}) == len(jobs)


def test_the_versions_of_a_task_and_repeat_stand_together() -> None:
    jobs = interleave(TASKS, 2, 3, seed=0)
    for one, other in zip(jobs[::2], jobs[1::2], strict=True):
        assert (one.task, one.repeat) == (other.task, other.repeat)
        assert {one.side, other.side} == {0, 1}


def test_no_version_is_always_the_first() -> None:
    jobs = interleave(TASKS, 2, 4, seed=0)
    assert Counter(job.side for job in jobs[::2]) == {0: 26, 1: 26}
    firsts = Counter((job.task.id, job.side) for job in jobs[::2])
    assert set(firsts.values()) == {2}


def test_the_order_follows_from_the_seed_and_differs_by_repeat() -> None:
    jobs = interleave(TASKS, 2, 2, seed=1)
    assert jobs == interleave(TASKS, 2, 2, seed=1)
    assert jobs != interleave(TASKS, 2, 2, seed=2)
    ids = [job.task.id for job in jobs[::2]]
    assert ids[:13] != ids[13:]
    assert sorted(ids[:13]) == sorted(ids[13:])


def test_repeats_run_one_after_the_other() -> None:
    repeats = [job.repeat for job in interleave(TASKS, 2, 3, seed=0)]
    assert repeats == sorted(repeats)
