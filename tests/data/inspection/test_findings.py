"""The report of findings: one a kind, with the first files and a count."""

import os

from dagan_tf.data.inspection import Report


def test_many_files_of_one_kind_are_one_finding():
    report = Report()
    report.add("aspect", "squeezed")
    for index in range(9):
        report.add("unreadable", f"{index}.png: cut off", f"{index}.png")
    first, second = report.findings
    assert (first.level, first.kind, first.count) == ("error", "unreadable", 9)
    assert first.files == tuple(f"{index}.png" for index in range(5))
    assert first.message == "0.png: cut off (9 files in all: 1.png, 2.png, 3.png, 4.png and others)"
    assert (second.level, second.message, second.files, second.count) == ("warning", "squeezed", (), 1)
    assert (report.errors, report.warnings) == ([first], [second])


def test_reports_add_up():
    one, other = Report(), Report()
    one.add("ids", "a", "a.png")
    other.add("ids", "b", "b.png", count=4)
    other.replace("ids", "all")
    one.update(other)
    (finding,) = one.findings
    assert (finding.count, finding.files) == (5, ("a.png", "b.png"))
    one.update(Report())
    assert one.findings == [finding]


def test_names_that_are_no_text_are_written_out():
    report = Report()
    name = os.fsdecode(b"\xff.png")
    report.add("unreadable", f"{name}: cut off", name)
    assert report.findings[0].files == ("\\udcff.png",)
    assert report.findings[0].message.encode() == b"\\udcff.png: cut off"
