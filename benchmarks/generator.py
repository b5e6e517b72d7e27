"""Time and memory of the generator by how SPADE reads the label map: dense semantics or the patch table.

    python benchmarks/generator.py
    python benchmarks/generator.py --cases ade20k 'facades_*' random --batches 1 --figure FILE.png
    python benchmarks/generator.py --cases 'train_*' --base-filters 16

Dense semantics are the baseline: ratios are dense over patch table, above 1 where the patch table is faster. Both kinds
have the same weights and take turns in one process, so that a drift of the machine's speed hits both; peak memory is
that of a process of its own for each kind, and "start" what the dense kind has before its first call: TensorFlow,
weights, moments. "patches" heads the patch table's columns. Inference is the folded generator under `tf.function`; a
training step is both networks' updates without the perceptual loss, and its photographs are noise. Times are of a whole
batch.

A case has up to --maps batches of label maps: times are medians over them of the medians over --repeats, ratio and
smallest ratio are over each batch's own, the difference is the largest there is: of the pictures, relative to their
largest magnitude, or of the first step's losses, relative (the generator's losses come after Adam's first step of the
discriminator, a sign that rounding can turn). "5x5" and "3x3" are the distinct patches of ids in percent of the pixels,
at factor 1, 2, 4, ... of the label map's size. PSNR is that of bfloat16 against dense semantics in float32.
"""

import argparse
import json
import math
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from label_maps import Case, is_real
from machine import machine

INFERENCE = {
    "facades_256": Case("facades", (256, 256)),
    "facades_512": Case("facades", (512, 512)),
    "facades_1024": Case("facades", (1024, 1024)),
    "ade20k": Case("ade20k", (256, 256)),
    "coco_stuff": Case("coco_stuff", (256, 256)),
    "cityscapes": Case("cityscapes", (256, 512)),
    "celebamask_hq": Case("celebamask_hq", (512, 512)),
}
# At batch size 1: what the tables of growth and the worst cases need beyond the above.
SINGLE = {"facades_128": Case("facades", (128, 128))}
SINGLE |= {f"classes_{n}": Case("coco_stuff", (256, 256), "regions", n) for n in (13, 35, 151, 365, 1000)}
SINGLE |= {maps: Case("ade20k", (256, 256), maps) for maps in ("random", "blocks", "constant")}
TRAINING = {f"train_{name}": INFERENCE[name] for name in ("facades_256", "ade20k", "coco_stuff")}
CASES = INFERENCE | SINGLE | TRAINING

KINDS = {"dense": ("dense", "float32"), "patch_table": ("auto", "float32")}
HALF = {"half": ("auto", "bfloat16")}
TRAINING_BATCH = 2
LARGE = (
    2 * 1024**2
)  # pixels of a batch above which a generator with dense semantics at full width should need more than 20 GiB
WORST_RATIO = 0.95
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = f"names or patterns of cases (default: all, {' '.join(CASES)})"
    result.add_argument("--cases", nargs="+", default=["*"], help=cases)
    sizes = f"batch sizes of {' '.join(INFERENCE)}; the other cases have one of their own (default: 1 4)"
    result.add_argument("--batches", type=int, nargs="+", default=[1, 4], help=sizes)
    result.add_argument("--maps", type=int, default=4, help="batches of label maps in a case, at most (default: 4)")
    result.add_argument("--repeats", type=int, default=5, help="timed runs of each kind on each (default: 5)")
    result.add_argument("--base-filters", type=int, default=64, help="width of the networks (default: 64)")
    result.add_argument("--half", action="store_true", help="the patch table in bfloat16, too (default: float32 only)")
    result.add_argument("--large", action="store_true", help="what needs more than 20 GiB, too (default: left out)")
    data = "folder of real label maps, see label_maps.py (default: shared/data beside the repository)"
    result.add_argument("--data", type=Path, default=DATA, help=data)
    result.add_argument("--figure", type=Path, help="PNG file of time against resolution (default: none)")
    return result


