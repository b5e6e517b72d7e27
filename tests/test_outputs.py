"""Every command that writes looks at its output before it computes, and says what is wrong with it in a sentence."""

import importlib

import pytest

from dagan_tf.errors import UserError

COMMANDS = {
    "train": ["--dataset", "procedural", "--run-dir"],
    "generate": ["--run", "{run}", "--labels", "{label}", "--output"],
    "export": ["--run", "{run}", "--output"],
    "convert": ["to-pytorch", "--run", "{run}", "--output"],
    "check": ["procedural", "--output"],
    "prepare": ["--label-dir", "{folder}", "--image-dir", "{folder}", "--output"],
}


@pytest.mark.parametrize("place", ["file/sub", "file/sub/deeper", "x" * 300, "/proc/none/out"])
@pytest.mark.parametrize("command", COMMANDS)
def test_outputs_that_cannot_be(command, place, finished_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    from PIL import Image

    Image.new("L", (32, 32)).save(tmp_path / "label.png")
    names = {"run": finished_run[0].path, "label": tmp_path / "label.png", "folder": tmp_path}
    flags = [flag.format(**names) for flag in COMMANDS[command]]
    with pytest.raises(UserError, match="Expected a folder that can be written at"):
        importlib.import_module(f"dagan_tf.{command}").main([*flags, place])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "label.png"]
