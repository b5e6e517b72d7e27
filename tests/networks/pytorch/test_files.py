"""Files of PyTorch parameters; PyTorch itself writes and reads the .pth files."""

import pickle

import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.networks.pytorch.files import read_state, write_state

STATE = {"a.weight": np.arange(6, dtype="float32").reshape(2, 3), "a.count": np.zeros((), "int64")}


def assert_state(state):
    assert state.keys() == STATE.keys()
    for name, array in STATE.items():
        assert state[name].dtype == array.dtype
        np.testing.assert_array_equal(state[name], array)


def test_npz_round_trip(tmp_path):
    write_state(tmp_path / "deep" / "g.npz", STATE)
    assert_state(read_state(tmp_path / "deep" / "g.npz"))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["g.npz"]


def test_pth_is_what_pytorch_reads_and_writes(tmp_path):
    torch = pytest.importorskip("torch")
    write_state(tmp_path / "g.pth", STATE)
    loaded = torch.load(tmp_path / "g.pth", weights_only=True)
    assert_state({name: tensor.numpy() for name, tensor in loaded.items()})
    torch.save({name: torch.from_numpy(array) for name, array in STATE.items()}, tmp_path / "theirs.pth")
    assert_state(read_state(tmp_path / "theirs.pth"))


class Bomb:
    """What a hostile pickle does: runs a function when it is loaded."""

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_nothing_in_a_file_is_executed(tmp_path, suffix):
    pytest.importorskip("torch")
    bomb = Bomb()
    bomb.path = str(tmp_path / "exploded")
    path = tmp_path / f"bad{suffix}"
    if suffix == ".npz":
        np.savez(path, a=np.array([bomb], dtype=object))
    else:
        path.write_bytes(pickle.dumps({"a": bomb}, protocol=2))
    with pytest.raises(UserError, match="Nothing in it was executed"):
        read_state(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("name", "message"), [("none.pth", "no such file"), ("none.npz", "no such file"), ("w.h5", r"\.pth or \.npz")]
)
def test_missing_or_other_files(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        read_state(tmp_path / name)


def test_half_precision_tensors(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.tensor([1.5, -2.0], dtype=torch.bfloat16)}, tmp_path / "half.pth")
    np.testing.assert_array_equal(read_state(tmp_path / "half.pth")["a"], np.array([1.5, -2.0], "float32"))


@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_cut_off_files(tmp_path, suffix):
    if suffix == ".pth":
        pytest.importorskip("torch")
    path = tmp_path / f"g{suffix}"
    write_state(path, STATE)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=path.name):
        read_state(path)


def test_pth_that_is_no_state_dict(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(UserError, match="dictionary of tensors"):
        read_state(tmp_path / "list.pth")
