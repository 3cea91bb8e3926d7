from __future__ import annotations

import pickle
import re
from importlib import metadata

import pytest

from benchmark_recorder import errors
from benchmark_recorder.errors import BenchmarkRecorderError, InvalidRecordError
from tests.pages import ROOT


def test_an_error_of_a_worker_process_arrives_as_it_was_raised() -> None:
    error = pickle.loads(pickle.dumps(InvalidRecordError("duration: expected a number", field="duration")))
    assert type(error) is InvalidRecordError
    assert (str(error), error.field) == ("duration: expected a number", "duration")


@pytest.mark.parametrize(
    ("installed", "line"),
    [
        (["numpy>=1", "a<3,>=2; extra == 'x'", "b; extra == 'x'", "c; extra == 'y'"], '"a<3,>=2" "b"'),
        (None, '".[x]"'),
    ],
)
def test_what_is_missing_comes_with_a_line_that_can_be_installed(
    installed: list[str] | None, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def requires(name: str) -> list[str]:
        if installed is None:
            raise metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(metadata, "requires", requires)
    assert str(errors.missing("this needs a", "x")) == f"this needs a: pip install {line}"


def test_no_text_tells_to_install_the_package_from_a_registry() -> None:
    files = [
        *ROOT.glob("benchmark_recorder/**/*.py"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/*"),
        ROOT / "README.md",
    ]
    advice = re.compile(r"pip install \S*benchmark-recorder\b(?!\S*\.whl)")
    assert [path.name for path in files if path.is_file() and advice.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_is_of_the_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, BenchmarkRecorderError)
