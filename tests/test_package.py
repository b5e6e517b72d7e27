"""The package as a user meets it: public names, a quick import, help without TensorFlow, the import rules."""

import ast
import graphlib

import pytest

import dagan_tf
from tests.helpers import ROOT, run_python

ORDER = [  # the layers of the house, from the top: a module imports from its own line and below only
    {"train", "generate", "convert", "export", "serve", "prepare", "check"},
    {"cli"},
    {"runs", "exports", "visualisation", "server"},
    {"training", "inference"},
    {"data", "features", "networks"},
    {"layers"},
    {"semantics", "losses"},
    {"presets"},
    {"config"},
    {"data_config", "labels"},
    {"fields"},
    {"backend"},
    {"errors", "files", "images", "palettes", "signals", "xla", "registration"},
]
UPWARD = {  # inside a method that Keras puts on the network, what is done there stands above it
    ("networks/generator.py", "exports"),
    ("training/dagan.py", "exports"),
}
ON_TENSORFLOW = ("patch_table.py", "patches.py", "row_sums.py")
LONGEST_MODULE, LONGEST_WITHOUT_DOCSTRING = 300, 40  # lines
NEUTRAL = (
    "layers",
    "networks",
    "semantics",
    "losses.py",
    "config.py",
    "data_config.py",
    "labels.py",
    "fields.py",
    "presets",
)


@pytest.mark.parametrize("name", dagan_tf.__all__)
def test_public_names_exist(name):
    assert getattr(dagan_tf, name) is not None
    assert name in dir(dagan_tf)


def test_import_is_light():
    script = "import sys, dagan_tf; print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
    assert run_python(script).strip() == "[]"


@pytest.mark.parametrize("command", ["train", "generate", "convert", "export", "serve", "prepare", "check"])
def test_help_needs_no_tensorflow(command):
    script = (
        "import sys, importlib\n"
        f"parser = importlib.import_module('dagan_tf.{command}').parser()\n"
        "text = parser.format_help()\n"
        "assert 'python -m dagan_tf' in text and len(text) > 300\n"
        "print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert run_python(script).strip() == "False"


def modules():
    return sorted((ROOT / "dagan_tf").rglob("*.py"))


def imports(path):
    """The modules that a file imports, anywhere in it, without the names it takes from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_at_once(path):
    """The modules of the package that a file imports while it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else ()
        found |= {f"{node.module}.{name}" if isinstance(node, ast.ImportFrom) else name for name in names}
    known = {module_name(path) for path in modules()}
    # `from a.b import c` is of the module a.b.c, or of a name in a.b.
    return {
        name if name in known else name.rpartition(".")[0] for name in found if name.startswith("dagan_tf.")
    } & known


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_module_imports_itself_through_others():
    graph = {module_name(path): imported_at_once(path) - {module_name(path)} for path in modules()}
    assert len(graph) > 80
    assert sum(map(len, graph.values())) > 200
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError with the circle


def rank(part):
    return next(i for i, names in enumerate(ORDER) if part in names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    part = path.relative_to(ROOT / "dagan_tf").parts[0].removesuffix(".py")
    if part == "__init__":
        return
    for name in imports(path):
        pieces = name.split(".")
        if pieces[0] == "dagan_tf" and len(pieces) > 1:  # the package itself has names and a version only
            excepted = (str(path.relative_to(ROOT / "dagan_tf")), pieces[1]) in UPWARD
            assert excepted or rank(pieces[1]) >= rank(part), f"{part} imports {name}"
    if path.relative_to(ROOT / "dagan_tf").parts[0] in NEUTRAL and path.name not in ON_TENSORFLOW:
        assert not {name for name in imports(path) if name.split(".")[0] == "tensorflow"}


@pytest.mark.parametrize("path", sorted((ROOT / "dagan_tf/server").glob("*.py")), ids=lambda p: p.name)
def test_the_server_knows_nothing_of_the_package(path):
    own = {name for name in imports(path) if name.split(".")[0] in ("dagan_tf", "keras")}
    assert {name for name in own if not name.startswith("dagan_tf.server.")} == set()


SCRIPTS = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "serving").glob("*.py"), ROOT / "setup.py"]


@pytest.mark.parametrize("path", [*modules(), *sorted(SCRIPTS)], ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_MODULE
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_WITHOUT_DOCSTRING
        and not ast.get_docstring(node)
    ]
    assert not long, f"longer than {LONGEST_WITHOUT_DOCSTRING} lines and without a docstring: {long}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_public_definitions_have_docstrings(path):
    tree = ast.parse(path.read_text())
    assert path.name == "__init__.py" or ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name}"
