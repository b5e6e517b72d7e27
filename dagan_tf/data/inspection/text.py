"""The report of a check as text for a terminal."""

MOST_CLASSES = 40
"""Rows of the histogram; of more classes those with the most pixels are shown."""
BAR = 24  # characters


def text_of(report):
    """The dictionary of `summary.summarise`, or of findings alone, as text of several lines."""
    parts = [_splits, _classes, _patches, _speed, _findings, _proposal]
    return "\n\n".join(text for part in parts if (text := part(report)))


def size_text(size):
    """A size of the report as "HxW"."""
    return f"{size['height']}x{size['width']}"


def speed_text(speed):
    """The sentence about what this machine would read and feed."""
    return (
        f"{speed['cores']} cores read {speed['read_per_second']:,.1f} examples a second, and would read and resize "
        f"{speed['prepared_per_second']:,.1f}: at batch {speed['batch_size']} that feeds "
        f"{speed['steps_per_second']:,.1f} steps a second."
    )


def patches_text(patches):
    """The sentence about what the patch table would save."""
    return (
        f"SPADE's convolutions take {patches['multiplications'] / 1e9:,.1f} G multiplications a picture; of these the "
        f"patch table leaves about {patches['left']:.1%}, by the distinct patches of {patches['maps']} label maps."
    )


def _splits(report):
    rows = []
    for name, split in report.get("splits", {}).items():
        row = f"{name}: {split['examples']} examples"
        if report.get("quick"):
            row += f", all headers and the pixels of {split['read']} looked at"
        elif split["read"] < split["examples"]:
            row += f", {split['read']} of them without errors, which the rest is about"
        if split["sizes"]:
            sizes = [f"{key} {size_text(split['sizes'][key])}" for key in ("smallest", "median", "largest")]
            row += f"; height x width: {', '.join(sizes)}"
        rows.append(row)
    return "\n".join(rows)


def _classes(report):
    rows = sorted(report.get("classes", []), key=lambda row: -row["pixels"])[:MOST_CLASSES]
    if not rows:
        return ""
    shown = {id(row) for row in rows}
    widest = max(len(row["name"] or "") for row in rows)
    most = max(row["share"] for row in rows) or 1
    lines = [f"{'id':>5}  {'name':<{widest}}  {'pixels':>8}  {'maps':>7}" if widest else
             f"{'id':>5}  {'pixels':>8}  {'maps':>7}"]  # fmt: skip
    for row in report["classes"]:
        if id(row) in shown:
            name = f"{row['name'] or '':<{widest}}  " if widest else ""
            bar = "#" * round(BAR * row["share"] / most)
            lines.append(f"{row['id']:>5}  {name}{row['share']:>8.3%}  {row['maps']:>7}  {bar}".rstrip())
    left = len(report["classes"]) - len(rows)
    return "\n".join(lines + ([f"and {left} more with fewer pixels"] if left else []))


def _patches(report):
    patches = report.get("patches")
    if not patches:
        return ""
    lines = [f"{'level':>10}  {'distinct 3x3':>12}  {'5x5':>6}  {'of the cost':>11}  {'left':>6}"]
    lines += [
        f"{size_text(row['size']):>10}  {row['distinct_3x3']:>12.1%}  {row['distinct_5x5']:>6.1%}  "
        f"{row['cost_share']:>11.1%}  {row['left']:>6.1%}"
        for row in patches["levels"]
    ]
    return "\n".join([*lines, patches_text(patches)])


def _speed(report):
    return speed_text(report["speed"]) if report.get("speed") else ""


def _findings(report):
    return "\n".join(f"{found['level']}: {found['message']}" for found in report["findings"]) or "nothing is wrong"


def _proposal(report):
    found = report.get("proposal")
    return f"The classes are not known; the ids {found['ids']} suggest:\n  {found['command']}" if found else ""
