#!/usr/bin/env python3
"""How the cost of training SASRec grows with the items and the positions, with the full softmax and a sampled one.

    bench/growth.py                      what is in bench/results/growth.json is not run again
    bench/growth.py --table              Markdown of that file, and docs/images/growth.svg

Each point is one epoch of `rapport train` without validation on made-up histories (popularity falls off as a power of the
rank, lengths as Amazon Beauty's, batches of 3,000 positions), its seconds and the peak memory of the process. A position
is an item that is predicted. The first epoch is taken: there is nothing to warm up but the caches.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from html import escape
from math import log10
from pathlib import Path

from quality import ROOT, commit, machine

RAPPORT = ROOT / "build/release/rapport"
RESULT = ROOT / "bench/results/growth.json"
PICTURE = ROOT / "docs/images/growth.svg"
LOSSES = ("ce", "sampled-ce")
# (items, positions): first the items grow, then the positions.
POINTS = [(items, 100_000) for items in (10_000, 30_000, 100_000, 300_000, 1_000_000)] + \
         [(10_000, count) for count in (10_000, 30_000, 300_000, 1_000_000)]


LONGEST = 50  # positions of a history that are learnt: max_length of the sparse recipe


def write_histories(path, items, positions):
    """Of a history of n the last two are held out and the first is not predicted: n - 3 positions, LONGEST at most."""
    lots = random.Random(1)
    with open(path, "w", encoding="utf-8") as file:
        user = 0
        # All items are in the catalogue, those that nobody else takes too: by a few users who take 2,000 each.
        for first in range(1, items + 1, 2000):
            user += 1
            file.write(" ".join(map(str, (user, *range(first, min(first + 2000, items + 1))))) + "\n")
            positions -= LONGEST
        while positions > 0:
            length = 5 + min(int(lots.expovariate(1 / 4)), 45)
            # A power of a uniform lot: few items are taken often, most seldom.
            taken = dict.fromkeys(1 + int(items * lots.random() ** 3) for _ in range(length))
            positions -= max(0, len(taken) - 3)
            user += 1
            file.write(" ".join(map(str, (user, *taken))) + "\n")


def run(command):
    """Its JSON and the peak memory of its process in MiB."""
    try:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        sys.exit(f"growth: {RAPPORT.relative_to(ROOT)} is not there: make build")
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"growth: {' '.join(map(str, command[:3]))} failed")
    return json.loads(printed), usage.ru_maxrss / 1024


def measure(folder, items, positions, loss):
    data = folder / f"{items}-{positions}"
    if not data.exists():
        write_histories(folder / "histories.txt", items, positions)
        run([RAPPORT, "data", "prepare", "--json", "--quiet", "--format", "sequences", "--min-count", "1",
             "--interactions", folder / "histories.txt", "--output", data])
    model = folder / "model"
    _, memory = run([RAPPORT, "train", "--json", "--quiet", "--data", data, "--model", "sasrec", "--output", model,
                     "--set", "epochs=1", "--set", "evaluate_every=1000", "--set", "recipe=sparse", "--set", f"loss={loss}",
                     "--set", "batch_positions=3000"])
    description = json.loads((model / "model.json").read_text(encoding="utf-8"))
    return {"items": items, "positions": positions, "loss": loss,
            "seconds": description["report"]["curve"][0]["training_seconds"], "peak_memory_mib": memory}


def table(document):
    lines = ["| items | positions | full softmax, s/epoch | sampled, s/epoch | full, MiB | sampled, MiB |",
             "|---:|---:|---:|---:|---:|---:|"]
    found = {(p["items"], p["positions"], p["loss"]): p for p in document["points"]}
    for items, positions in POINTS:
        pair = [found.get((items, positions, loss)) for loss in LOSSES]
        cells = [f"{p['seconds']:.2f}" if p else "–" for p in pair] + \
                [f"{p['peak_memory_mib']:,.0f}" if p else "–" for p in pair]
        lines.append(f"| {items:,} | {positions:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + f"\n\nMachine: {document['machine']}. Commit: {document['commit']}."


def panel(points, left, varied, figure, title, unit):
    """One plot of `figure` over `varied`, both on logarithmic axes."""
    width, height, top = 330, 220, 60
    low_x, high_x = 4, 6
    values = [log10(p[figure]) for p in points]
    low, high = int(min(values)) - (min(values) < 0), int(max(values)) + 1

    def at(point):
        return (left + width * (log10(point[varied]) - low_x + .3) / (high_x - low_x + .6),
                top + height * (high - log10(point[figure])) / (high - low))

    lines = [f'<text x="{left}" y="{top - 22}" font-weight="bold">{escape(title)}</text>']
    for power in range(low, high + 1):
        y = top + height * (high - power) / (high - low)
        lines.append(f'<path class="grid" d="M{left} {y:.1f}h{width}"/>'
                     f'<text class="quiet" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10**power:g} {unit}</text>')
    for power in range(low_x, high_x + 1):
        x = left + width * (power - low_x + .3) / (high_x - low_x + .6)
        lines.append(f'<path class="grid" d="M{x:.1f} {top}v{height}"/><text class="quiet" x="{x:.1f}" '
                     f'y="{top + height + 18}" text-anchor="middle">{10**power:,} {varied}</text>')
    for loss in LOSSES:
        places = [at(p) for p in sorted(points, key=lambda p: p[varied]) if p["loss"] == loss]
        kind = "full" if loss == "ce" else "sampled"
        lines.append(f'<polyline class="{kind}" fill="none" stroke-width="2" points="'
                     + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        lines += [f'<circle class="{kind} dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places]
    return lines


def picture(document):
    points = document["points"]
    by_items = [p for p in points if p["positions"] == 100_000]
    by_positions = [p for p in points if p["items"] == 10_000]
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 660" width="880" height="660" '
             'font-family="sans-serif" font-size="12">', """<style>
  svg { background: #ffffff } text { fill: #1f2328 } .grid { stroke: #d8dee4 } .quiet { fill: #656d76 }
  .full { stroke: #1f6feb } .sampled { stroke: #bc4c00 } .full.dot { fill: #1f6feb } .sampled.dot { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d } .quiet { fill: #8d96a0 }
    .full { stroke: #4493f8 } .sampled { stroke: #f0883e } .full.dot { fill: #4493f8 } .sampled.dot { fill: #f0883e }
  }
</style>""", '<path class="full" d="M80 18h26" stroke-width="2"/><text x="112" y="22">softmax over all items</text>'
             '<path class="sampled" d="M280 18h26" stroke-width="2"/><text x="312" y="22">512 sampled</text>']
    lines += panel(by_items, 80, "items", "seconds", "Seconds an epoch, 100,000 positions", "s")
    lines += panel(by_positions, 510, "positions", "seconds", "Seconds an epoch, 10,000 items", "s")
    lines.append('<g transform="translate(0 310)">')
    lines += panel(by_items, 80, "items", "peak_memory_mib", "Peak memory, 100,000 positions", "MiB")
    lines += panel(by_positions, 510, "positions", "peak_memory_mib", "Peak memory, 10,000 items", "MiB")
    return "\n".join([*lines, "</g>", "</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--table", action="store_true", help="print the table and draw the picture of what is there")
    options = parser.parse_args()
    document = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else \
        {"machine": machine(), "commit": commit(), "points": []}
    if options.table:
        print(table(document))
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_text(picture(document), encoding="utf-8")
        return
    there = {(p["items"], p["positions"], p["loss"]) for p in document["points"]}
    with tempfile.TemporaryDirectory() as folder:
        for items, positions in POINTS:
            for loss in LOSSES:
                if (items, positions, loss) in there:
                    continue
                point = measure(Path(folder), items, positions, loss)
                print(f"growth: {items:,} items, {positions:,} positions, {loss}: {point['seconds']:.2f} s, "
                      f"{point['peak_memory_mib']:,.0f} MiB", file=sys.stderr)
                document["points"].append(point)
                part = RESULT.with_suffix(".part")
                part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
                part.rename(RESULT)


if __name__ == "__main__":
    main()
