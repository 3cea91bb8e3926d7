"""The options that several commands share: where the records are, which ones, and where the answer goes.

A new filter is a line in ``_QUERY``; the options of ``record`` are made of ``fields.FIELDS``; any other shared option
is an annotation beside ``Scope``, which a command takes as a parameter.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Final, Literal

import typer

from benchmark_recorder.cli.app import JournalPath, StorePath, say_aside
from benchmark_recorder.cli.output import Answer, interruptible, no_data, print_answer
from benchmark_recorder.config import get_benchmark_recorder
from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.fields import FIELDS, Field
from benchmark_recorder.history import History
from benchmark_recorder.opening import get_benchmark_history
from benchmark_recorder.queries import Query
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.stores.completing import completed

Baseline = Annotated[str, typer.Argument(metavar="V1", help="Baseline.")]
Candidate = Annotated[str, typer.Argument(metavar="V2", help="Candidate.")]
OptionalBaseline = Annotated[str | None, typer.Argument(metavar="[V1]", help="Baseline; default: the latest but one.")]
OptionalCandidates = Annotated[
    list[str] | None, typer.Argument(metavar="[V2]...", help="Candidate, or several; default: the latest.")
]
OptionalVersion = Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Version; default: the latest.")]
Latest = Annotated[int | None, typer.Option("--latest", metavar="N", min=1, help="The latest N versions.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="Version.")]
Method = Annotated[
    Literal["auto", "log", "rank"],
    typer.Option(metavar="METHOD", help="Of times: log, rank, or auto, which chooses by how runs vary."),
]

Sequential = Annotated[bool, typer.Option("--sequential", help="Hold however often you look as runs come in.")]

Scope = Annotated[
    Literal["suite", "tasks"], typer.Option(metavar="SCOPE", help="suite: these tasks; tasks: others like them too.")
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="KEY",
        help="Group by week, day, hour, commit, model, agent, error_type, host, expected_agent or metadata.<key>.",
    ),
]
AllowPartial = Annotated[bool, typer.Option("--allow-partial", help="Decide although the server is out of reach.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Output = Annotated[str, typer.Option("--output", metavar="FILE", help="File to write; - is the terminal.")]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="KEY=VALUE", help="VALUE is JSON or a string. May be repeated."),
]

_QUERY: Final[dict[str, Any]] = {
    "task": Annotated[str | None, typer.Option(metavar="TEXT", help="Only this task, by its text.")],
    "task_id": Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this task, by its id. May be repeated.")
    ],
    "agent": Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this agent. May be repeated.")],
    "success": Annotated[bool | None, typer.Option("--success/--failure", help="Only runs that ended like this.")],
    "since": Annotated[str | None, typer.Option(metavar="TIME", help="From this time on (ISO 8601).")],
    "until": Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")],
    "last_days": Annotated[float | None, typer.Option(metavar="DAYS", help="Only the last so many days.")],
    "metadata": MetadataOption,
    "model": Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this model. May be repeated.")],
    "error_type": Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this class of failure. May be repeated.")
    ],
    "host": Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this host. May be repeated.")],
    "commit": Annotated[list[str] | None, typer.Option(metavar="HASH", help="Only this commit. May be repeated.")],
    "expected_agent": Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only where this agent was right. May be repeated.")
    ],
    "dropped": Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only where this field was wrong. May be repeated."),
    ],
    "runs": Annotated[
        Literal["roots", "children", "all"] | None,
        typer.Option(metavar="WHICH", help="roots (default), children of other runs, or all."),
    ],
}
_VERSION: Final[dict[str, Any]] = {
    "version": Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this version. May be repeated.")],
}
_TYPES: Final = {"number": float, "count": int}
_HELP: Final = {"timestamp": "ISO 8601; default: now.", "task_id": "Default: made from the task's text."}


def _field_option(field: Field) -> Any:  # noqa: ANN401 - an annotation
    """The option of ``record`` for a field."""
    given = ("--agent",) if field.name == "agent_selected" else ()
    about = _HELP.get(field.name, f"{field.about[0].upper()}{field.about[1:]}.")
    kind: Any = _TYPES.get(field.kind, str)
    return Annotated[kind | None, typer.Option(*given, metavar="TEXT" if kind is str else "NUMBER", help=about)]


_FIELDS: Final = {f.argument: _field_option(f) for f in FIELDS if f.argument is not None and f.absent != "never"}


def resolved(command: Callable[..., Answer | None]) -> Callable[..., None]:
    """A command that names what it needs as parameters, as one that typer can read.

    ``history`` (to read) and ``recorder`` (to write) become ``--store`` and ``--journal``, and ``place`` is what these
    say, by the names of the settings. ``query`` becomes one option for each filter, and is a dict of those that were
    given; ``query_with_version`` the same with ``--version``; ``fields`` one for each field of a record that may be
    left out.

    The answer of a command that returns one is printed here, so that it also gets ``--json``.
    """
    own = inspect.signature(command).parameters
    answers = command.__annotations__["return"] is Answer
    groups = {"query": _QUERY, "query_with_version": {**_VERSION, **_QUERY}, "fields": _FIELDS}
    asked = next((name for name in groups if name in own), None)
    options = {} if asked is None else groups[asked]

    @wraps(command)
    def run(ctx: typer.Context, store: str | None = None, journal: str | None = None, **arguments: Any) -> None:  # noqa: ANN401
        as_json = answers and bool(arguments.pop("as_json"))
        store = store or ctx.obj
        if asked is not None:
            arguments[asked] = _given({name: arguments.pop(name) for name in options})
        if "place" in own:
            arguments["place"] = {"store": store, "journal": journal}
        if "recorder" in own:
            # Raises storage trouble at once; closed at exit.
            arguments["recorder"] = get_benchmark_recorder(store, journal=journal, strict=True, on_invalid="raise")
        if "history" not in own:
            command(**arguments)
            return
        with interruptible("nothing was changed"), get_benchmark_history(store, journal=journal) as history:
            answer = command(history=history, **arguments)
            if answer is not None:
                print_answer(answer, history.store, as_json=as_json)

    given = {name: parameter.annotation for name, parameter in own.items()}
    added = {**({"as_json": AsJSON} if answers else {}), **options, "store": StorePath, "journal": JournalPath}
    injected = {"history", "recorder", "place", asked}
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, p in own.items() if name not in injected),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in added.items()
        ),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {"ctx": typer.Context, **given, **added}
    return run


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in arguments.items() if value not in (None, [])}
    if "metadata" in given:
        given["metadata"] = parse_metadata(given["metadata"])
    return given


def latest(history: History, number: int, query: Mapping[str, Any], least: int | None = None) -> list[str]:
    """The latest versions, said on stderr, where a command was given no names."""
    from benchmark_recorder.questions import latest

    store, asked = completed(history.store), Query.of(**query)
    if not latest(store, asked, 1, 0):
        no_data(history.store)
    names = latest(store, asked, number, least)
    say_aside(f"latest: {' '.join(map(terminal, names))}")
    return names


def check_different(v1: str, v2: str) -> None:
    """Comparing a version with itself says nothing, however many runs it has.

    Raises:
        InvalidQueryError: they are the same.
    """
    if v1 == v2:
        raise InvalidQueryError(
            "v2: the same version as v1; to compare a version with its own past, use gate --baseline-days"
        )


def parse_metadata(pairs: list[str] | None) -> dict[str, Any]:
    """Metadata from ``KEY=VALUE`` strings.

    Raises:
        InvalidQueryError: one has no ``=``.
    """
    metadata = {}
    for pair in pairs or ():
        key, sign, value = pair.partition("=")
        if not sign:
            raise InvalidQueryError(f"--metadata: expected KEY=VALUE, got {preview(pair)}")
        metadata[key] = _json_or_text(value)
    return metadata


def _json_or_text(value: str) -> Any:  # noqa: ANN401
    """JSON, unless that would change it: a hash such as ``83e2010``, or ``1.10``, is a text, not a number."""
    try:
        found = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return value
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return value if is_number and json.dumps(found) != value.strip() else found


def _refuse(constant: str) -> None:
    raise ValueError(constant)
