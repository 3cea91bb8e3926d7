"""What only git itself knows of a checkout; asked once in a program, and never by a recording call."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

GIT_SECONDS: Final = 2.0
"""How long git may take."""


def ask_git(directory: Path, *arguments: str) -> str | None:
    """What a git command prints; ``None`` where git is not installed, fails, or takes too long."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(  # noqa: S603 - no word comes from outside
            ["git", "-c", "core.fsmonitor=false", *arguments],  # noqa: S607 - as the user's shell finds it
            cwd=directory,
            env=environment,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()


def is_dirty(directory: Path) -> bool | None:
    """Whether tracked files differ from the commit that is checked out; ``None`` where git does not say."""
    changes = ask_git(directory, "status", "--porcelain", "--untracked-files=no")
    return None if changes is None else bool(changes)


def dirt_of(directory: Path) -> dict[str, bool]:
    """``{"git_dirty": True}`` for the metadata of records whose code no commit holds; else empty."""
    return {"git_dirty": True} if is_dirty(directory) else {}
