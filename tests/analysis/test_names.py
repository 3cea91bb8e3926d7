from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from benchmark_recorder import analysis


def test_all_names_are_there_whatever_was_imported_before() -> None:
    program = (
        "import importlib, pkgutil, benchmark_recorder.analysis as analysis\n"
        "modules = pkgutil.iter_modules(analysis.__path__, analysis.__name__ + '.')\n"
        "for module in modules: importlib.import_module(module.name)\n"
        "print(*[name for name in analysis.__all__ if isinstance(getattr(analysis, name), type(analysis))])\n"
        "print(*set(analysis.__all__) ^ set(analysis._HOMES))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", analysis.__all__)
def test_each_name_is_the_one_of_its_module(name: str) -> None:
    module = import_module(f"benchmark_recorder.analysis.{analysis._HOMES[name]}")
    assert getattr(analysis, name) is getattr(module, name)


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = analysis.nothing
