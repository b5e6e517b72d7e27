"""The classes of one's own data as files: both ways for every preset, tables as people write them, each mistake."""

import json

import pytest

from dagan_tf.data.description import (
    FILE_NAME,
    GUESS,
    ClassRow,
    find_classes,
    read_classes,
    read_rows,
    write_classes,
)
from dagan_tf.errors import UserError
from dagan_tf.labels import LabelSpec
from dagan_tf.presets import PRESETS

ROAD_CAR_SKY = LabelSpec(3, class_names=("road", "car", "sky"), palette=((128, 64, 128), (0, 0, 142), (70, 130, 180)))
SPECS = {name: preset.labels for name, preset in PRESETS.items()}
SPECS |= {
    "named": ROAD_CAR_SKY,
    "accents and quotes": LabelSpec(2, class_names=('Straße "A"', "空")),
    "apart above": LabelSpec(4, first_id=2, unknown_id=255, class_names=("a", "b", "c", "unlabelled")),
    "apart below": LabelSpec(4, first_id=2, unknown_id=-1),
    "the id after": LabelSpec(4, unknown_id=3),
}


@pytest.fixture
def table(tmp_path):
    """A function that writes a table, text or bytes, and returns its path."""

    def write(content, name="classes.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("name", SPECS)
def test_what_is_written_is_read_back(tmp_path, name):
    write_classes(tmp_path / FILE_NAME, SPECS[name])
    assert read_classes(tmp_path / FILE_NAME) == SPECS[name]


def test_the_file_is_for_people(tmp_path):
    write_classes(tmp_path / FILE_NAME, ROAD_CAR_SKY.replace(unknown_id=255))
    text = (tmp_path / FILE_NAME).read_text()
    assert '    {"id": 255, "name": "sky", "colour": [70, 130, 180]}\n' in text
    assert len(text.splitlines()) == 3 + 5
    assert json.loads(text)["unknown_id"] == 255
    write_classes(tmp_path / FILE_NAME, LabelSpec(2))
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {"classes": [{"id": 0}, {"id": 1}], "unknown_id": None}


TABLES = {
    "as documented": "id,name,r,g,b\n0,road,128,64,128\n1,car,0,0,142\n2,sky,70,130,180\n",
    "Windows": "\ufeffid,name,r,g,b\r\n0,road,128,64,128\r\n1,car,0,0,142\r\n2,sky,70,130,180\r\n",
    "spaces": " ID , Name, R, G, B \n\n 0 , road , 128 , 64, 128\n1,car,0,0,142\n\n2,sky,70,130,180",
    "semicolons": "id;name;r;g;b\n0;road;128;64;128\n1;car;0;0;142\n2;sky;70;130;180\n",
    "tabs": "id\tname\tr\tg\tb\n0\troad\t128\t64\t128\n1\tcar\t0\t0\t142\n2\tsky\t70\t130\t180\n",
    "other order and columns": "name,id,b,g,r,group\n sky,2,180,130,70,x\nroad,0,128,64,128,\ncar,1,142,0,0,y\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(table, name):
    assert read_classes(table(TABLES[name])) == ROAD_CAR_SKY


def test_a_table_without_colours(table):
    path = table('id,name\n0,"road, paved"\n1,voilà\n')
    assert read_classes(path) == LabelSpec(2, class_names=("road, paved", "voilà"))


@pytest.mark.parametrize(
    ("ids", "first", "unknown"),
    [
        ((0, 1, 2), 0, None),
        ((1, 2, 3), 1, None),
        ((0, 1, 255), 0, 255),
        ((0, 5, 6, 7), 5, 0),
        ((-1, 1, 2), 1, -1),
        ((0, 255), 0, 255),
        ((7,), 7, None),
    ],
)
def test_one_id_apart_is_the_unlabelled_one(table, ids, first, unknown):
    spec = read_classes(table("id,name\n" + "".join(f"{i},class {i}\n" for i in ids)))
    assert (spec.num_classes, spec.first_id, spec.unknown_id) == (len(ids), first, unknown)
    assert spec.class_names == tuple(f"class {i}" for i in spec.ids)


def test_json_by_hand(table):
    value = {"classes": [{"id": 1, "color": [1, 2, 3]}, {"id": 0, "colour": [4, 5, 6]}], "author": "me"}
    assert read_classes(table(json.dumps(value), "own.json")) == LabelSpec(2, palette=((4, 5, 6), (1, 2, 3)))


def test_rows_keep_gaps_and_order(table):
    rows, unknown = read_rows(table("id,name,r,g,b\n9,sky,1,2,3\n2,road,4,5,6\n"))
    assert rows == (ClassRow(9, "sky", (1, 2, 3)), ClassRow(2, "road", (4, 5, 6)))
    assert unknown == GUESS


def test_null_says_that_there_is_no_unknown_id(tmp_path):
    path = tmp_path / "dataset.json"
    classes = '{"classes": [{"id": 0}, {"id": 1}, {"id": 5}]%s}'
    path.write_text(classes % "")
    assert read_classes(path) == LabelSpec(3, unknown_id=5)
    path.write_text(classes % ', "unknown_id": null')
    with pytest.raises(UserError, match="0 to 5 with gaps from 2 on"):
        read_classes(path)


HEAD = "id,name,r,g,b\n0,road,128,64,128\n"
BAD_TABLES = {
    "gaps": ("id,name\n0,a\n2,b\n3,c\n7,d\n8,e\n", "0 to 8 with gaps from 1, 4 on.*dagan_tf.prepare. renumber"),
    "empty": ("", "at least one class. Received: none"),
    "head only": ("id,name\n", "at least one class. Received: none"),
    "no head": ("0,road\n1,sky\n", "line 1: expected the columns .* no column id, name in '0,road'"),
    "no name": ("id,r,g,b\n0,1,2,3\n", "line 1: .* no column name"),
    "two colours": ("id,name,r,g\n0,a,1,2\n", "line 1: .* no column b"),
    "id twice": (HEAD + "0,car,1,2,3\n", r"line 3: expected each id once. Received: 0 again, after .*line 2"),
    "name twice": (HEAD + "\n1,road,1,2,3\n", r"line 4: expected each name once. Received: 'road'"),
    "colour twice": (HEAD + "1,car,128,64,128\n", r"line 3: expected each colour once. Received: \(128, 64, 128\)"),
    "too bright": (HEAD + "1,car,256,0,0\n", r"line 3: a colour must be .* Received: \[256, 0, 0\]"),
    "negative": (HEAD + "1,car,-1,0,0\n", "line 3: a colour must be"),
    "half a colour": (HEAD + "1,car,1,,0\n", "line 3: a colour must be"),
    "a colour missing": (HEAD + "1,car,,,\n", "line 3: expected a colour, as other classes"),
    "a name missing": (HEAD + "1,,1,2,3\n", "line 3: expected a name"),
    "short": (HEAD + "1,car\n", "line 3: expected 5 values. Received: 2"),
    "comma in a name": ("id,name\n0,a\n1,road, paved\n", "line 3: expected 2 values. Received: 3.*needs quotes"),
    "no number": (HEAD + "x,car,1,2,3\n", "line 3: an id must be a whole number. Received: 'x'"),
    "fraction": (HEAD + "1.5,car,1,2,3\n", "line 3: an id must be"),
    "not UTF-8": (b"id,name\n0,Stra\xdfe\n", r"UTF-8. Received: byte 0xdf at position 14"),
    "UTF-16": ("id,name\n0,a\n".encode("utf-16"), "UTF-8. Received: byte 0xff"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_mistakes_in_tables_are_named(table, name):
    content, message = BAD_TABLES[name]
    with pytest.raises(UserError, match=message) as caught:
        read_classes(table(content))
    assert "classes.csv" in str(caught.value)


BAD_JSON = {
    "cut off": ('{"classes": [\n{"id": 0},\n', "line 3: expected JSON"),
    "a list": ("[]", "expected a JSON object.*Received: list"),
    "no classes": ("{}", 'no such "classes"'),
    "classes as names": ('{"classes": ["road"]}', 'no such "classes"'),
    "no class": ('{"classes": []}', "at least one class"),
    "no id": ('{"classes": [{"id": 0}, {"name": "a"}]}', "class 2 of 2: an id must be a whole number. Received: None"),
    "id true": ('{"classes": [{"id": true}]}', "an id must be a whole number. Received: True"),
    "colour as text": ('{"classes": [{"id": 0, "colour": "#ff0000"}]}', "a colour must be .* Received: #ff0000"),
    "name as number": ('{"classes": [{"id": 0, "name": 5}]}', "a name must be a text. Received: 5"),
    "unknown is none": ('{"classes": [{"id": 0}], "unknown_id": 255}', "unknown_id must be the id of a class"),
    "unknown as text": ('{"classes": [{"id": 0}], "unknown_id": "0"}', "unknown_id must be the id of a class"),
    "deep": ("[" * 100_000, "lists in lists without end"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_mistakes_in_json_are_named(table, name):
    content, message = BAD_JSON[name]
    with pytest.raises(UserError, match=message) as caught:
        read_classes(table(content, FILE_NAME))
    assert FILE_NAME in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv.*No such file"):
        read_classes(tmp_path / "none.csv")


def test_the_first_folder_with_a_description_counts(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    assert find_classes(None, tmp_path / "a", tmp_path / "missing") is None
    write_classes(tmp_path / "b" / FILE_NAME, LabelSpec(2))
    assert find_classes(tmp_path / "a", tmp_path / "b") == tmp_path / "b" / FILE_NAME
