"""The classes of one's own data set as a file: `dataset.json`, or a table of ids, names and colours as CSV.

Plain text and nothing else: reading one needs neither NumPy's arrays nor TensorFlow.
"""

import csv
import difflib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from dagan_tf.errors import UserError
from dagan_tf.files import replaced
from dagan_tf.labels import LabelSpec

FILE_NAME = "dataset.json"
COLUMNS, COLOURS = ("id", "name"), ("r", "g", "b")
KEYS = ("classes", "unknown_id")
GUESS = "guess"
"""In the place of an unknown id: nobody said whether there is one; an id apart from the others is taken for it."""
EXAMPLE = '{"classes": [{"id": 0, "name": "road", "colour": [128, 64, 128]}], "unknown_id": null}'


@dataclass(frozen=True)
class ClassRow:
    """One class as a file describes it: the id in label maps, and its name and (red, green, blue) where known."""

    id: int
    name: str | None = None
    colour: tuple | None = None


def read_classes(path):
    """The classes of a `dataset.json`, or of a table in CSV, as a `LabelSpec`.

    Args:
        path: a file as `read_rows` takes it. Its ids count up without gaps; one id apart from the others, such as 255,
            stands for unlabelled, unless `unknown_id` in the file names another, or is null: then there is none.

    Raises:
        UserError: as `read_rows`, or the ids have gaps.
    """
    rows, unknown_id = read_rows(path)
    known, unknown_id = split_ids([row.id for row in rows], unknown_id)
    gaps = gaps_in(known)
    if gaps:
        raise UserError(
            f"{path}: expected ids that count up without gaps, and at most one apart from them, for unlabelled. "
            f"Received: {known[0]} to {known[-1]} with gaps from {', '.join(map(str, gaps[:5]))}"
            f"{' ...' if len(gaps) > 5 else ''} on. Add the classes, or let `python -m dagan_tf.prepare` renumber the "
            "data."
        )
    return spec_of(rows, known, unknown_id)


def read_rows(path):
    """The classes of a file as it has them, gaps between ids included.

    Args:
        path: `*.json` as `write_classes` writes it ("color" is understood, too); any other name is a table in CSV,
            UTF-8, whose first line is `id,name,r,g,b` or `id,name`. Semicolons or tabs may stand for the commas,
            spaces around values do not count, and other columns are ignored.

    Returns:
        (tuple of `ClassRow` in the order of the file, the id that the file says means unlabelled: None, there is none;
        `GUESS`, it does not say).

    Raises:
        UserError: the file cannot be read, is empty or malformed; an id, a name or, in a table, a colour occurs twice;
            a colour is not of 0 to 255; some classes have a name or colour and others have none. The file and the line
            (in JSON: which class) are named.
    """
    path = Path(path)
    entries, unknown_id = _json_entries(path) if path.suffix.lower() == ".json" else (_table_entries(path), GUESS)
    if not entries:
        raise UserError(f"{path}: expected at least one class. Received: none. Add a class, as in {EXAMPLE}.")
    rows = [_row(where, values) for where, values in entries]
    places = [where for where, _ in entries]
    for what in ("id", "name", "colour"):
        # A table is there to read label maps in colours by; dataset.json may say how classes are drawn, and no more.
        repeats = what == "colour" and path.suffix.lower() == ".json"
        _check_column(places, [getattr(row, what) for row in rows], what, repeats)
    if unknown_id not in (None, GUESS) and unknown_id not in [row.id for row in rows]:
        raise UserError(f"{path}: unknown_id must be the id of a class. Received: {unknown_id!r}. Add that class.")
    return tuple(rows), unknown_id


