"""The report of a check as one HTML page that needs nothing else: findings, tables, and examples in colour."""

import base64
import html
import io

import numpy as np
from PIL import Image

from dagan_tf.data.inspection.findings import printable
from dagan_tf.data.inspection.page_style import STYLE
from dagan_tf.data.inspection.text import patches_text, size_text, speed_text

STATUS = {0: ("good", "Nothing is wrong"), 1: ("warning", "Warnings"), 2: ("error", "Errors")}
OVERLAY = 0.5
"""How much of the colours lies over a photo."""
LEGEND = 24
"""Classes of an example that its legend names."""


def page_of(report, pictures, title):
    """The page as text.

    Args:
        report: the dictionary of `summary.summarise`.
        pictures: examples as `scan` keeps them, (name, classes, photo or `None`).
        title: of the page, such as the name of the data set.
    """
    level, words = STATUS[report["status"]]
    title = _safe(title)
    body = [
        f'<header><h1>{title}</h1><p class="badge {level}">{words}</p></header>',
        _section("Findings", _findings(report["findings"])),
        _section("Examples", _splits(report["splits"])),
        _section("Classes" if report["proposal"] is None else "Ids", _proposal(report) + _classes(report["classes"])),
        _section("Pictures", "".join(_picture(report["classes"], *picture) for picture in pictures)),
        _section("Distinct patches", _patches(report["patches"])),
        _section("Speed", f"<p>{speed_text(report['speed'])}</p>" if report["speed"] else ""),
    ]
    sections = "\n".join(filter(None, body))
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{title}</title><style>{STYLE}</style></head>\n'
        f"<body>\n{sections}\n</body></html>\n"
    )


def _safe(text):
    return html.escape(printable(text))


def _section(title, content):
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _table(head, rows):
    """A table; the cells of `rows` are HTML."""
    cells = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>'


def _findings(findings):
    return "".join(
        f'<article class="finding {found["level"]}"><h3>{_safe(found["title"])}{_count(found)}</h3>'
        f"<p>{_safe(found['message'])}</p></article>"
        for found in findings
    )


def _count(found):
    return f" <span>{found['count']:,}</span>" if found["count"] > 1 else ""


def _splits(splits):
    keys, rows = ("smallest", "median", "largest"), []
    for name, split in splits.items():
        sizes = [size_text(split["sizes"][key]) if split["sizes"] else "" for key in keys]
        rows.append([name, f"{split['examples']:,}", f"{split['read']:,}", *sizes])
    return (
        _table(("split", "examples", "without errors", *(f"{key}, height x width" for key in keys)), rows)
        if rows
        else ""
    )


def _proposal(report):
    found = report["proposal"]
    if not found:
        return ""
    command = f"<pre>{_safe(found['command'])}</pre>" if "command" in found else ""
    return f"<p>The classes are not known; these are the ids {_safe(found['ids'])}. They suggest:</p>{command}"


def _classes(classes):
    most = max((row["share"] for row in classes), default=0) or 1
    rows = [
        (_swatch(row["colour"]), row["id"], _safe(row["name"] or ""), f"{row['share']:.3%}", f"{row['maps']:,}",
         _bar(row["share"] / most, row["colour"]))
        for row in classes
    ]  # fmt: skip
    return f'<div class="tall">{_table(("", "id", "name", "pixels", "maps", ""), rows)}</div>' if rows else ""


def _swatch(colour):
    return f'<i class="swatch" style="{_background(colour)}"></i>'


def _bar(share, colour):
    if not share:
        return ""
    return f'<div class="bar"><i style="width:{share:.1%};{_background(colour)}"></i></div>'


def _background(colour):
    return f"background:rgb({','.join(map(str, colour))})"


def _picture(classes, name, label, photo):
    """An example: label map in colours, photo, the one over the other, and which classes it has."""
    keys = np.array([row["id"] if row["class"] is None else row["class"] for row in classes])
    places = np.searchsorted(keys, label)
    painted = np.array([row["colour"] for row in classes], np.uint8)[places]
    images = [_image(painted, "label map", "PNG")]
    if photo is not None:
        mixed = (OVERLAY * painted + (1 - OVERLAY) * photo).astype(np.uint8)
        images += [_image(photo, "photo", "JPEG"), _image(mixed, "label map over photo", "JPEG")]
    counts = np.bincount(places.ravel(), minlength=len(classes))
    present = [classes[place] for place in np.argsort(-counts, kind="stable")[:LEGEND] if counts[place]]
    legend = "".join(
        f"<li>{_swatch(row['colour'])}{_safe(row['name'] or 'id ' + str(row['id']))}</li>" for row in present
    )
    return f"<figure>{''.join(images)}<ul>{legend}</ul><figcaption>{_safe(name)}</figcaption></figure>"


def _image(array, words, kind):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=kind, **({"quality": 85} if kind == "JPEG" else {"optimize": True}))
    data = base64.b64encode(file.getvalue()).decode()
    height, width, _ = array.shape
    return f'<img src="data:image/{kind.lower()};base64,{data}" width="{width}" height="{height}" alt="{words}">'


def _patches(patches):
    if not patches:
        return ""
    rows = [
        (
            size_text(row["size"]), f"{row['distinct_3x3']:.1%}", f"{row['distinct_5x5']:.1%}",
            f"{row['cost_share']:.1%}", f"{row['left']:.1%}",
        )
        for row in patches["levels"]
    ]  # fmt: skip
    head = ("level, height x width", "distinct 3x3", "distinct 5x5", "of the multiplications", "left of them")
    return f"<p>{patches_text(patches)}</p>{_table(head, rows)}"
