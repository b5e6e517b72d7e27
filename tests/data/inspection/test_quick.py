"""The quick check: each thing broken on purpose is named, good and real data have no errors."""

import numpy as np
import pytest
from PIL import Image

from dagan_tf.data import FolderSource, ProceduralFacades
from dagan_tf.data.inspection import quick_check
from dagan_tf.data.inspection.quick import ends_well
from dagan_tf.presets import PRESETS
from tests.data.inspection.folders import blocks, cut, photo, source, write_pairs
from tests.helpers import ROOT

SHARED = ROOT.parent / "shared/data"
REAL = {
    "facades": ("facades/base", "facades/base"),
    "ade20k": ("ade20k/annotations", "ade20k/images"),
    "coco_stuff": ("coco_stuff/train_label", "coco_stuff/train_img"),
    "cityscapes": ("cityscapes/gtFine/train", "cityscapes/leftImg8bit/train"),
    "celebamask_hq": ("celebamask_hq/masks", "celebamask_hq/images"),
}


def test_nothing_is_found_in_good_data(tmp_path):
    assert quick_check(source(write_pairs(tmp_path)), (24, 32)).findings == []
    assert quick_check(ProceduralFacades(3, (32, 32)), (32, 32)).findings == []


@pytest.mark.parametrize("name", ["labels/150.png", "images/150.jpg"])
def test_a_cut_file_in_the_middle_of_many(tmp_path, name):
    examples = source(write_pairs(tmp_path, 300))
    cut(tmp_path / name)
    report = quick_check(examples, sample=2)
    (finding,) = report.errors
    assert (finding.kind, finding.count, finding.files) == ("unreadable", 1, (str(tmp_path / name),))
    assert str(tmp_path / name) in finding.message


def test_a_file_with_something_after_its_end_is_whole(tmp_path):
    examples = source(write_pairs(tmp_path))
    path = tmp_path / "images/002.jpg"
    path.write_bytes(path.read_bytes() + bytes(1000))
    assert not ends_well(path)
    assert ends_well(tmp_path / "images/003.jpg")
    assert quick_check(examples).findings == []


def test_other_faults_that_headers_show(tmp_path):
    examples = source(write_pairs(tmp_path, 8))
    (tmp_path / "labels/000.png").write_bytes(b"")
    Image.fromarray(blocks(1)).save(tmp_path / "labels/001.png", format="JPEG")
    Image.fromarray(photo(2, 10, 12)).save(tmp_path / "images/002.jpg")
    Image.fromarray(np.zeros((24, 32), np.float32)).save(tmp_path / "images/003.jpg", format="TIFF")
    found = {finding.kind: finding for finding in quick_check(examples, sample=0).errors}
    assert {kind: finding.files[0][len(str(tmp_path)) + 1 :] for kind, finding in found.items()} == {
        "unreadable": "labels/000.png", "lossy": "labels/001.png", "sizes": "images/002.jpg", "form": "images/003.jpg",
    }  # fmt: skip
    assert "24x32 (height x width)" in found["sizes"].message
    assert "10x12 (height x width)" in found["sizes"].message


def test_pixels_of_the_sample(tmp_path):
    examples = source(write_pairs(tmp_path))
    for index in range(6):
        Image.fromarray(blocks(index) + 200).save(tmp_path / f"labels/{index:03}.png")
    (finding,) = quick_check(examples, sample=3).errors
    assert (finding.kind, finding.count, len(finding.files)) == ("ids", 3, 3)
    assert "id 200" in finding.message
    assert "3 files in all" in finding.message


def test_the_aspect(tmp_path):
    examples = source(write_pairs(tmp_path))
    (turned,) = quick_check(examples, (96, 64)).warnings
    assert "24x32 (height x width" in turned.message
    assert "swapped: give `image_size` 64x96" in turned.message
    (squeezed,) = quick_check(examples, (128, 512)).warnings
    assert "3-fold" in squeezed.message
    assert "`image_size` 224x288" in squeezed.message
    assert quick_check(examples, (32, 32)).findings == []  # 4/3 is not beyond the limit


def test_progress_counts_the_examples(tmp_path):
    calls = []
    quick_check(source(write_pairs(tmp_path, 3)), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("name", REAL)
def test_real_data_have_no_errors(name):
    if not (SHARED / name).is_dir():
        pytest.skip(f"no {name} beside the project")
    labels, photos = (SHARED / folder for folder in REAL[name])
    examples = FolderSource(labels, photos, spec=PRESETS[name].labels)
    assert quick_check(examples, PRESETS[name].model.image_size).errors == []
