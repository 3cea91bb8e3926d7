"""What is said where a package of an extra is not installed."""

from __future__ import annotations

from benchmark_recorder.errors import MissingDependencyError


def missing(what: str, extra: str) -> MissingDependencyError:
    """The error where an extra is not installed, with the line that installs what it consists of.

    Args:
        what: what needs it, in words.
        extra: its name.
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("benchmark-recorder") or ()
    except PackageNotFoundError:  # imported from a checkout that is not installed
        lines = ()
    wanted = [line.partition(";")[0].strip() for line in lines if line.endswith((f"== '{extra}'", f'== "{extra}"'))]
    return MissingDependencyError(f"{what}: pip install " + " ".join(f'"{each}"' for each in wanted or [f".[{extra}]"]))
