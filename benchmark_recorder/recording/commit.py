"""The git commit that a program runs from: from the CI system's environment, else from the files in ``.git``.

No process is started: it takes a few file reads, once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

CI_VARIABLES: Final = (
    "GITHUB_SHA",
    "CI_COMMIT_SHA",  # GitLab
    "GIT_COMMIT",  # Jenkins
    "BUILD_SOURCEVERSION",  # Azure Pipelines
    "CIRCLE_SHA1",
    "BITBUCKET_COMMIT",
    "BUILDKITE_COMMIT",
    "TRAVIS_COMMIT",
    "DRONE_COMMIT_SHA",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "COMMIT_SHA",  # Google Cloud Build
)

_HEX: Final = frozenset("0123456789abcdef")


def find_commit(directory: Path | None = None) -> str | None:
    """The full hash of the commit that is checked out, or ``None`` if none is found.

    Args:
        directory: where to look for a checkout, and in its parents; the working directory unless given.
    """
    for variable in CI_VARIABLES:
        commit = os.environ.get(variable, "").strip().lower()
        if _is_hash(commit):
            return commit
    try:
        start = (directory or Path.cwd()).absolute()
        return next((_head(git) for folder in (start, *start.parents) if (git := _git_folder(folder))), None)
    except (OSError, ValueError, RuntimeError):  # circular links are a RuntimeError
        # A record without its commit is better than none.
        return None


def _is_hash(text: str) -> bool:
    """SHA-1 or SHA-256."""
    return len(text) in {40, 64} and _HEX.issuperset(text)


def _git_folder(folder: Path) -> Path | None:
    """The git directory of a checkout's top folder; in a worktree or a submodule ``.git`` is a file that names it."""
    git = folder / ".git"
    if git.is_dir():
        return git
    if git.is_file():
        key, _, value = git.read_text().partition(":")
        if key == "gitdir":
            return (folder / value.strip()).resolve()
    return None


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head if _is_hash(head) else None
    reference = head.removeprefix("ref:").strip()
    shared = git / "commondir"
    folders = [git, (git / shared.read_text().strip()).resolve()] if shared.is_file() else [git]
    return next((commit for folder in folders if (commit := _resolve(folder, reference))), None)


def _resolve(git: Path, reference: str) -> str | None:
    loose = git / reference
    if loose.is_file():
        commit = loose.read_text().strip()
        return commit if _is_hash(commit) else None
    packed = git / "packed-refs"
    if packed.is_file():
        for line in packed.read_text().splitlines():
            commit, _, name = line.partition(" ")
            if name == reference and _is_hash(commit):
                return commit
    return None
