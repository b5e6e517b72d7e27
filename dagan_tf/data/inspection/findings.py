"""What a check may find (`KINDS`), and the report that collects it: one finding a kind, however many files it has."""

from dataclasses import dataclass
from typing import NamedTuple

from dagan_tf.data.listing import some

ERROR, WARNING = "error", "warning"
MOST_FILES = 5
"""Files that a finding names."""


class Kind(NamedTuple):
    """A row of `KINDS`."""

    level: str
    """`ERROR`: training would end there, or learn what is wrong; `WARNING`: it may be meant so."""
    title: str


KINDS = {
    "listing": Kind(ERROR, "files cannot be listed"),
    "unpaired": Kind(ERROR, "files without a partner"),
    "unreadable": Kind(ERROR, "unreadable files"),
    "lossy": Kind(ERROR, "maps in a lossy format"),
    "form": Kind(ERROR, "pictures of another form"),
    "sizes": Kind(ERROR, "files of an example differ in size"),
    "ids": Kind(ERROR, "ids that stand for no class"),
    "colours": Kind(ERROR, "colours that stand for no class"),
    "noise": Kind(WARNING, "isolated label pixels"),
    "gaps": Kind(WARNING, "ids with gaps"),
    "unused": Kind(WARNING, "classes that no pixel has"),
    "dark": Kind(WARNING, "nearly black photos of 16 bits"),
    "transparent": Kind(WARNING, "transparent photos"),
    "turned": Kind(WARNING, "pictures turned by a camera's note"),
    "aspect": Kind(WARNING, "another aspect than the image size"),
    "duplicates": Kind(WARNING, "photos in training and test"),
}
"""All that a check may find."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found, of one file or of many."""

    level: str
    kind: str
    message: str
    """Of the first file, as a sentence that says what to do; and which files more there are."""
    files: tuple = ()
    """The names of the first few files."""
    count: int = 1

    @property
    def title(self):
        """The kind in words, for headings."""
        return KINDS[self.kind].title


class Report:
    """The findings of a check, collected file by file."""

    def __init__(self):
        self._messages, self._files, self._counts = {}, {}, {}

    def add(self, kind, message, *files, count=1):
        """Adds what was found.

        Args:
            kind: a key of `KINDS`.
            message: as a `UserError` would say it. Of one kind the first one counts.
            files: names of the files that it is about, where it is about files.
            count: how many files, or other things, it is about.
        """
        names = self._files.setdefault(kind, [])
        self._messages.setdefault(kind, printable(message))
        self._counts[kind] = self._counts.get(kind, 0) + count
        names += [printable(name) for name in files[: MOST_FILES - len(names)]]

    def replace(self, kind, message):
        """Gives a kind that was found another message, one for all of its files."""
        self._messages[kind] = printable(message)

    def first_file(self, kind):
        """The name of the first file of a kind that was found."""
        return self._files[kind][0]

    def update(self, other):
        """Adds the findings of another report."""
        for finding in other.findings:
            kind = finding.kind
            self.add(kind, other._messages[kind], *finding.files, count=finding.count)

    @property
    def findings(self):
        """A list of `Finding`, in the order of `KINDS`: errors first."""
        return [self._finding(kind) for kind in KINDS if kind in self._messages]

    @property
    def errors(self):
        """The findings that are errors."""
        return [finding for finding in self.findings if finding.level == ERROR]

    @property
    def warnings(self):
        """The findings that are warnings."""
        return [finding for finding in self.findings if finding.level == WARNING]

    def _finding(self, kind):
        message, files, count = self._messages[kind], tuple(self._files[kind]), self._counts[kind]
        if files and count > 1:
            rest = [name for name in files if name not in message]
            more = f"{count} files in all" if count > len(rest) else f"{count} files"
            message += f" ({more}: {some(rest)}{' and others' if count > len(files) else ''})" if rest else f" ({more})"
        return Finding(KINDS[kind].level, kind, message, files, count)


def printable(text):
    r"""A text, or a path, that every terminal and file takes: bytes of a name that are no UTF-8 as `\udcff`."""
    return str(text).encode("utf-8", "backslashreplace").decode()
