"""Inspect's logs (``.eval`` and ``.json``): each sample and epoch is a run.

A log is read by its summaries, a sample at a time. A sample that ended in an error is a failure, although the tool's
own accuracy leaves it out. ``total_time`` is that of the last attempt alone.
"""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from zipfile import ZipFile

from benchmark_recorder.errors import BenchmarkRecorderError, StoreFormatError
from benchmark_recorder.exchange.content import check_size, zstd_missing
from benchmark_recorder.exchange.entry import Asked, Entry, id_of, wrong
from benchmark_recorder.exchange.json_stream import elements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmark_recorder.records import Document

VERSION: Final = 2
"""Of the log's format."""

_PASSED: Final = {"C": True, "I": False, "P": False, "N": False}
"""Inspect's letters: correct, incorrect, partly correct, no answer."""

_CLASS: Final = re.compile(r"([A-Za-z_]\w*)\(")


def is_log(top: Document) -> bool:
    """Whether a JSON document is one of Inspect's logs."""
    return isinstance(top.get("eval"), dict) and "status" in top and "eval_id" in top["eval"]


def is_archive(path: Path) -> bool:
    """Whether a zip archive is one of Inspect's logs; raises ``StoreFormatError`` if it is damaged."""
    with _opened(path) as archive:
        return bool({"header.json", "_journal/start.json"} & set(archive.namelist()))


def archive_entries(path: Path, asked: Asked, notes: list[str]) -> Iterator[Entry]:
    """The entries of an ``.eval`` file.

    Raises:
        StoreFormatError: the archive is damaged, too large when it is unpacked, or of another version.
        InvalidRecordError: a sample does not say whether it succeeded.
    """
    with _opened(path) as archive:
        names = archive.namelist()
        header = json.loads(_member(archive, "header.json" if "header.json" in names else "_journal/start.json").read())
        parts = ["summaries.json"] if "summaries.json" in names else _journal(names)

        def samples() -> Iterator[Any]:
            for name in parts:
                with _member(archive, name) as member, io.TextIOWrapper(member, encoding="utf-8") as text:
                    yield from elements(text)

        yield from _entries(header, samples(), asked, notes)


def log_entries(log: Document, asked: Asked, notes: list[str]) -> Iterator[Entry]:
    """The entries of a ``.json`` log; errors as for ``archive_entries``."""
    yield from _entries(log, log.get("samples") or (), asked, notes)


def _journal(names: Sequence[str]) -> list[str]:
    """The summaries of a log that was not finished, in their order."""
    found = (re.fullmatch(r"_journal/summaries/(\d+)\.json", name) for name in names)
    return [match[0] for match in sorted(filter(None, found), key=lambda match: int(match[1]))]


def _entries(log: Document, samples: Iterable[Any], asked: Asked, notes: list[str]) -> Iterator[Entry]:
    if log.get("version") != VERSION or not isinstance(log.get("eval"), dict):
        raise StoreFormatError(f"an Inspect log of version {log.get('version')}: only {VERSION} is read")
    about, retried, number = log["eval"], 0, 0
    packages = about.get("packages")
    tool = {"version": packages.get("inspect_ai") if isinstance(packages, dict) else None}
    common = _common(about, asked)
    for number, sample in enumerate(samples, 1):
        place = f"sample {number}"
        if not isinstance(sample, dict):
            raise wrong(place, "expected an object")
        retried += bool(_retries(sample))
        run = about.get("run_id"), about.get("task_id"), sample.get("id"), sample.get("epoch")
        own = {"record_id": id_of("inspect", *run), "task_id": f"{about.get('task')}: {sample.get('id')}"}
        yield _entry(sample, place, {**common, **own, "metadata": {"imported": tool}}, asked)
    if log.get("status", "success") != "success":
        notes.append(f"this log's status is {log['status']}: it has the samples that were finished")
    if retried:
        notes.append(f"{retried:,} of {number:,} samples were tried again: their times are those of the last attempt")


