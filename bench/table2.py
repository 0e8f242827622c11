#!/usr/bin/env python3
"""Makes Table 2 of bench/results: the tables in docs/table2.md and the picture beside it.

    make table2                       writes both
    bench/table2.py --check           only says whether they are what the result files say
"""

import statistics
import sys

from rows import ANCHORS, DATA, ELSEWHERE, PAPER, ROOT, ROWS, Row, reads_text, results
from table2_picture import picture

PAGE = ROOT / "docs/table2.md"
PICTURE = ROOT / "docs/table2.svg"
BEGIN, END = "<!-- make table2: begin -->", "<!-- make table2: end -->"
NONE = "–"
HOW = ("How they were made (the validation figure of a fusion, whose weights are found on the validation items, is\n"
       "cross-fitted: of each fifth of the users by the weights that the others give):")


def figure(value):
    return f"{value:.4f}".removeprefix("0")


def spread(figures, metric):
    """Mean ± standard deviation over the seeds."""
    values = [each[metric] for each in figures]
    if not values:
        return NONE
    return figure(statistics.mean(values)) + (f" ± {figure(statistics.stdev(values))}" if len(values) > 1 else "")


def tests(runs):
    return [result["test"] for result in runs]


def validations(runs):
    """A fusion's weights are found on the validation items: of those that had no part in the weights."""
    return [result.get("cross_fit", result["validation"]) for result in runs]


def pair(published, data):
    figures = published.figures.get(data) if published else None
    return " / ".join(map(figure, figures)) if figures else NONE


def elsewhere(row, data):
    published = ELSEWHERE.get(row.name)
    text = pair(published, data)
    return f"{text} ({published.source})" if text != NONE and published.source else text


def all_rows(measured):
    """Those of the table, then what was measured under other names."""
    known = {row.name for row in ROWS}
    own = {name: runs[0] for (name, _), runs in measured.items() if name not in known}
    texts = {name: tuple(data for data in DATA if any(reads_text(run, measured) for run in measured.get((name, data), ())))
             for name in own}
    return ROWS + [Row(run["model"], f"`{run['model']}` with other options", label=run["label"], text=texts[name])
                   for name, run in sorted(own.items())]


def duration(runs):
    seconds = [result["training_seconds"] for result in runs if result["training_seconds"]]
    if not seconds:
        return NONE
    mean = statistics.mean(seconds)
    return f"{mean:.0f} s" if mean < 100 else f"{mean / 60:.0f} min"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def quality(rows, measured, data):
    header = ["row", "model", "test HR@10", "test NDCG@10", "seeds", "the paper's", "elsewhere"]
    lines = []
    for row in rows:
        runs = measured.get((row.name, data), [])
        lines.append([f"`{row.name}`" if row.model else NONE, row.about + (" †" if data in row.text else ""),
                      spread(tests(runs), "hr@10"), spread(tests(runs), "ndcg@10"), str(len(runs) or NONE),
                      pair(PAPER.get(row.paper), data), elsewhere(row, data)])
    for anchor in ANCHORS:
        if data in anchor.figures:
            lines.append([NONE, anchor.what, NONE, NONE, NONE, NONE, f"{pair(anchor, data)} ({anchor.source})"])
    return table(header, lines)


def distinct(runs, key):
    return "; ".join(dict.fromkeys(str(result[key] or NONE) for result in runs))


def provenance(rows, measured, data):
    header = ["row", "validation NDCG@10", "test HR@50", "test NDCG@50", "best epochs", "training", "commit", "machine"]
    lines = []
    for row in rows:
        runs = measured.get((row.name, data))
        if runs:
            epochs = ", ".join(str(result["best_epoch"] or NONE) for result in runs)
            lines.append([f"`{row.name}`", spread(validations(runs), "ndcg@10"), spread(tests(runs), "hr@50"),
                          spread(tests(runs), "ndcg@50"), epochs, duration(runs),
                          distinct(runs, "commit"), distinct(runs, "machine")])
    return table(header, lines)


def tables(measured):
    parts = []
    for data, title in DATA.items():
        rows = [row for row in all_rows(measured) if data in row.data]
        parts += [f"## {title}", quality(rows, measured, data), HOW, provenance(rows, measured, data)]
    return "\n\n".join(parts)


def documents(measured, page):
    """What the page and the picture should hold."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"table2: {PAGE.relative_to(ROOT)} lacks the lines {BEGIN} and {END}")
    return before + BEGIN + "\n" + tables(measured) + "\n" + END + after, picture(all_rows(measured), measured)


def main():
    made = documents(results(), PAGE.read_text(encoding="utf-8"))
    stale = [path for path, text in zip((PAGE, PICTURE), made)
             if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        sys.exit("".join(f"table2: {path.relative_to(ROOT)} is not what bench/results says: make table2\n"
                         for path in stale) or 0)
    for path, text in zip((PAGE, PICTURE), made):
        path.write_text(text, encoding="utf-8")
    print("table2: " + (", ".join(str(path.relative_to(ROOT)) for path in stale) or "nothing") + " changed")


if __name__ == "__main__":
    main()
