#!/usr/bin/env python3
"""Trains and evaluates rows of Table 2 on research data, one result file a run.

    bench/quality.py FOLDER --row caser-bce                       both data sets; what is there is not run again
    bench/quality.py FOLDER --row sasrec --data ml-1m --seeds 1,2,3 --again
    bench/quality.py FOLDER --model sasrec --set dropout=0.4 --label dropout4     a row of your own
    make table2                                                   Markdown and a picture of the files

Each run is `rapport train` with the model's defaults, the row's options and the seed, then `rapport evaluate` on
validation and test: full ranking, histories masked. An interrupted one goes on where it was when called again. Models
that a row is made of are trained first where they are not there. A result file says with what machine, commit, options
and seed it was made. docs/data.md says which files the data are and how to make them; other data are refused.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rows import BY_NAME, DATA_SETS, RESULTS, ROOT, Row, fingerprints, read_json, shown, unlike

RAPPORT = ROOT / "build/release/rapport"
WORK = ROOT / "build/quality"
# Who took what, and what is known of the items: only models that read text need the latter.
FILES = {"ml-1m": ("ml-1m/sequences.txt.gz", "ml-1m/items.tsv"),
         "beauty": ("amazon-beauty/sequences.txt.gz", "amazon-beauty/items.tsv.gz")}


def say(text):
    print(f"quality: {text}", file=sys.stderr)


def rapport(*words):
    try:
        done = subprocess.run([RAPPORT, *map(str, words), "--json"], stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        sys.exit(f"quality: {shown(RAPPORT)} is not there: make build")
    if done.returncode != 0:
        sys.exit(f"quality: rapport {words[0]} failed with exit status {done.returncode}")
    return json.loads(done.stdout)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def warn_of_age():
    """The program does not say of which commit it is, so that one which was not built since would be taken for newer."""
    built = max((path.stat().st_mtime for path in (RAPPORT, *RAPPORT.parent.glob("librapport_*.so")) if path.exists()),
                default=None)
    if built is None:
        sys.exit(f"quality: {shown(RAPPORT)} is not there: make build")
    newer = sorted(path for folder in ("src", "cmake") for path in (ROOT / folder).rglob("*")
                   if path.is_file() and path.stat().st_mtime > built)
    if newer:
        more = f" and {len(newer) - 1} more" if len(newer) > 1 else ""
        say(f"newer than {shown(RAPPORT)}: {shown(newer[0])}{more}; results may be of another commit than they say: "
            "make build")


def commit():
    """Of HEAD; -dirty when what is built from differs, which result files do not."""
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()
    warn_of_age()
    changed = git("status", "--porcelain", "--", "CMakeLists.txt", "cmake", "src")
    return git("describe", "--always") + ("-dirty" if changed else "")


def seed_of(row, seed):
    """A row that draws no lots is run once, as seed 1."""
    return seed if row.seeded else 1


def run_name(row, data, seed):
    return f"{row.name}-{data}-seed{seed_of(row, seed)}"


def prepare(folder, data, output):
    if folder is None:
        sys.exit(f"quality: {shown(output)} is not there: name the FOLDER to make it of")
    interactions, items = (folder / path for path in FILES[data])
    if not interactions.exists():
        sys.exit(f"quality: {interactions} is not there: docs/data.md says how to make it")
    rapport("data", "prepare", "--format", "sequences", "--interactions", interactions,
            *(("--items", items) if items.exists() else ()), "--output", output)


def dataset_of(folder, data, text):
    """The data set, prepared of FOLDER's files where it is not there, and what its contents are known by. Whatever is not
    what the table is about is refused; what the items' text is matters to those who read it."""
    dataset = WORK / data
    new = not (dataset / "dataset.json").exists()
    if new:
        prepare(folder, data, dataset)
    description = read_json(dataset / "dataset.json")
    found = fingerprints(description)
    wrong = unlike(data, found, text)
    if not wrong:
        return dataset, found
    if new:  # the next one may be right
        shutil.rmtree(dataset)
    where = folder / Path(FILES[data][0]).parent if new else shown(dataset)
    known = DATA_SETS[data]
    has, wants = (f"{users:,} users, {items:,} items, {interactions:,} interactions" for users, items, interactions in (
        [description[key] for key in ("users", "items", "interactions")], (known.users, known.items, known.interactions)))
    sizes = "" if has == wants else f" ({has}; wanted: {wants})"
    remedy = "" if new else "remove that folder, to have it made of FOLDER's files; "
    sys.exit(f"quality: {where} is not the {known.title} of Table 2, it has {wrong}{sizes}: {remedy}docs/data.md "
             "says how to make them")


