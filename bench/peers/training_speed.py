#!/usr/bin/env python3
"""Trains SASRec with Rapport and with the PyTorch peers, in turns on the same machine, and prints the ratios.

    make build && python3 -m venv build/peers && build/peers/bin/pip install -r bench/peers/requirements.txt
    build/peers/bin/python bench/peers/training_speed.py ../shared/data [--epochs 3] [--steps 6] [--data beauty]
                                                         [--output bench/results/training_speed.json]

For each data set: some epochs of `rapport train` (the first, which warms up, does not count), then some steps of each
peer, scaled to an epoch, then Rapport again; its median epoch is taken. Validation is in neither. The models, optimisers
and recipes are the same; what differs is how the step is computed. Peak memory is that of the whole process.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RAPPORT = ROOT / "build/release/rapport"
DATA = {"ml-1m": "ml-1m/sequences.txt.gz", "beauty": "amazon-beauty/sequences.txt.gz"}


def run(command):
    """The JSON document that a command prints, and the peak memory of its process in MiB."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"training_speed: {command[0]} failed with exit status {os.waitstatus_to_exitcode(status)}")
    return json.loads(printed), usage.ru_maxrss / 1024


def rapport_epochs(folder, name, epochs):
    """Seconds of each epoch but the first, and the peak memory."""
    model = folder / f"{name}-model"
    _, memory = run([RAPPORT, "train", "--json", "--quiet", "--data", folder / name, "--model", "sasrec", "--output", model,
         "--set", f"epochs={epochs + 1}", "--set", "evaluate_every=1000"])
    curve = json.loads((model / "model.json").read_text(encoding="utf-8"))["report"]["curve"]
    return [entry["training_seconds"] for entry in curve[1:]], memory


def measure(folder, name, sequences, options):
    run([RAPPORT, "data", "prepare", "--json", "--quiet", "--format", "sequences", "--interactions", sequences,
         "--output", folder / name])
    ours, memory = rapport_epochs(folder, name, options.epochs)
    figures = {}
    for loss in ("real", "padded"):
        peer, _ = run([sys.executable, ROOT / "bench/peers/sasrec_peer.py", name, sequences, "--loss", loss,
                       "--steps", options.steps])
        figures[f"peer, loss on {loss} positions, s/epoch"] = peer["seconds_per_epoch"]
    ours += rapport_epochs(folder, name, options.epochs)[0]
    seconds = statistics.median(ours)
    return {
        "data": name,
        "rapport, s/epoch": seconds,
        "rapport, slowest and fastest": [max(ours), min(ours)],
        "rapport, peak memory, MiB": memory,
        **figures,
        "times as fast as the padded peer": figures["peer, loss on padded positions, s/epoch"] / seconds,
        "times as fast as the peer on real positions": figures["peer, loss on real positions, s/epoch"] / seconds,
    }


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="folder with ml-1m and amazon-beauty")
    parser.add_argument("--data", choices=DATA, help="only this one")
    parser.add_argument("--epochs", type=int, default=3, help="counted epochs of each of two runs (3)")
    parser.add_argument("--steps", type=int, default=6, help="counted steps of each peer (6)")
    parser.add_argument("--output", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(Path(folder), name, options.folder / path, options)
                   for name, path in DATA.items() if options.data in (None, name)]
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    document = {"machine": machine(), "commit": commit.stdout.strip(), "results": results}
    text = json.dumps(document, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
