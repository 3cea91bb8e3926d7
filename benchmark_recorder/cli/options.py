"""The options that many commands share: where the records are, which ones, and how the answer is printed."""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Final

import typer

from benchmark_recorder.cli.app import StorePath
from benchmark_recorder.config import get_benchmark_recorder
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.recorder import BenchmarkRecorder

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata",
        metavar="KEY=VALUE",
        help='A value that is JSON (3, true, "3") is that, any other is a text. May be repeated.',
    ),
]

_QUERY: Final[dict[str, Any]] = {
    "task": Annotated[str | None, typer.Option(metavar="TEXT", help="Only this task, by its text.")],
    "task_id": Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this task, by its id. May be repeated.")
    ],
    "agent": Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only where this agent was selected. May be repeated.")
    ],
    "success": Annotated[bool | None, typer.Option("--success/--failure", help="Only runs that ended so.")],
    "since": Annotated[str | None, typer.Option(metavar="TIME", help="From then on (ISO 8601; local time if naive).")],
    "until": Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")],
    "last_days": Annotated[float | None, typer.Option(metavar="DAYS", help="The same as --since, counted back.")],
    "metadata": MetadataOption,
}
_VERSION: Final[dict[str, Any]] = {
    "version": Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this version. May be repeated.")],
}


def resolved(command: Callable[..., None]) -> Callable[..., None]:
    """A command that asks for what it needs, as one that typer can read.

    A parameter ``recorder`` becomes ``--store``; ``query`` becomes one option for each thing that a query can say,
    and a dict of those that were given; ``query_with_version`` the same with ``--version``; ``place`` is what
    ``--store`` says, if it was given.
    """
    own = inspect.signature(command).parameters
    asked = next((name for name in ("query", "query_with_version") if name in own), None)
    options = {} if asked is None else _QUERY if asked == "query" else {**_VERSION, **_QUERY}

    @wraps(command)
    def run(ctx: typer.Context, store: str | None = None, **arguments: Any) -> None:  # noqa: ANN401
        if asked is not None:
            arguments[asked] = _query({name: arguments.pop(name) for name in options})
        if "recorder" in own:
            arguments["recorder"] = open_recorder(store or ctx.obj)
        if "place" in own:
            arguments["place"] = store or ctx.obj
        command(**arguments)

    given = {name: parameter.annotation for name, parameter in own.items()}
    injected = {"recorder", "place", asked}
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, p in own.items() if name not in injected),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in {**options, "store": StorePath}.items()
        ),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {"ctx": typer.Context, **given, **options, "store": StorePath}
    return run


def open_recorder(store: str | None) -> BenchmarkRecorder:
    """The recorder of a path or of the settings; it tells storage trouble at once."""
    return get_benchmark_recorder(store, strict=True, on_invalid="raise")


def _query(arguments: Mapping[str, Any]) -> dict[str, Any]:
    query = {name: value for name, value in arguments.items() if value not in (None, [])}
    if "metadata" in query:
        query["metadata"] = parse_metadata(query["metadata"])
    return query


def two_versions(v1: str, v2: str) -> None:
    """Nothing is to be learnt from a version against itself, however many runs it has.

    Raises:
        InvalidQueryError: they are the same.
    """
    if v1 == v2:
        raise InvalidQueryError(
            "v2: the same version twice; name another one (gate holds a version against its own past: --baseline-days)"
        )


def parse_metadata(pairs: list[str] | None) -> dict[str, Any]:
    """``KEY=VALUE`` texts as metadata.

    Raises:
        InvalidQueryError: one has no ``=``.
    """
    metadata = {}
    for pair in pairs or ():
        key, sign, value = pair.partition("=")
        if not sign:
            raise InvalidQueryError(f"--metadata: expected KEY=VALUE, got {ascii(pair)[:80]}")
        metadata[key] = _json_or_text(value)
    return metadata


def _json_or_text(value: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
