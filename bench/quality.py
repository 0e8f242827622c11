#!/usr/bin/env python3
"""Trains and evaluates rows of Table 2 on research data, one result file a run.

    bench/quality.py ../shared/data --row caser-bce                       both data sets; what is there is not run again
    bench/quality.py ../shared/data --row sasrec --data ml-1m --seeds 1,2,3 --again
    bench/quality.py ../shared/data --model sasrec --set dropout=0.4 --label dropout4     a row of your own
    make table2                                                           Markdown and a picture of the files

Each run is `rapport train` with the model's defaults, the row's options and the seed, then `rapport evaluate` on
validation and test: full ranking, histories masked. An interrupted one goes on where it was when called again. A result
file says with what machine, commit, options and seed it was made.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from rows import BY_NAME, RESULTS, ROOT, Row

RAPPORT = ROOT / "build/release/rapport"
WORK = ROOT / "build/quality"
# Who took what, and what is known of the items: only models that read text look at the latter.
FILES = {"ml-1m": ("ml-1m/sequences.txt.gz", "ml-1m/items.tsv"),
         "beauty": ("amazon-beauty/sequences.txt.gz", "amazon-beauty/items.tsv.gz")}


def say(text):
    print(f"quality: {text}", file=sys.stderr)


def rapport(*words):
    done = subprocess.run([RAPPORT, *map(str, words), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"quality: rapport {words[0]} failed with exit status {done.returncode}")
    return json.loads(done.stdout)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def commit():
    """Of HEAD; -dirty when what is built from differs, which result files do not."""
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--", "CMakeLists.txt", "cmake", "src")
    return git("describe", "--always") + ("-dirty" if changed else "")


def seed_of(row, seed):
    """A row that draws no lots is run once, as seed 1."""
    return seed if row.seeded else 1


def run_name(row, data, seed):
    return f"{row.name}-{data}-seed{seed_of(row, seed)}"


def settings(row, folder, data, seed):
    """The row's options. Models that it is made of are those that the runs of other rows left."""
    words = list(row.set)
    if row.members:
        members = {name: WORK / run_name(BY_NAME[name], data, seed) for name in row.members[data]}
        missing = [name for name, model in members.items() if not (model / "model.json").exists()]
        if missing:
            commands = "\n".join(f"    bench/quality.py {folder} --data {data} --row {name} --seeds "
                                 f"{seed_of(BY_NAME[name], seed)} --again" for name in missing)
            sys.exit(f"quality: {row.name} is made of models that are not there; these make them:\n{commands}")
        words.append(f"{row.made_of}=" + ",".join(map(str, members.values())))
    return [word for setting in words for word in ("--set", setting)]


def run(row, folder, data, seed, again):
    label = run_name(row, data, seed)
    result = RESULTS / f"{label}.json"
    if result.exists() and not again:
        say(f"{result.relative_to(ROOT)} is there; --again makes it anew")
        return
    dataset = WORK / data
    if not (dataset / "dataset.json").exists():
        interactions, items = (folder / path for path in FILES[data])
        rapport("data", "prepare", "--format", "sequences", "--interactions", interactions, "--items", items,
                "--output", dataset)
    model = WORK / label
    built = commit()  # of what trains; by the end, the checkout may be further
    trained = rapport("train", "--data", dataset, "--model", row.model, "--output", model, "--seed", seed, "--resume",
                      *settings(row, folder, data, seed))
    document = {
        "model": row.model, "data": data, "label": row.label, "seed": seed, "options": trained["options"],
        "epochs": trained["report"].get("epochs"), "best_epoch": trained["report"].get("best_epoch"),
        "training_seconds": trained["report"].get("seconds"), "machine": machine(), "commit": built,
        **{split: rapport("evaluate", "--data", dataset, "--model", model, "--split", split)
           for split in ("validation", "test")},
    }
    # Of a fusion, whose weights are found on the validation items: only `cross_fit` is a figure of users that had no part.
    document |= {name: trained["report"][name] for name in ("members", "cross_fit") if name in trained["report"]}
    RESULTS.mkdir(parents=True, exist_ok=True)
    part = result.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    part.rename(result)
    say(f"{label}: test NDCG@10 {document['test']['ndcg@10']:.4f}")


def wanted_row(parser, options):
    if (options.row is None) == (options.model is None):
        parser.error("name a --row of the table, or a --model for a row of your own")
    if options.row is not None:
        if options.set or options.label:
            parser.error("--set and --label are for a --model; a --row has its own")
        return BY_NAME[options.row]
    if bool(options.set) != bool(options.label):
        parser.error("--set needs a --label to tell the results apart, and the other way round")
    row = Row(options.model, options.model, label=options.label, set=tuple(options.set))
    if options.label and row.name in BY_NAME:
        parser.error(f"{row.name} is a row of the table: choose another --label, or --row {row.name}")
    return row if options.label else BY_NAME.get(row.name, row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="folder with ml-1m and amazon-beauty")
    parser.add_argument("--row", choices=BY_NAME, metavar="NAME", help="of the table: " + ", ".join(BY_NAME))
    parser.add_argument("--data", choices=FILES, action="append", help="only this one")
    parser.add_argument("--seeds", default="1", help="separated by commas")
    parser.add_argument("--again", action="store_true", help="also what has a result file already")
    parser.add_argument("--model", help="for a row of your own")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the model")
    parser.add_argument("--label", default="", help="tells runs with other options apart")
    options = parser.parse_args()
    row = wanted_row(parser, options)
    for seed in dict.fromkeys(seed_of(row, int(seed)) for seed in options.seeds.split(",")):
        for data in options.data or row.data:
            run(row, options.folder, data, seed, options.again)


if __name__ == "__main__":
    main()
