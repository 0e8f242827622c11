#!/usr/bin/env python3
"""Measures what one more model adds to a retriever: their two scores and one weight, one result file a run.

    bench/fused.py --data beauty --retriever sasrec --judges e4srec-texts,sasrec@2

The first of `--judges` is measured, the others are controls, fused with the retriever in the same way: rows of Table 2 that
bench/quality.py left, seed 1 or the one behind @. A run is `rapport palr evaluate --retriever`: the weight is chosen on the
validation items of all users, the test items are ranked once. bench/results/fused-DATA-RETRIEVER-JUDGE.json says with what
machine, commit and models it was made. What is there is not run again.
"""

import argparse
import sys
from pathlib import Path

from quality import WORK, commit, commits_of, dataset_of, machine, rapport, run_name, say, write_result
from rows import BY_NAME, DATA, RESULTS, shown


def model_of(parser, word, data):
    """The folder that the run of a row left: "sasrec", or "sasrec@2" of another seed."""
    name, _, seed = word.partition("@")
    if name not in BY_NAME or data not in BY_NAME[name].data or (seed and not seed.isdecimal()):
        parser.error(f"{word} is no row of Table 2 on {data}, nor one with @ and a seed behind it")
    model = WORK / run_name(BY_NAME[name], data, int(seed or 1))
    if not (model / "model.json").exists():
        sys.exit(f"fused: {shown(model)} is not there; this makes it:\n    bench/quality.py FOLDER --data {data} --row {name} "
                 f"--seeds {seed or 1} --again")
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", choices=DATA, required=True)
    parser.add_argument("--retriever", required=True, metavar="ROW", help="whose candidates are ordered")
    parser.add_argument("--judges", required=True, metavar="ROW[@SEED],…", help="what is measured, then controls")
    parser.add_argument("--folder", type=Path, help="with ml-1m and amazon-beauty, to prepare the data set of")
    parser.add_argument("--again", action="store_true", help="also what has a result file already")
    options = parser.parse_args()
    judges = options.judges.split(",")
    result = RESULTS / f"fused-{options.data}-{options.retriever}-{judges[0]}.json"
    if result.exists() and not options.again:
        say(f"{shown(result)} is there; --again makes it anew")
        return
    retriever, *others = [model_of(parser, word, options.data) for word in (options.retriever, *judges)]
    dataset, found = dataset_of(options.folder, options.data, text=True)
    measured = rapport("palr", "evaluate", "--data", dataset, "--retriever", retriever, "--judges",
                       ",".join(map(str, others)))
    write_result(result, {"data": options.data, "retriever": options.retriever, "judges": judges, "machine": machine(),
                          "commit": commit(), "member_commits": commits_of([retriever, *others]), "fingerprints": found,
                          **{key: measured[key] for key in ("users", "validation_users", "ceiling", "retriever",
                                                            "language_model", "fused", "controls", "seconds")}})
    gain = measured["fused"]["gain"]["ndcg@10"]
    say(f"{result.name}: NDCG@10 {measured['fused']['ndcg@10']:.4f}, {gain['difference']:+.4f} "
        f"({gain['low']:+.4f} to {gain['high']:+.4f}) over {options.retriever} alone")


if __name__ == "__main__":
    main()
