"""A caller's arguments as the document that is stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import ConfigurationError, InvalidRecordError, preview
from benchmark_recorder.fields import FIELDS
from benchmark_recorder.recording.commit import find_commit
from benchmark_recorder.records import are_plain, is_plain, keyed_record_id, stamp, task_id_of, timestamp_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from benchmark_recorder.records import Document


class Admission:
    """Makes documents of the arguments of ``record_execution``.

    Args:
        version: of records that name none.
        labels: metadata of every record; what a record says itself is stronger.

    Raises:
        ConfigurationError: one of them is wrong.
    """

    def __init__(self, version: str | None, labels: Mapping[str, str] | None) -> None:
        if version is not None and (not isinstance(version, str) or not version.strip()):
            raise ConfigurationError(f"version: expected a text that is not blank, got {preview(version)}")
        self.version = version
        self.labels = {} if labels is None else labels.copy() if isinstance(labels, dict) else {"": ""}
        if not all(isinstance(text, str) and text for pair in self.labels.items() for text in pair):
            raise ConfigurationError("labels: expected a dict of texts that are not empty")
        self.commit = find_commit()
        self.host = os.uname().nodename if hasattr(os, "uname") else None

    def __call__(  # noqa: C901, PLR0913, PLR0917 - by position, because this is the way of each record
        self,
        task: str,
        duration: float,
        success: bool,  # noqa: FBT001
        version: str | None = None,
        agent_selected: str | None = None,
        cost: float | None = None,
        difficulty: float | None = None,
        metadata: dict[str, Any] | None = None,
        task_id: str | None = None,
        expected_agent: str | None = None,
        error_type: str | None = None,
        model: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        timestamp: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Document, tuple[str, ...]]:
        """An execution as it is stored, and what was normalised.

        Raises:
            InvalidRecordError: an argument is wrong.
            ImportError: validation cannot be imported.
            OSError: the same.
        """
        record_id, now = stamp()
        if version is None:
            version = self.known_version()
        if type(metadata) is dict:
            metadata = {**self.labels, **metadata}  # a copy, first of all: the caller may change it at any moment
        document: Document = {
            "record_id": record_id,
            "timestamp": now,
            "version": version,
            "git_commit": self.commit,
            "task_id": task_id,
            "task_description": task,
            "execution_time": duration,
            "success": success,
            "agent_selected": agent_selected,
            "cost_estimated": 0.0 if cost is None else cost,
            "difficulty": difficulty,
            "metadata": self.labels.copy() if metadata is None else metadata,
        }
        plain = is_plain(task, duration, success, version, agent_selected, cost, difficulty, metadata)
        # By identity: comparing may run a caller's code, or fail (an array, pandas' NA).
        if not (task_id is expected_agent is error_type is model is None and input_tokens is output_tokens is None):
            optional = (task_id, expected_agent, error_type, model, input_tokens, output_tokens)
            given = {name: value for name, value in zip(_OPTIONAL, optional, strict=True) if value is not None}
            document.update(given)
            plain = plain and are_plain(given)
        notes: tuple[str, ...] = ()
        if not plain or timestamp is not None:
            notes = _admit(document, timestamp, plain=plain)
        if plain and task_id is None:
            document["task_id"] = task_id_of(task)
        if self.labels and metadata is not None and type(metadata) is not dict:
            document["metadata"] = {**self.labels, **document["metadata"]}
        if error_type is not None and document["success"]:
            raise InvalidRecordError(
                f"error_type: {preview(error_type)} together with success; a run that failed is success=False",
                field="error_type",
            )
        if idempotency_key is not None:
            document["record_id"] = keyed_record_id(document["version"], document["task_id"], idempotency_key)
        if cost is not None and not document["cost_estimated"]:
            document["cost_known"] = True
        if self.host is not None:
            document["host"] = self.host
        return document, notes

    def known_version(self) -> str:
        """The version of records that name none.

        Raises:
            InvalidRecordError: none is known.
        """
        if self.version is None:
            raise InvalidRecordError(
                "version: give it in the call, or once: get_benchmark_recorder(version=...), "
                "BENCHMARK_RECORDER_VERSION, or version in [tool.benchmark_recorder]",
                field="version",
            )
        return self.version


_OPTIONAL: Final = tuple(
    f.name for f in FIELDS if f.argument is not None and f.absent in {"made", "left out"} and f.kind != "time"
)


def _admit(document: Document, timestamp: datetime | str | None, *, plain: bool) -> tuple[str, ...]:
    """Replace a caller's values by those to be stored; returns what was normalised."""
    notes: tuple[str, ...] = ()
    if not plain:
        from benchmark_recorder.validation import admit_execution  # it needs pydantic

        admitted, notes = admit_execution(document)
        document.update(admitted)
    if timestamp is not None:
        document["timestamp"] = timestamp_text(timestamp)
    return notes