def missing_models(names, data, seed):
    return [name for name in names if not (WORK / run_name(BY_NAME[name], data, seed) / "model.json").exists()]


def models_of(names, folder, data, seed, what):
    """The folders of models that the runs of rows left, by row; what is not there is trained first."""
    missing = missing_models(names, data, seed)
    if missing:
        say(f"{what} is made of models that are not there and are trained first: {', '.join(missing)}")
    for name in missing:
        label = run_name(BY_NAME[name], data, seed)
        if (RESULTS / f"{label}.json").exists():
            say(f"{label} has a result file but no model: it is trained again, and its result file written anew")
        run(BY_NAME[name], folder, data, seed, again=True)
    return {name: WORK / run_name(BY_NAME[name], data, seed) for name in names}


def embeddings_of(dataset, data):
    """What the default embedding model makes of the items' texts; made where it is not there."""
    folder = WORK / f"embeddings-{data}"
    if not (folder / "model.json").exists():
        rapport("palr", "embed", "--data", dataset, "--output", folder)
    return folder


def commits_of(models):
    """Of the program that trained each, by run, as its result file says; None where there is none."""
    files = {model.name: RESULTS / f"{model.name}.json" for model in models}
    return {name: read_json(path).get("commit") if path.exists() else None for name, path in files.items()}


def write_result(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    part.rename(path)


def run(row, folder, data, seed, again):
    seed = seed_of(row, seed)
    label = run_name(row, data, seed)
    result = RESULTS / f"{label}.json"
    if result.exists() and not again:
        say(f"{shown(result)} is there; --again makes it anew")
        return
    # Of a row of your own nobody knows yet whether it reads text.
    dataset, found = dataset_of(folder, data, text=row.name not in BY_NAME or data in row.text)
    members = list(models_of(row.members.get(data, ()), folder, data, seed, label).values())
    parts = members + ([embeddings_of(dataset, data)] if row.embeddings else [])
    settings = [*row.set, *row.set_on.get(data, ()), *([f"{row.made_of}=" + ",".join(map(str, parts))] if parts else [])]
    model = WORK / label
    built = commit()  # of what trains; by the end, the checkout may be further
    trained = rapport("train", "--data", dataset, "--model", row.model, "--output", model, "--seed", seed, "--resume",
                      *(word for setting in settings for word in ("--set", setting)))
    document = {
        "model": row.model, "data": data, "label": row.label, "seed": seed, "options": trained["options"],
        "epochs": trained["report"].get("epochs"), "best_epoch": trained["report"].get("best_epoch"),
        "training_seconds": trained["report"].get("seconds"), "machine": machine(), "commit": built,
        **({"member_commits": commits_of(members)} if members else {}), "fingerprints": found,
        **{split: rapport("evaluate", "--data", dataset, "--model", model, "--split", split)
           for split in ("validation", "test")},
    }
    # Of a fusion, whose weights are found on the validation items: only `cross_fit` is a figure of users that had no part.
    document |= {name: trained["report"][name] for name in ("members", "cross_fit") if name in trained["report"]}
    write_result(result, document)
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


def seeds(text):
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text} is no list of numbers, such as 1,2,3")
    return [int(word) for word in text.split(",")]


def label_word(text):
    if not re.fullmatch(r"[\w.-]*", text):
        raise argparse.ArgumentTypeError(f"{text} names a file: letters, digits and ._- only")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="folder with ml-1m and amazon-beauty")
    parser.add_argument("--row", choices=BY_NAME, metavar="NAME", help="of the table: " + ", ".join(BY_NAME))
    parser.add_argument("--data", choices=FILES, action="append", help="only this one")
    parser.add_argument("--seeds", type=seeds, default="1", metavar="N,…", help="separated by commas")
    parser.add_argument("--again", action="store_true", help="also what has a result file already")
    parser.add_argument("--model", help="for a row of your own")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the model")
    parser.add_argument("--label", type=label_word, default="", help="tells runs with other options apart")
    options = parser.parse_args()
    row = wanted_row(parser, options)
    for data in options.data or ():
        if data not in row.data:
            parser.error(f"there is no row {row.name} on {data}, only on {', '.join(row.data)}")
    for seed in dict.fromkeys(seed_of(row, seed) for seed in options.seeds):
        for data in dict.fromkeys(options.data or row.data):
            run(row, options.folder, data, seed, options.again)


if __name__ == "__main__":
    main()