def run_row(name, batch_size, kind=None):
    """The result of `measure` in a process of its own, or `{"failed": why}`."""
    script = Path(__file__).with_name("generator_row.py")
    command = [sys.executable, script, json.dumps([name, batch_size, kind]), *sys.argv[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [""]
        why = "killed, out of memory?" if done.returncode < 0 else lines[-1][:150]
        return {"failed": f"{kind or 'both kinds'}: {why}"}
    return json.loads(done.stdout.splitlines()[-1])


def row(name, batch_size, arguments):
    """Time and memory of one case, or `{"failed": why}`."""
    if batch_size * math.prod(CASES[name].size) > LARGE and not arguments.large:
        return {"failed": "left out: dense semantics need more than 20 GiB; --large measures it"}
    result = run_row(name, batch_size)
    for kind in result.get("ms", ()):
        memory = run_row(name, batch_size, kind)
        if "failed" in memory:
            return memory
        for key, value in memory.items():
            result.setdefault(key, {})[kind] = value
    return result


def planned(arguments):
    """The rows: `[(name, batch size)]`."""
    names = [name for name in CASES if any(fnmatch(name, pattern) for pattern in arguments.cases)]
    if not names:
        sys.exit(f"--cases: no case fits {' '.join(arguments.cases)}; there are {', '.join(CASES)}.")
    sizes = {
        name: arguments.batches if name in INFERENCE else [TRAINING_BATCH if name in TRAINING else 1] for name in names
    }
    return [(name, size) for name in names for size in sizes[name]]


def print_header(rows, arguments):
    print(machine())
    drawn = sorted({CASES[name].preset for name, _ in rows if not is_real(CASES[name].preset, arguments.data)})
    maps = f"facades drawn by code, not real maps, for: {', '.join(drawn)}" if drawn else "real label maps"
    print(f"base filters {arguments.base_filters}, {arguments.repeats} repeats; {maps}")
    half = f"{'ms half':>10}{'MiB half':>10}{'PSNR':>7}" if arguments.half else ""
    names = f"{'case':<18}{'batch':>6}{'maps':>6}{'ms dense':>10}{'ms patches':>12}{'ratio':>8}{'smallest':>10}"
    print(
        f"{names}{'MiB start':>11}{'MiB dense':>11}{'MiB patches':>13}{'difference':>12}{half}  5x5 %; 3x3 %",
        flush=True,
    )


def percents(fractions):
    return " ".join(f"{100 * x:.{0 if x >= 0.1 else 1}f}" for x in fractions)


def print_row(name, batch_size, result, half):
    start = f"{name:<18}{batch_size:>6}"
    if "failed" in result:
        print(f"{start}  {result['failed']}", flush=True)
        return
    times, peak = result["ms"], result["peak"]
    line = f"{start}{result['maps']:>6}{times['dense']:>10.0f}{times['patch_table']:>12.0f}{result['ratio']:>7.2f}x"
    line += f"{result['smallest']:>9.2f}x{result['start']['dense']:>11.0f}"
    line += f"{peak['dense']:>11.0f}{peak['patch_table']:>13.0f}{result['difference']:>12.1e}"
    if "half" in times:
        line += f"{times['half']:>10.0f}{peak['half']:>10.0f}{result['psnr']:>7.1f}"
    elif half:
        line += " " * 27
    if "wide" in result:
        line += f"  {percents(result['wide'])}; {percents(result['narrow'])}"
    print(line, flush=True)


def print_growth(what, results):
    """How time grows: a table of `results`, `{px or classes: a row's result}`, each kind against its own first row."""
    if len(results) < 2:
        return
    first = next(iter(results.values()))["ms"]
    print(f"\n{what:>8}{'ms dense':>12}{'growth':>9}{'ms patches':>12}{'growth':>9}{'ratio':>9}")
    for key, result in results.items():
        cells = "".join(f"{result['ms'][kind]:>12.0f}{result['ms'][kind] / first[kind]:>8.2f}x" for kind in KINDS)
        print(f"{key:>8}{cells}{result['ratio']:>8.2f}x")


def by_number(results, prefix):
    """The rows of one sweep at batch size 1, by the number in their names."""
    single = {name: result for (name, size), result in results.items() if size == 1 and name.startswith(prefix)}
    found = {int(name.removeprefix(prefix)): result for name, result in single.items()}
    return dict(sorted(found.items()))


def print_summary(results):
    device_names = " and ".join(sorted({result["device"] for result in results.values()}))
    worst = min((result["smallest"] for result in results.values()), default=WORST_RATIO)
    verdict = "held" if worst >= WORST_RATIO else "MISSED"
    print(f"\nno map slower than {WORST_RATIO:.2f}x is the aim: {verdict}")
    ratios = "; ".join(f"{name} x{size} {result['smallest']:.2f}x" for (name, size), result in results.items())
    print(f"\nsmallest ratios, on {device_names}: {ratios}")


def draw(path, results):
    """Milliseconds of a picture against its side, both kinds, as a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    sides = list(results)
    for kind, marker in zip(KINDS, "os", strict=True):
        times = [result["ms"][kind] for result in results.values()]
        axes.plot(sides, times, marker=marker, label=kind)
        axes.annotate(kind, (sides[-1], times[-1]), xytext=(8, -4), textcoords="offset points")
    for side, result in results.items():
        place = {"xytext": (0, -16), "textcoords": "offset points", "ha": "center"}
        axes.annotate(f"{result['ratio']:.1f}x", (side, result["ms"]["patch_table"]), **place)
    axes.set(xscale="log", yscale="log", xlabel="side of the picture, pixels", ylabel="milliseconds a picture")
    axes.set_title("Facades generator at batch size 1; dense semantics over patch table", fontsize="medium")
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.minorticks_off()
    axes.margins(x=0.16, y=0.15)
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main():
    arguments = parser().parse_args()
    rows, results = planned(arguments), {}
    print_header(rows, arguments)
    for name, batch_size in rows:
        result = row(name, batch_size, arguments)
        print_row(name, batch_size, result, arguments.half)
        if "failed" not in result:
            results[name, batch_size] = result
    print_growth("px", by_number(results, "facades_"))
    print_growth("classes", by_number(results, "classes_"))
    if results:
        print_summary(results)
    resolutions = by_number(results, "facades_")
    if arguments.figure and len(resolutions) > 1:
        draw(arguments.figure, resolutions)
    elif arguments.figure:
        print("no figure: it needs two sizes of facades at batch size 1")


if __name__ == "__main__":
    main()