def _common(about: Document, asked: Asked) -> Document:
    """What all samples of a log share."""
    common: Document = {"version": asked.version, "model": about.get("model"), "timestamp": about.get("created")}
    revision = about.get("revision")
    if isinstance(revision, dict) and isinstance(commit := revision.get("commit"), str):
        common["git_commit"] = commit
        common["version"] = asked.version or commit[:12] + ("-dirty" if revision.get("dirty") is True else "")
    return {name: value for name, value in common.items() if value is not None}


def _retries(sample: Document) -> int:
    return sample.get("retries") or len(sample.get("error_retries") or ())


def _entry(sample: Document, place: str, common: Document, asked: Asked) -> Entry:
    """The entry of a sample; ``common`` has its id, task, version and model."""
    given = sample.get("input")
    error, limit, usage = sample.get("error"), sample.get("limit"), sample.get("model_usage")
    error = error.get("message", "error") if isinstance(error, dict) else error
    success, score = _judged(sample, place, asked) if not error else (False, None)
    tokens = [one for one in usage.values() if isinstance(one, dict)] if isinstance(usage, dict) else []
    metadata = {
        **common["metadata"],
        "epoch": sample.get("epoch"),
        "working_time": sample.get("working_time"),
        "retries": _retries(sample) or None,
        "score": score,
    }
    document: Document = {
        **common,
        "timestamp": sample.get("started_at") or common.get("timestamp"),
        "task_description": given if isinstance(given, str) and given else common["task_id"],
        "execution_time": sample.get("total_time"),
        "success": success,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }
    if tokens:
        document["input_tokens"] = sum(one.get("input_tokens") or 0 for one in tokens)
        document["output_tokens"] = sum(one.get("output_tokens") or 0 for one in tokens)
    if not success and (error or limit):
        document["error_type"] = _failure(error, limit)
    return Entry(place, document)


def _failure(error: Any, limit: Any) -> str:  # noqa: ANN401 - anything that JSON holds
    """The class of an exception, of which the log has the text, or the limit that was reached."""
    if not error:
        return f"limit: {limit.get('type') if isinstance(limit, dict) else limit}"
    found = _CLASS.match(str(error))
    return found[1] if found else "error"


def _judged(sample: Document, place: str, asked: Asked) -> tuple[bool, Any]:
    """Whether the sample succeeded, by the scorer that was named or the only one, and its score."""
    scores = sample.get("scores")
    names = list(scores) if isinstance(scores, dict) else []
    name = asked.scorer or (names[0] if len(names) == 1 else None)
    if name is None or name not in names:
        said = f"scores by {', '.join(names)}; name one with --scorer" if names else "no score"
        raise wrong(place, f"{said}: nothing says whether it succeeded")
    assert isinstance(scores, dict)
    value = scores[name].get("value") if isinstance(scores[name], dict) else None
    if isinstance(value, str) and value in _PASSED:
        return _PASSED[value], value
    if isinstance(value, (int, float)):
        return value >= 1, value
    raise wrong(place, f"the score of {name} is neither a number nor one of {', '.join(_PASSED)}")


# The archive ----------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    """An archive; an error of whatever reads it says that the archive is damaged."""
    try:
        with _zip_file()(path) as archive:
            yield archive
    except BenchmarkRecorderError:
        raise
    except NotImplementedError as error:  # how a member is packed
        if _zip_file() is ZipFile and sys.version_info < (3, 14):
            raise zstd_missing() from None
        raise StoreFormatError(f"the archive is packed in a way that cannot be read: {error}") from error
    except Exception as error:
        damaged = isinstance(error, (EOFError, KeyError, RuntimeError, ValueError))
        if not damaged and type(error).__name__ not in {"BadZipFile", "ZstdError"}:  # of one package or another
            raise
        raise StoreFormatError(f"the archive is truncated or damaged: {error}") from error


def _zip_file() -> type[ZipFile]:
    """What reads archives; also those packed with zstd, where that is installed."""
    if sys.version_info < (3, 14):
        try:
            from backports.zstd import zipfile
        except ImportError:
            return ZipFile
        return cast("type[ZipFile]", zipfile.ZipFile)
    return ZipFile


def _member(archive: ZipFile, name: str) -> Any:  # noqa: ANN401 - a file
    info = archive.getinfo(name)
    check_size(info.file_size, info.compress_size)
    return archive.open(info)
