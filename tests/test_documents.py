"""What the documents say of files, commands and names holds: links, headings, flags, paths and snippets.

Figures in them are not checked here: each stands with the command that printed it.
"""

import ast
import importlib
import re
import shlex

import numpy as np
import pytest

import dagan_tf
from tests.helpers import ROOT

DOORS = ("train", "generate", "export", "serve", "convert", "prepare", "check")
FOLDERS = ("docs", "serving", "clusters", "benchmarks")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
DOCUMENTS += [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(path):
    """A document's text without its fenced blocks."""
    return FENCE.sub("", path.read_text())


def blocks(path, language):
    """The fenced blocks of a document in a language."""
    return [text for kind, text in FENCE.findall(path.read_text()) if kind == language]


def spans(path):
    """The inline code of a document, each on one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(path))]


def anchors(path):
    """The anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(path):
    """The commands of a document's shell blocks, continued lines joined, comments left out: lists of words."""
    text = "\n".join(blocks(path, "sh")).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines()]


def parser(door):
    return importlib.import_module(f"dagan_tf.{door}").parser()


def options(parser):
    """The flags of a parser and of its sub-commands."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action.choices, dict):  # argparse's sub-commands
            found |= set().union(*(options(sub) for sub in action.choices.values() if hasattr(sub, "_actions")))
    return found


def script_flags(path):
    """The flags that a script of the repository defines, by its source."""
    return set(re.findall(r'"(--[a-z][a-z0-9-]*)"', path.read_text()))


def known_flags():
    """The flags of all commands of the package, of the client and of the benchmarks."""
    scripts = [ROOT / "serving/client.py", *(ROOT / "benchmarks").glob("*.py")]
    return set().union(*(options(parser(door)) for door in DOORS), *map(script_flags, scripts))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


def test_the_readme_begins_with_a_picture():
    text = (ROOT / "README.md").read_text()
    target = re.search(r"^!\[.+\]\((\S+)\)$", "\n".join(text.splitlines()[:5]), re.MULTILINE).group(1)
    assert (ROOT / target).is_file()


@each_document
def test_links_lead_to_files_and_headings(path):
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(path))
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(file), target


def test_every_document_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    for path in DOCUMENTS:
        if path.parent.name in FOLDERS and path != ROOT / "docs/README.md":
            name = path.name if path.parent.name == "docs" else f"../{path.parent.name}/{path.name}"
            assert f"]({name})" in index, name


@each_document
def test_commands_of_shell_blocks_are_understood(path):
    for words in shell_lines(path):
        if words[:2] == ["python", "-m"] and words[2].startswith("dagan_tf."):
            assert parser(words[2].removeprefix("dagan_tf.")).parse_args(words[3:])


@each_document
def test_flags_exist(path):
    known = known_flags()
    for span in spans(path):
        door = re.match(rf"(?:python -m dagan_tf\.)?({'|'.join(DOORS)})\b", span)
        script = re.match(r"python (\S+\.py)", span)
        flags = set(FLAG.findall(span))
        if door:
            assert flags <= options(parser(door.group(1))), span
        elif script:
            assert flags <= script_flags(ROOT / script.group(1)), span
        elif span.startswith("--") and path.parent.name != "serving":  # whose flags are TensorFlow Serving's, too
            assert flags <= known, span


@each_document
def test_named_files_exist(path):
    for span in spans(path):
        if re.fullmatch(r"[\w./]+\.py", span) and "NAME" not in span:
            places = (path.parent, ROOT, ROOT / "dagan_tf")
            assert any((place / span).is_file() for place in places), span


@each_document
def test_named_modules_are_public_or_there(path):
    code = "\n".join([*blocks(path, "python"), *spans(path)])
    for name in re.findall(r"\bdagan_tf\.(\w+)", code):
        module = ROOT / "dagan_tf" / name
        assert name in dagan_tf.__all__ or module.is_dir() or module.with_suffix(".py").is_file(), name


def test_what_the_guide_loads_of_a_run(finished_run, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/facades").symlink_to(finished_run[0].path)
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks(ROOT / "docs/training.md", "python") if "load_generator" in block]
    exec(block, names := {})
    assert names["loaded"].step == 9


@each_document
def test_snippets_are_python(path):
    for block in blocks(path, "python"):
        assert ast.parse(block).body


def snippet(mark):
    """The README's only block of Python with a certain text in it."""
    (block,) = [block for block in blocks(ROOT / "README.md", "python") if mark in block]
    return block


def test_dual_attention_of_the_readme():
    sizes = {"f1": (2, 4, 4, 6), "f2": (2, 8, 8, 5), "f3": (2, 16, 16, 3)}
    names = {name: np.ones(size, "float32") for name, size in sizes.items()}
    exec(snippet("DualAttention"), names)
    assert tuple(names["x"].shape) == sizes["f3"]


@pytest.mark.slow  # a training step of its own to trace, the same one that tests of training trace
def test_the_notebook_of_the_readme():
    smaller = {"128, 128": "32, 32", "base_filters=16": "base_filters=4", "400": "8", "epochs=10": "epochs=1"}
    text = snippet("model.fit")
    for old, new in smaller.items():
        assert old in text
        text = text.replace(old, new)
    names = {}
    exec(text, names)
    assert names["pictures"].shape == (32, 32, 3)
    assert names["pictures"].dtype == np.uint8
