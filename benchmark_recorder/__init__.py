"""Record what AI-agent orchestrators do, compare versions with verdicts that hold, and report.

::

    from benchmark_recorder import get_benchmark_recorder

    recorder = get_benchmark_recorder()
    recorder.record_execution(task="Create landing page", duration=3.4, success=True, version="v2.0")
    print(recorder.get_historical_metrics(version="v2.0").mean)

The modules of this folder, from the caller down:

- ``config``: ``get_benchmark_recorder``; ``opening``: stores by path and URL, ``get_benchmark_history``; ``settings``:
  what both read, from ``project`` as well. ``recorder``: ``BenchmarkRecorder``; ``recording/``: a record's way in.
- ``history``: ``History``, every question; ``answering``: what each needs; ``decisions``: those about two versions;
  ``outlook``: those about what changed and what is to come; ``experiments``: those about experiments; ``questions``:
  what reports, groups and lists of versions ask; ``comparing``: the runs that versions are compared by; ``series``: by
  day or commit; ``legacy``: former names of some questions.
- ``fields``: each field of a record, defined once. ``records``: ``BenchmarkMetric``, its id and time, and whether it is
  stored as it is; ``times``: other spellings of times; ``validation``: checks and normalises all others, by ``schema``.
  ``queries``: ``Query``, which executions a question is about, and which units count once in an experiment.
- ``cells``: the statistics that comparisons are computed from; ``matching``: which tasks get their own, and what is
  known of the others; ``tabulation``: how they come from ``columns``; ``grouping``: the keys of ``by=``, and how many
  groups are kept; ``histogram``: percentiles of very many runs.
- ``stores/``: where records live; ``analysis/``: numbers to verdicts; ``reporting/``: verdicts to what people read.
- ``exchange/``: files of other tools; ``harness/``: runs orchestrators; ``bound``: a recorder for one version and task;
  ``pytest_plugin``: the fixture that is one, and its options; ``alerts/``: watches versions; ``serve/``: the live page;
  ``cli/``, ``__main__``: the command line.
- ``testing``: the conformance suite for stores; ``codes``: exit codes; ``errors``, ``log``, ``_lazy``, ``_fork``: used
  by all.

Names are imported on first use: pytest imports this package in every run where it is installed.
PYTEST_DONT_REWRITE: without this line, pytest would warn a program that imported this package before calling it.
"""

import typing

from benchmark_recorder import _lazy

if typing.TYPE_CHECKING:
    from benchmark_recorder.analysis import Claim, Comparison, GateResult, Summary
    from benchmark_recorder.config import get_benchmark_recorder
    from benchmark_recorder.errors import (
        BenchmarkRecorderError,
        ConfigurationError,
        InvalidQueryError,
        InvalidRecordError,
        MissingDependencyError,
        RefusedRecordsError,
        StoreError,
        StoreFormatError,
        StoreSetupError,
        StoreUnavailableError,
    )
    from benchmark_recorder.history import History
    from benchmark_recorder.opening import get_benchmark_history
    from benchmark_recorder.recorder import BenchmarkRecorder
    from benchmark_recorder.recording.experiment import Experiment
    from benchmark_recorder.recording.measurement import Measurement
    from benchmark_recorder.records import BenchmarkMetric
    from benchmark_recorder.stores.health import Health
    from benchmark_recorder.stores.json_file import JSONFileStore
    from benchmark_recorder.stores.memory import MemoryStore
    from benchmark_recorder.stores.mongodb import MongoDBStore
    from benchmark_recorder.stores.vertex import VertexStore

__version__ = "0.1.0"

__all__ = [
    "BenchmarkMetric",
    "BenchmarkRecorder",
    "BenchmarkRecorderError",
    "Claim",
    "Comparison",
    "ConfigurationError",
    "Experiment",
    "GateResult",
    "Health",
    "History",
    "InvalidQueryError",
    "InvalidRecordError",
    "JSONFileStore",
    "Measurement",
    "MemoryStore",
    "MissingDependencyError",
    "MongoDBStore",
    "RefusedRecordsError",
    "StoreError",
    "StoreFormatError",
    "StoreSetupError",
    "StoreUnavailableError",
    "Summary",
    "VertexStore",
    "get_benchmark_history",
    "get_benchmark_recorder",
]

_HOMES: typing.Final = {
    "BenchmarkMetric": "records",
    "BenchmarkRecorder": "recorder",
    "Experiment": "recording.experiment",
    "Health": "stores.health",
    "History": "history",
    "JSONFileStore": "stores.json_file",
    "Measurement": "recording.measurement",
    "MemoryStore": "stores.memory",
    "MongoDBStore": "stores.mongodb",
    "VertexStore": "stores.vertex",
    "get_benchmark_history": "opening",
    "get_benchmark_recorder": "config",
    **dict.fromkeys(("Claim", "Comparison", "GateResult", "Summary"), "analysis"),
}
"""The module that defines each name that is not an error."""


__getattr__ = _lazy.lazy_names(__name__, {**dict.fromkeys(__all__, "errors"), **_HOMES})


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
