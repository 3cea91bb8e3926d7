"""The notebook that newcomers open: run from top to bottom, as it is committed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

if TYPE_CHECKING:
    from nbformat import NotebookNode

PLACE = Path(__file__).parent.parent / "examples" / "compare_versions.ipynb"


def read(path: Path = PLACE) -> NotebookNode:
    found: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return found


@pytest.fixture(scope="module")
def committed() -> NotebookNode:
    return read()


EXECUTE = """
import sys

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

source, folder, target = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
manager = AsyncKernelManager()
manager.kernel_spec.argv[0] = sys.executable
NotebookClient(notebook, km=manager, timeout=120, resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, target)
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Run by the interpreter that runs the tests, with warnings as errors.

    In a process of its own: the client leaves sockets to the garbage collector, which would warn in a later test.
    """
    home = tmp_path_factory.mktemp("jupyter")
    folders = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
    environment = {**os.environ, **dict.fromkeys(folders, str(home)), "PYTHONWARNINGS": "error:::benchmark_recorder"}
    target = home / "executed.ipynb"
    command = [sys.executable, "-c", EXECUTE, str(PLACE), str(PLACE.parent), str(target)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return read(target)


def outputs(notebook: NotebookNode) -> dict[str, list[Any]]:
    return {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def test_it_runs_and_complains_of_nothing(executed: NotebookNode) -> None:
    found = [output for each in outputs(executed).values() for output in each]
    assert {output.output_type for output in found} <= {"execute_result", "display_data", "stream"}
    assert [output.text for output in found if output.output_type == "stream" and output.name == "stderr"] == []


def test_results_are_shown_as_tables_and_plots_as_pictures(executed: NotebookNode) -> None:
    for source, found in outputs(executed).items():
        kinds = {kind for output in found for kind in output.get("data", {})}
        if source.rstrip().endswith("verdicts"):
            assert "<table>" in found[0].data["text/html"]
        if ".plot(" in source:
            assert "image/png" in kinds


def test_it_is_committed_without_outputs(committed: NotebookNode) -> None:
    nbformat.validate(committed)
    assert all(found == [] for found in outputs(committed).values())
    assert all(cell.execution_count is None for cell in committed.cells if cell.cell_type == "code")
