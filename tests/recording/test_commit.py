from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmark_recorder.recording.checkout import is_dirty
from benchmark_recorder.recording.commit import CI_VARIABLES, find_commit


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in CI_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "one")
    return folder


def test_the_commit_of_a_checkout_is_the_one_that_git_names(checkout: Path) -> None:
    assert find_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_the_commit_is_found_from_a_folder_below(checkout: Path) -> None:
    below = checkout / "a" / "b"
    below.mkdir(parents=True)
    assert find_commit(below) == git(checkout, "rev-parse", "HEAD")


def test_a_detached_head_names_its_commit(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "--detach")
    assert find_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_packed_references_are_read(checkout: Path) -> None:
    git(checkout, "tag", "v1")
    git(checkout, "pack-refs", "--all", "--prune")
    assert not (checkout / ".git/refs/heads/main").exists()
    assert find_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_worktree_has_a_commit_of_its_own(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    git(tmp_path / "side", "commit", "--quiet", "--allow-empty", "--message", "two")
    assert find_commit(tmp_path / "side") == git(tmp_path / "side", "rev-parse", "HEAD")
    assert find_commit(tmp_path / "side") != find_commit(checkout)


def test_a_branch_without_commits_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert find_commit(tmp_path) is None


def test_where_there_is_no_checkout_there_is_no_commit(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("not a git file")
    assert find_commit(tmp_path) is None


def test_a_broken_checkout_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert find_commit(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert find_commit(tmp_path) is None


@pytest.mark.parametrize("variable", CI_VARIABLES)
def test_a_ci_systems_commit_counts_where_there_is_no_checkout(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "A" * 40)
    assert find_commit(tmp_path) == "a" * 40


def test_a_job_that_checks_out_another_commit_records_that_one(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = git(checkout, "rev-parse", "HEAD")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", "two")
    monkeypatch.setenv("GITHUB_SHA", git(checkout, "rev-parse", "HEAD"))
    git(checkout, "checkout", "--quiet", first)
    assert find_commit(checkout) == first


def test_a_variable_that_holds_something_else_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SHA", "main; rm -rf /")
    monkeypatch.setenv("GIT_COMMIT", "b" * 40)
    assert find_commit(tmp_path) == "b" * 40


@pytest.mark.parametrize("packed", [True, False])
def test_a_branch_that_names_another_one_has_its_commit(packed: bool, checkout: Path) -> None:
    git(checkout, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    git(checkout, "symbolic-ref", "HEAD", "refs/heads/alias")
    if packed:
        git(checkout, "pack-refs", "--all", "--prune")
    assert find_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_branches_that_name_each_other_have_no_commit(checkout: Path) -> None:
    git(checkout, "symbolic-ref", "refs/heads/one", "refs/heads/two")
    git(checkout, "symbolic-ref", "refs/heads/two", "refs/heads/one")
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/one")
    assert find_commit(checkout) is None


def test_a_repository_whose_references_only_git_reads_is_asked_of_git(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/.invalid")  # as with reftable
    assert find_commit(checkout) is None  # this git finds nothing there
    newer = tmp_path / "bin" / "git"  # one that knows the format
    newer.parent.mkdir()
    newer.write_text(f'#!/bin/sh\n[ "$3 $4" = "rev-parse HEAD" ] && echo {commit}\n')
    newer.chmod(0o755)
    monkeypatch.setenv("PATH", str(newer.parent), prepend=":")
    assert find_commit(checkout) == commit


def test_a_checkout_is_dirty_when_a_tracked_file_differs(checkout: Path, tmp_path: Path) -> None:
    (checkout / "a").write_text("1")
    assert is_dirty(checkout) is False
    git(checkout, "add", "a")
    assert is_dirty(checkout) is True
    git(checkout, "commit", "--quiet", "--message", "a")
    assert is_dirty(checkout) is False
    assert is_dirty(tmp_path) is None


@pytest.mark.parametrize("target", ["a\0b", "circle/inside"])
def test_a_checkout_that_makes_no_sense_is_no_checkout(tmp_path: Path, target: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / ".git").write_text(f"gitdir: {target}")
    assert find_commit(tmp_path) is None
