#!/usr/bin/env python3
"""Trains and evaluates models on research data, one result file a run, and makes a table of the files.

    bench/quality.py ../shared/data --data ml-1m --model sasrec --seeds 1,2,3      what is there is not run again
    bench/quality.py --table                                                        Markdown from bench/results

Each run is `rapport train` with the model's defaults (--set KEY=VALUE for others) and the seed, then `rapport evaluate` on
validation and test: full ranking, histories masked. An interrupted one goes on where it was when called again. A result
file says with what machine, commit, options and seed it was made.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RAPPORT = ROOT / "build/release/rapport"
RESULTS = ROOT / "bench/results"
WORK = ROOT / "build/quality"
# Who took what, and what is known of the items: only models that read text look at the latter.
DATA = {"ml-1m": ("ml-1m/sequences.txt.gz", "ml-1m/items.tsv"),
        "beauty": ("amazon-beauty/sequences.txt.gz", "amazon-beauty/items.tsv.gz")}
SHOWN = ["hr@10", "ndcg@10", "hr@50", "ndcg@50"]


def rapport(*words):
    done = subprocess.run([RAPPORT, *map(str, words), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"quality: rapport {words[0]} failed with exit status {done.returncode}")
    return json.loads(done.stdout)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip()


def run(options, name, seed):
    label = f"{options.model}-{name}" + (f"-{options.label}" if options.label else "") + f"-seed{seed}"
    result = RESULTS / f"{label}.json"
    if result.exists():
        print(f"quality: {result.relative_to(ROOT)} is there", file=sys.stderr)
        return
    data = WORK / name
    if not (data / "dataset.json").exists():
        interactions, items = (options.folder / path for path in DATA[name])
        rapport("data", "prepare", "--format", "sequences", "--interactions", interactions, "--items", items, "--output", data)
    model = WORK / label
    built = commit()  # of what trains; by the end, the checkout may be further
    settings = [word for setting in options.set for word in ("--set", setting)]
    trained = rapport("train", "--data", data, "--model", options.model, "--output", model, "--seed", seed, "--resume",
                      *settings)
    document = {
        "model": options.model, "data": name, "label": options.label, "seed": seed, "options": trained["options"],
        "epochs": trained["report"].get("epochs"), "best_epoch": trained["report"].get("best_epoch"),
        "training_seconds": trained["report"].get("seconds"), "machine": machine(), "commit": built,
        **{split: rapport("evaluate", "--data", data, "--model", model, "--split", split)
           for split in ("validation", "test")},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    part = result.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    part.rename(result)
    print(f"quality: {label}: test NDCG@10 {document['test']['ndcg@10']:.4f}", file=sys.stderr)


def table():
    groups = {}
    for path in sorted(RESULTS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if "test" in document:
            groups.setdefault((document["data"], document["model"], document["label"]), []).append(document)

    def cell(documents, split, metric):
        values = [document[split][metric] for document in documents]
        text = f"{statistics.mean(values):.4f}"
        return text + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")

    lines = ["| data | model | seeds | validation NDCG@10 | " + " | ".join(f"test {name}" for name in SHOWN) +
             " | epochs | training |", "|---" * (6 + len(SHOWN)) + "|"]
    for (data, model, label), documents in sorted(groups.items()):
        seconds = [document["training_seconds"] for document in documents if document["training_seconds"]]
        lines.append(
            f"| {data} | {model}{' ' + label if label else ''} | {len(documents)} | "
            f"{cell(documents, 'validation', 'ndcg@10')} | "
            + " | ".join(cell(documents, "test", name) for name in SHOWN)
            + f" | {', '.join(str(document['best_epoch'] or '–') for document in documents)} | "
            + (f"{statistics.mean(seconds) / 60:.0f} min" if seconds else "–") + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, nargs="?", help="folder with ml-1m and amazon-beauty")
    parser.add_argument("--data", choices=DATA, action="append", help="only this one")
    parser.add_argument("--model", default="sasrec")
    parser.add_argument("--seeds", default="1", help="separated by commas")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the model")
    parser.add_argument("--label", default="", help="tells runs with other options apart")
    parser.add_argument("--table", action="store_true", help="print the table of what is in bench/results")
    options = parser.parse_args()
    if options.table:
        print(table())
        return
    if options.folder is None:
        parser.error("name the folder with the data, or --table")
    if options.set and not options.label:
        parser.error("--set needs a --label to tell the results apart")
    for seed in options.seeds.split(","):
        for name in options.data or DATA:
            run(options, name, int(seed))


if __name__ == "__main__":
    main()
