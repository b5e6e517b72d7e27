"""A run folder: what is where in it, and which process may write to it."""

import errno
import json
import pathlib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from dagan_tf.config import RunConfig
from dagan_tf.errors import UserError
from dagan_tf.files import replaced
from dagan_tf.runs import checkpoint

CONFIG = "config.json"
LOCK = ".lock"
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What a file system says that has no locks: nothing can be held there."""


class Run:
    """The folder of one training run.

    Attributes:
        path: the folder.
        checkpoints, samples, tensorboard: folders in it.
        history: the file with one JSON line per finished epoch.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.tensorboard = self.path / "tensorboard"
        self.history = self.path / "history.jsonl"
        self._lock = None

    @property
    def exists(self):
        """Whether a run was begun here, or left its checkpoints: nothing else may be written to its place."""
        return (self.path / CONFIG).is_file() or bool(checkpoint.checkpoints(self.checkpoints))

    def hold(self):
        """Keeps the run for this process until `release`, or its end; `UserError` if another one has it."""
        if self._lock:
            return
        self._make_folder()
        try:
            file = (self.path / LOCK).open("w")
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise UserError(
                f"{self.path} is being trained by another process: stop that one, or let it end."
            ) from error
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                file.close()
                raise self._not_writable(error) from error
        self._lock = file

    def release(self):
        """Lets other processes train the run."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def _make_folder(self):
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error):
        return UserError(f"{self.path} cannot be written as a run folder: {error}. Give another folder.")

    def write_config(self, config):
        """Writes a `RunConfig` to `config.json`, whole or not at all, making the folder; `UserError` if it cannot."""
        self._make_folder()
        try:
            with replaced(self.path / CONFIG) as unfinished:
                unfinished.write_text(json.dumps(config.to_dict(), indent=2) + "\n")
        except OSError as error:
            raise self._not_writable(error) from error

    def read_config(self):
        """The `RunConfig` of `config.json`; a missing or unreadable one raises `UserError`."""
        path = self.path / CONFIG
        try:
            return RunConfig.from_dict(json.loads(path.read_text()))
        except FileNotFoundError as error:
            raise UserError(
                f"Expected a run folder with {CONFIG}. Received: {self.path}, which has none. "
                + (
                    "Its checkpoints need that file: restore it, or start a new run in another folder."
                    if self.exists
                    else "Give the folder that training wrote (it is in the last line that the command printed)."
                )
            ) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is not a run's configuration: {error}. Restore the file.") from error

    def latest(self):
        """The newest checkpoint's path; `UserError` if there is none."""
        return self.find("newest")

    def find(self, which):
        """The path of a checkpoint: "newest", "best" (see `checkpoint.best`) or a step's number.

        Raises:
            UserError: there is no such checkpoint; the message lists those there are.
        """
        present = {str(checkpoint.read_state(path)["step"]): path for path in checkpoint.checkpoints(self.checkpoints)}
        if not present:
            raise UserError(
                f"There is no checkpoint in {self.checkpoints}. The run ended before its first one was written: "
                "start it again in another folder."
            )
        ways = {"newest": checkpoint.latest, "best": checkpoint.best}
        found = ways[which](self.checkpoints) if which in ways else present.get(str(which))
        if found is None:
            steps = ", ".join(present)
            raise UserError(
                f"{self.path} has no checkpoint {which!r}. There are steps {steps}; newest; and, once an epoch has "
                "ended, best."
            )
        return found
