#!/usr/bin/env python3
"""Learns and measures a ranking over models that bench/quality.py left, one result file a run.

    bench/palr.py --data ml-1m --models gru4rec-text,sasrec,gru4rec,fpmc,ease,ridge --set ranker=linear --label linear
    bench/palr.py --data ml-1m --models sasrec,fpmc --label few --seed 2 --beside linear --folder FOLDER

`--models` are rows of Table 2, seed 1; with `--folder`, those that are not there are trained first. A run is `rapport palr
train` and `rapport palr evaluate` on the test items of all users; bench/results/palr-DATA-LABEL.json, with -seedN at its
end for another seed than 1, says with what machine, commit, options and seed it was made. What is there is not run again.
"""

import argparse
import re
import sys
from pathlib import Path

from quality import (WORK, commit, commits_of, dataset_of, label_word, machine, missing_models, models_of, rapport, say,
                     write_result)
from rows import BY_NAME, DATA, RESULTS, read_json, shown


def seed_number(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no number of 0 or more")
    return int(text)


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", choices=DATA, required=True)
    parser.add_argument("--models", required=True, help="rows of Table 2, separated by commas")
    parser.add_argument("--judges", default="", metavar="ROWS", help="rows whose scores are read, but who propose nothing")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of rapport palr train")
    parser.add_argument("--label", type=label_word, required=True, help="tells runs apart")
    parser.add_argument("--seed", type=seed_number, default=1, metavar="N", help="of the ranking; its models are of 1")
    parser.add_argument("--embeddings", type=Path, metavar="DIR", help="the items' vectors (of rapport palr embed)")
    parser.add_argument("--beside", type=label_word, metavar="LABEL", help="another run, by its label (LABEL-seedN for "
                        "another seed than 1), to be compared with on the same users, paired")
    parser.add_argument("--folder", type=Path, help="with ml-1m and amazon-beauty: trains models that are not there")
    parser.add_argument("--again", action="store_true", help="also what has a result file already")
    options = parser.parse_args(words)
    options.models = options.models.split(",")
    options.judges = options.judges.split(",") if options.judges else []
    for name in options.models + options.judges:
        if name not in BY_NAME or options.data not in BY_NAME[name].data:
            there = ", ".join(row for row in BY_NAME if options.data in BY_NAME[row].data)
            parser.error(f"{name} is no row of Table 2 on {options.data}: choose from {there}")
    if re.search(r"-seed\d+$", options.label):
        parser.error("--label ends like a seed's, which is for --seed to say")
    return options


def run_name(data, run):
    return f"palr-{data}-{run}"


def models_beside(data, run):
    """What another run's ranking was made of."""
    name = run_name(data, run)
    result = RESULTS / f"{name}.json"
    if not result.exists() or not (WORK / name / "model.json").exists():
        sys.exit(f"palr: there is no {shown(WORK / name)} with its result file to be compared with: make it first, with "
                 f"--label {re.sub(r'-seed[0-9]+$', '', run)} (and --again, if only the file is there)")
    document = read_json(result)
    return document["models"] + document.get("judges", [])


def refuse_missing(names, options):
    """Without --folder no model is trained."""
    missing = missing_models(names, options.data, 1)
    if missing and options.folder is None:
        commands = "\n".join(f"    bench/quality.py FOLDER --data {options.data} --row {name} --again" for name in missing)
        sys.exit(f"palr: models that are not there; these make them, or --folder FOLDER does:\n{commands}")


def part_of(measured, part):
    """A group of users' figures; another ranking is called by its run, not by the place where it lies."""
    figures = dict(measured[part])
    if "rankers" in figures:
        figures["rankers"] = [{**each, "model": Path(each["model"]).name} for each in figures["rankers"]]
    return figures


def run(options):
    name = run_name(options.data, options.label + (f"-seed{options.seed}" if options.seed != 1 else ""))
    result = RESULTS / f"{name}.json"
    if result.exists() and not options.again:
        say(f"{shown(result)} is there; --again makes it anew")
        return
    ranker = WORK / name
    theirs = models_beside(options.data, options.beside) if options.beside else []
    names = list(dict.fromkeys([*options.models, *options.judges, *theirs]))
    refuse_missing(names, options)
    dataset, found = dataset_of(options.folder, options.data, text=True)
    models = models_of(names, options.folder, options.data, 1, name)
    own = [models[row] for row in options.models + options.judges]
    judges = ["--judges", ",".join(str(models[row]) for row in options.judges)] if options.judges else []
    built = commit()
    settings = [word for setting in options.set for word in ("--set", setting)]
    embeddings = ["--embeddings", options.embeddings] if options.embeddings else []
    trained = rapport("palr", "train", "--data", dataset, "--models",
                      ",".join(str(models[row]) for row in options.models), *judges, "--output", ranker,
                      "--seed", options.seed, *embeddings, *settings)
    beside = ["--beside", WORK / run_name(options.data, options.beside)] if options.beside else []
    measured = rapport("palr", "evaluate", "--data", dataset, "--models", ",".join(map(str, models.values())),
                       "--ranker", ranker, *beside)
    document = {"data": options.data, "models": options.models, "label": options.label, "seed": options.seed,
                "options": trained["options"], "machine": machine(), "commit": built, "member_commits": commits_of(own),
                "fingerprints": found}
    if options.judges:
        document["judges"] = options.judges
    if options.embeddings:
        document["embedder"] = read_json(ranker / "model.json").get("embedder")
    # Of a ranker that learned from all users there are no others.
    document |= {"trained": trained["report"],
                 **{part: part_of(measured, part) for part in ("all", "others") if part in measured}}
    write_result(result, document)
    say(f"{result.name}: test HR@10 {measured['all']['hr@10']:.4f}, NDCG@10 {measured['all']['ndcg@10']:.4f}")
    for each in document["all"].get("rankers", []):
        gain = each["differences"]["ndcg@10"]
        say(f"beside {each['model']}: NDCG@10 {gain['difference']:+.4f} ({gain['low']:.4f} to {gain['high']:.4f})")


if __name__ == "__main__":
    run(parse())
