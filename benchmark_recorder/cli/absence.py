"""Nothing was found: why, and what there is instead."""

from collections.abc import Sequence
from typing import Final, NoReturn

import typer

from benchmark_recorder.cli.app import Code, complain
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import Query
from benchmark_recorder.stores.json_file import JSONFileStore

MOST_NAMED: Final = 10
"""Versions that are listed; more of them are counted."""
_MOST_OF_NAME: Final = 60


def no_data(recorder: BenchmarkRecorder, versions: Sequence[str] = ()) -> NoReturn:
    """Say why nothing was found, and end so.

    Args:
        recorder: that was asked.
        versions: that were asked for, if any were.
    """
    store = recorder.store
    place = store.name
    known = sorted({cell.version for cell in store.summarize(Query()).cells})
    unknown = [version for version in dict.fromkeys(versions) if version not in known]
    if isinstance(store, JSONFileStore) and not store.path.exists():
        complain(f"{place}: there is no such file")
    elif not known:
        complain(f"there are no records in {place}")
    elif unknown:
        which = f"version {_listed(unknown)}" if len(unknown) == 1 else f"the versions {_listed(unknown)}"
        complain(f"there are no runs of {which} in {place}; there are {_listed(known)}")
    else:
        complain(f"no records match in {place}")
    raise typer.Exit(Code.NO_DATA)


def _listed(names: Sequence[str]) -> str:
    shown = [name if len(name) <= _MOST_OF_NAME else f"{name[:_MOST_OF_NAME]}…" for name in names[:MOST_NAMED]]
    return ", ".join([*shown, *([f"{len(names) - MOST_NAMED:,} more"] if len(names) > MOST_NAMED else [])])
