from __future__ import annotations

import pickle

import pytest

from benchmark_recorder import errors
from benchmark_recorder.errors import BenchmarkRecorderError, InvalidRecordError


def test_an_error_of_a_worker_process_arrives_as_it_was_raised() -> None:
    error = pickle.loads(pickle.dumps(InvalidRecordError("duration: expected a number", field="duration")))
    assert type(error) is InvalidRecordError
    assert (str(error), error.field) == ("duration: expected a number", "duration")


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_is_of_the_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, BenchmarkRecorderError)