def write_classes(path, spec):
    """Writes a `LabelSpec` as `dataset.json`, one class a line; `read_classes` gives the same one back.

    Args:
        path: of the file; it appears whole or not at all.
        spec: a `LabelSpec`; names and colours that it does not know are left out.
    """
    lines = []
    for index, value in enumerate(spec.ids):
        entry = {"id": value}
        if spec.class_names:
            entry["name"] = spec.class_names[index]
        if spec.palette:
            entry["colour"] = list(spec.palette[index])
        lines.append(f"    {json.dumps(entry, ensure_ascii=False)}")
    text = '{\n  "classes": [\n' + ",\n".join(lines) + f'\n  ],\n  "unknown_id": {json.dumps(spec.unknown_id)}\n}}\n'
    with replaced(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def find_classes(*folders):
    """The path of the first `dataset.json` in these folders, or None; a folder that is None has none."""
    paths = [Path(folder) / FILE_NAME for folder in folders if folder is not None]
    return next((path for path in paths if path.is_file()), None)


def split_ids(ids, unknown_id=GUESS):
    """Ids as (a sorted list of those that count up, the one that means unlabelled or None).

    With `GUESS` as `unknown_id`, an id is taken for it where the others count up without gaps only when it is left
    out: the highest, such as 255, or else the lowest.
    """
    ids = sorted(ids)
    if unknown_id != GUESS:
        return [i for i in ids if i != unknown_id], unknown_id
    for apart in (None, ids[-1], ids[0]):
        known = [i for i in ids if i != apart]
        if not gaps_in(known):
            return known, apart
    return ids, None


def gaps_in(known):
    """The first of the ids that are missing in each gap of a sorted list: a list, empty where they count up."""
    return [i + 1 for i, after in itertools.pairwise(known) if after != i + 1]


def spec_of(rows, known, unknown_id):
    """The `LabelSpec` of rows whose ids are `known`, which count up, and `unknown_id`, which may be None."""
    by_id = {row.id: row for row in rows}
    ordered = [by_id[i] for i in known] + ([] if unknown_id is None else [by_id[unknown_id]])
    return LabelSpec(
        num_classes=len(ordered),
        first_id=known[0] if known else 0,
        unknown_id=unknown_id,
        class_names=tuple(row.name for row in ordered) if ordered[0].name is not None else (),
        palette=tuple(row.colour for row in ordered) if ordered[0].colour is not None else (),
    )


def read_text(path):
    """The text of a UTF-8 file, with or without a byte order mark; a file that is none raises `UserError`."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"Expected a file at {path}. Received: {error.strerror}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected text in UTF-8. Received: byte {error.object[error.start]:#04x} at position "
            f"{error.start}. Save the file again with that encoding."
        ) from error


def read_json(path):
    """The JSON object in a file, a dictionary; anything else raises `UserError` with the line."""
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}, line {error.lineno}: expected JSON. Received: {error.msg}. Is the file cut off? Correct it."
        ) from error
    except RecursionError as error:
        raise UserError(f"{path}: expected JSON as people write it. Received: lists in lists without end.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object, {{...}}. Received: {type(value).__name__}. Correct it.")
    return value


def _json_entries(path):
    """The classes of a JSON file as [(where, {"id": ..., "name": ..., "colour": ...})], and its unknown id."""
    value = read_json(path)
    for key in value.keys() - set(KEYS):
        if meant := difflib.get_close_matches(key, KEYS, n=1, cutoff=0.8):
            raise UserError(f"{path}: there is no field {key!r}. Did you mean {meant[0]!r}?")
    classes = value.get("classes")
    if not isinstance(classes, list) or not all(isinstance(entry, dict) for entry in classes):
        raise UserError(f'{path}: expected a list of classes, as in {EXAMPLE}. Received: no such "classes".')
    entries = []
    for number, entry in enumerate(classes, start=1):
        colour = entry.get("colour", entry.get("color"))
        where = f"{path}, class {number} of {len(classes)}"
        entries.append((where, {"id": entry.get("id"), "name": entry.get("name"), "colour": colour}))
    return entries, value.get("unknown_id", GUESS)


def _table_entries(path):
    """The lines of a table as [(where, {"id": ..., "name": ..., "colour": ...})], numbers as such where they are."""
    text = read_text(path)
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = next((mark for mark in "\t;" if mark in head), ",")
    lines = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    try:
        filled = [(lines.line_num, [cell.strip() for cell in cells]) for cells in lines if any(map(str.strip, cells))]
    except csv.Error as error:
        raise UserError(f"{path}, line {lines.line_num}: expected CSV. Received: {error}. Correct it.") from error
    if not filled:
        return []
    (number, names), *filled = filled
    names = [name.lower() for name in names]
    colours = COLOURS if set(COLOURS) & set(names) else ()
    missing = [name for name in (*COLUMNS, *colours) if name not in names]
    if missing:
        raise UserError(
            f"{path}, line {number}: expected the columns id,name,r,g,b (or id,name). Received: no column "
            f"{', '.join(missing)} in {delimiter.join(names)!r}. Give the table that first line."
        )
    entries = []
    for number, cells in filled:
        if len(cells) < len(names) or any(cells[len(names) :]):
            raise UserError(
                f"{path}, line {number}: expected {len(names)} values. Received: {len(cells)}. A value with a "
                f"{delimiter!r} in it needs quotes."
            )
        values = dict(zip(names, cells, strict=False))
        colour = [_number(values[c]) for c in colours] if any(values[c] for c in colours) else None
        entry = {"id": _number(values["id"]), "name": values["name"] or None, "colour": colour}
        entries.append((f"{path}, line {number}", entry))
    return entries


def _number(text):
    try:
        return int(text)
    except ValueError:
        return text


def _row(where, values):
    """The `ClassRow` of one class' values, checked."""
    if not _whole(values["id"]):
        raise UserError(f"{where}: an id must be a whole number. Received: {values['id']!r}. Correct it.")
    name, colour = values["name"], values["colour"]
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise UserError(f"{where}: a name must be a text. Received: {name!r}. Correct it, or leave it out.")
    if colour is None:
        return ClassRow(values["id"], name)
    if not (isinstance(colour, list) and len(colour) == 3 and all(_whole(c) and 0 <= c <= 255 for c in colour)):
        raise UserError(f"{where}: a colour must be three whole numbers of 0 to 255. Received: {colour}. Correct it.")
    return ClassRow(values["id"], name, tuple(colour))


def _whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _check_column(places, values, what, repeats=False):
    """All classes have this value, or none has; and no two have the same but where it may repeat."""
    if all(value is None for value in values):
        return
    first = {}
    for where, value in zip(places, values, strict=True):
        if value is None:
            raise UserError(f"{where}: expected a {what}, as other classes have one. Received: none. Add it.")
        if value in first and not repeats:
            raise UserError(
                f"{where}: expected each {what} once. Received: {value!r} again, after {first[value]}. Change one."
            )
        first[value] = where
