#!/usr/bin/env python3
"""Learns and measures a ranking over models that bench/quality.py left, one result file a run.

    bench/palr.py --data ml-1m --models gru4rec-text,sasrec,gru4rec,fpmc,ease,ridge --set ranker=linear --label linear

`--models` are rows of Table 2, seed 1. A run is `rapport palr train` and `rapport palr evaluate` on the test items of all
users; bench/results/palr-DATA-LABEL.json says with what machine, commit and options it was made.
"""

import argparse
import json
import sys

from quality import WORK, commit, machine, rapport, run_name, say
from rows import BY_NAME, DATA, RESULTS


def models_of(names, data):
    models = {name: WORK / run_name(BY_NAME[name], data, 1) for name in names}
    missing = [name for name, model in models.items() if not (model / "model.json").exists()]
    if missing:
        commands = "\n".join(f"    bench/quality.py FOLDER --data {data} --row {name} --again" for name in missing)
        sys.exit(f"palr: models that are not there; these make them:\n{commands}")
    return models


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", choices=DATA, required=True)
    parser.add_argument("--models", required=True, help="rows of Table 2, separated by commas")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of rapport palr train")
    parser.add_argument("--label", required=True, help="tells runs apart")
    options = parser.parse_args()
    names = options.models.split(",")
    for name in names:
        if name not in BY_NAME:
            parser.error(f"{name} is no row of Table 2: choose from {', '.join(BY_NAME)}")
    models = models_of(names, options.data)
    dataset = WORK / options.data
    ranker = WORK / f"palr-{options.data}-{options.label}"
    common = ("--data", dataset, "--models", ",".join(map(str, models.values())))
    built = commit()
    settings = [word for setting in options.set for word in ("--set", setting)]
    trained = rapport("palr", "train", *common, "--output", ranker, *settings)
    measured = rapport("palr", "evaluate", *common, "--ranker", ranker)
    document = {"data": options.data, "models": names, "label": options.label, "options": trained["options"],
                "machine": machine(), "commit": built, "trained": trained["report"],
                **{part: measured[part] for part in ("all", "others")}}
    result = RESULTS / f"palr-{options.data}-{options.label}.json"
    part = result.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    part.rename(result)
    say(f"{result.name}: test HR@10 {measured['all']['hr@10']:.4f}, NDCG@10 {measured['all']['ndcg@10']:.4f}")


if __name__ == "__main__":
    main()
