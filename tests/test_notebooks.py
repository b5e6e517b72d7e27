"""The notebooks: each runs from top to bottom, in a short form, and none keeps outputs."""

import json
import re
import textwrap

import nbclient
import nbformat
import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.long

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

COLAB = "https://colab.research.google.com/github/dagan-tf/dagan_tf/blob/main/notebooks"
SHORT = """
# The short form: a few steps of small networks.
EXAMPLES, EPOCHS, OWN_STEPS = 8, 1, 4
SIZE = (32, 32) if isinstance(SIZE, tuple) else 32
small = {"base_filters": 4, "spade_filters": 8, "discriminator_filters": 4}
flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in small.items())
NETWORK = small if isinstance(NETWORK, dict) else flags
"""


def test_all_are_here():
    assert [path.stem for path in NOTEBOOKS] == ["01_train_facades", "02_attention", "03_serve", "04_your_own_data"]


@each_notebook
def test_it_is_clean(path):
    """No outputs, no counts, no machine's metadata: a difference in git is a difference in the notebook."""
    notebook = json.loads(path.read_text())
    nbformat.validate(nbformat.from_dict(notebook))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@each_notebook
def test_it_is_ready_for_colab(path):
    cells = nbformat.read(path, as_version=4).cells
    assert (
        f"https://colab.research.google.com/github/dagan-tf/dagan_tf/blob/main/notebooks/{path.name}" in cells[0].source
    )
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert re.search(r"^ *%pip install --quiet .*dagan_tf", first.source, re.MULTILINE)
    (parameters,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert parameters.source.startswith("REAL_SIZE = False")


@each_notebook
def test_it_runs(path, tmp_path, monkeypatch):
    # The kernel's processes find the package of this checkout from wherever they run.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    # TensorBoard would go on running after the notebook.
    notebook.cells = [cell for cell in notebook.cells if "interactive" not in cell.metadata.get("tags", [])]
    index = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells.insert(index + 1, nbformat.v4.new_code_cell(textwrap.dedent(SHORT)))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert pictures
