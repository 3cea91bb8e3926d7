"""The notebook that newcomers open: run from top to bottom, as it is committed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

if TYPE_CHECKING:
    from nbformat import NotebookNode

PLACE = Path(__file__).parent.parent / "examples" / "compare_versions.ipynb"


def read() -> NotebookNode:
    found: NotebookNode = nbformat.read(PLACE, as_version=4)  # type: ignore[no-untyped-call]
    return found


@pytest.fixture(scope="module")
def committed() -> NotebookNode:
    return read()


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Run by the interpreter that runs the tests, with warnings as errors."""
    from jupyter_client.manager import AsyncKernelManager

    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
            patch.setenv(variable, str(home))
        patch.setenv("PYTHONWARNINGS", "error:::benchmark_recorder")
        notebook = read()
        manager = AsyncKernelManager()
        assert manager.kernel_spec is not None
        manager.kernel_spec.argv[0] = sys.executable
        client = NotebookClient(notebook, km=manager, timeout=120, resources={"metadata": {"path": str(PLACE.parent)}})
        client.execute()
    return notebook


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
