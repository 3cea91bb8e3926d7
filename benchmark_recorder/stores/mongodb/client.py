"""MongoDB clients: what a URL says without asking a server, the driver's settings, a collection's indexes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from benchmark_recorder.errors import ConfigurationError, missing, preview

if TYPE_CHECKING:
    from pymongo import IndexModel, MongoClient

    Client: TypeAlias = MongoClient[dict[str, Any]]

CLIENT_OPTIONS: Final = {
    "appname": "benchmark-recorder",
    "serverSelectionTimeoutMS": 2000,  # the driver's default is 30 s
    "connectTimeoutMS": 2000,
    "heartbeatFrequencyMS": 3000,  # a server that hangs is noticed after this and the connect timeout
    "socketTimeoutMS": 150_000,  # the last resort: longer than the longest question
    "retryWrites": True,
}
"""Unless the URL says otherwise."""


def require_driver() -> None:
    """Check that pymongo is installed and new enough.

    Raises:
        MissingDependencyError: it is not.
    """
    try:
        import pymongo
    except ImportError as error:
        raise missing("the MongoDB store needs pymongo", "mongodb") from error
    if pymongo.version_tuple < (4, 13):
        raise missing(f"the MongoDB store needs pymongo 4.13 or newer; {pymongo.version} is installed", "mongodb")


def check_client(client: object) -> None:
    """Check that a client is the driver's own and synchronous: the answers of any other acknowledge nothing.

    Raises:
        ConfigurationError: it is not.
    """
    from pymongo import MongoClient

    if not isinstance(client, MongoClient):
        raise ConfigurationError(f"uri_or_client: expected a URL or a pymongo.MongoClient, got {preview(client)}")


def address(uri: str) -> tuple[str, str | None]:
    """The hosts and the database of a URL, without asking a name server and without its secrets.

    Raises:
        ConfigurationError: it is not a MongoDB URL, or part of its password could be read as a host.
    """
    parts = urlsplit(uri)
    if parts.scheme not in {"mongodb", "mongodb+srv"}:
        raise ConfigurationError(f"a MongoDB URL begins with mongodb:// or mongodb+srv://, not {parts.scheme!r}")
    hosts = parts.netloc.rpartition("@")[2]
    if not hosts:
        raise ConfigurationError("the MongoDB URL names no host; the form is mongodb://host/database")
    behind = (parts.path, parts.fragment, parts.query.partition("=")[0])
    if any("@" in part for part in behind) or not all(map(_HOST.fullmatch, hosts.split(","))):
        raise ConfigurationError(
            "the MongoDB URL cannot be read; the form is mongodb://host:27017/database; in its user and its password "
            "write / ? # : @ and % as urllib.parse.quote_plus does"
        )
    if any(sign in unquote(hosts + parts.path) for sign in "&=?"):  # options, which may hold a password
        raise ConfigurationError(
            "the MongoDB URL has options in the name of its host or database: put a ? before the first option, as in "
            "mongodb://host/database?tls=true"
        )
    return unquote(hosts), unquote(parts.path.lstrip("/")) or None


_HOST: Final = re.compile(r"(?:\[[^\]]+\]|[^:\[\]]+)(?::\d+)?")
"""``host``, ``host:port``, ``[address]:port``, or the quoted path of a socket."""


def hosts_of(client: Client | None) -> str:
    """The hosts that a given client was made with; asks no server."""
    seeds = getattr(client, "_topology_settings", None)
    known = sorted(getattr(seeds, "seeds", ()))
    return ",".join(f"{host}:{port}" if port else host for host, port in known) or "given client"


def check_names(database: str, collection: str) -> None:
    """Check that the server accepts these names.

    Raises:
        ConfigurationError: it does not.
    """
    if any(character in database for character in '/\\. "$*<>:|?\0'):
        raise ConfigurationError(f"database: {database!r} is not a valid name")
    if not collection or collection.startswith("system.") or any(c in collection for c in "$\0"):
        raise ConfigurationError(f"collection: {collection!r} is not a valid name")


def connect(uri: str | None) -> Client:
    """A client that has not connected yet; the URL's options override ours.

    Raises:
        pymongo.errors.PyMongoError: the URL is wrong, or the name server does not answer (``mongodb+srv``).
    """
    from pymongo import MongoClient

    assert uri is not None
    given = {option.partition("=")[0].lower() for option in urlsplit(uri).query.split("&")}
    options: dict[str, Any] = {name: value for name, value in CLIENT_OPTIONS.items() if name.lower() not in given}
    return MongoClient(uri, connect=False, **options)


NO_INDEX: Final = frozenset({13, 50, 85, 86, 8000})
"""Codes for an index that is not created: no right, no time (create it by hand), or another index in its place."""


def indexes(expire_after_days: float | None) -> list[IndexModel]:
    """By version and by task; and by age, where the server is to remove older records."""
    from pymongo import ASCENDING, IndexModel

    made = [
        IndexModel([("version", ASCENDING), ("time", ASCENDING)]),
        IndexModel([("task_id", ASCENDING), ("version", ASCENDING), ("time", ASCENDING)]),
    ]
    if expire_after_days is not None:
        seconds = int(expire_after_days * 86_400)
        made.append(IndexModel([("recorded_at", ASCENDING)], expireAfterSeconds=seconds))
    return made
