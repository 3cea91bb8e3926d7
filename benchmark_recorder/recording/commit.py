"""The git commit that a program runs from: from the files in ``.git``, else from the CI system's environment.

It takes a few file reads, once, and starts no process, but for a repository in git's reftable format.
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

    A CI system's variable says which commit started the job. It counts only where there is no checkout, because a job
    may check out another one.

    Args:
        directory: where to look for a checkout, and in its parents; the working directory unless given.
    """
    try:
        start = (directory or Path.cwd()).absolute()
        for folder in (start, *start.parents):
            if git := _git_folder(folder):
                return _head(git)
    except (OSError, ValueError, RuntimeError):  # circular links are a RuntimeError
        # A record without its commit is better than none.
        return None
    variables = (os.environ.get(variable, "").strip().lower() for variable in CI_VARIABLES)
    return next(filter(_is_hash, variables), None)


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
    shared = git / "commondir"
    folders = [git, (git / shared.read_text().strip()).resolve()] if shared.is_file() else [git]
    found = (git / "HEAD").read_text().strip()
    for _ in range(_MOST_LINKS):
        if not found.startswith("ref:"):
            return found if _is_hash(found) else None
        reference = found.removeprefix("ref:").strip()
        if reference == "refs/heads/.invalid":
            from benchmark_recorder.recording.checkout import ask_git

            return next(filter(_is_hash, [ask_git(git, "rev-parse", "HEAD") or ""]), None)
        found = next((content for folder in folders if (content := _resolve(folder, reference))), "")
    return None


_MOST_LINKS: Final = 6
"""A branch may name another one; git follows five."""


def _resolve(git: Path, reference: str) -> str | None:
    """What a reference holds: a hash, or another reference."""
    loose = git / reference
    if loose.is_file():
        return loose.read_text().strip()
    packed = git / "packed-refs"
    if packed.is_file():
        for line in packed.read_text().splitlines():
            commit, _, name = line.partition(" ")
            if name == reference and _is_hash(commit):
                return commit
    return None
