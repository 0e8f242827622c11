"""The rows of Table 2 as bars, the paper's figures as marks across them: an SVG document, readable in light and dark."""

import statistics
from html import escape

from rows import ANCHORS, DATA, ELSEWHERE, PAPER

METRICS = ("hr@10", "ndcg@10")
WIDTH, LEFT, GAP, RIGHT = 1000, 180, 70, 20
TOP, STEP, BAR = 84, 30, 9
PANEL = (WIDTH - LEFT - GAP - RIGHT) / 2  # width of one data set's bars
STYLE = """<style>
  svg { background: #ffffff } text { fill: #1f2328 } .grid { stroke: #d8dee4 } .quiet { fill: #656d76 }
  .hr { fill: #1f6feb } .ndcg { fill: #8a6d3b } .paper { stroke: #cf222e } .else { stroke: #1f2328 }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d } .quiet { fill: #8d96a0 }
    .hr { fill: #4493f8 } .ndcg { fill: #c9a25e } .paper { stroke: #ff7b72 } .else { stroke: #e6edf3 }
  }
</style>"""


def text(x, y, words, anchor="start", kind="", weight=""):
    extra = (f' class="{kind}"' if kind else "") + (f' font-weight="{weight}"' if weight else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def mark(x, y, height, kind):
    return f'<path class="{kind}" d="M{x:.1f} {y:.1f}v{height}" stroke-width="2.5"/>'


def bars(rows, measured, data, left):
    """One data set's: for each row a bar a metric, and marks where others are."""
    shown = {metric: {row: statistics.mean(run["test"][metric] for run in measured[row.name, data])
                      for row in rows if (row.name, data) in measured} for metric in METRICS}
    published = {"paper": {row: PAPER[row.paper].figures[data] for row in rows if row.paper},
                 "else": {row: ELSEWHERE[row.name].figures[data] for row in rows
                          if data in getattr(ELSEWHERE.get(row.name), "figures", {})}}
    others = [pair[0] for marks in published.values() for pair in marks.values()]
    others += [anchor.figures[data][0] for anchor in ANCHORS if data in anchor.figures]
    tick = .05 if data == "ml-1m" else .02
    most = tick * (int(max([*shown["hr@10"].values(), *others]) / tick) + 1)
    lines = []
    for i in range(round(most / tick) + 1):
        x = left + PANEL * i * tick / most
        lines.append(f'<path class="grid" d="M{x:.1f} {TOP - 6}V{TOP + STEP * len(rows)}"/>')
        lines.append(text(x, TOP - 12, f"{i * tick:.2f}".removeprefix("0") if i else "0", "middle", "quiet"))
    for place, row in enumerate(rows):
        y = TOP + STEP * place
        for which, metric in enumerate(METRICS):
            at = y + 3 + which * (BAR + 2)
            if row in shown[metric]:
                length = PANEL * shown[metric][row] / most
                lines.append(f'<rect class="{metric.split("@")[0]}" x="{left:.1f}" y="{at}" width="{length:.1f}" '
                             f'height="{BAR}"/>')
            for kind, marks in published.items():
                if row in marks:
                    lines.append(mark(left + PANEL * marks[row][which] / most, at - 1, BAR + 2, kind))
        if data not in row.data:
            lines.append(text(left + 4, y + 17, "not a row here", kind="quiet"))
        elif row not in shown["hr@10"] and row.model:
            lines.append(text(left + 4, y + 17, "–", kind="quiet"))
    return lines


def picture(rows, measured):
    height = TOP + STEP * len(rows) + 16
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
             f'height="{height}" font-family="sans-serif" font-size="12">', STYLE]
    x = LEFT
    for kind, words in (("hr", "test HR@10"), ("ndcg", "test NDCG@10")):
        lines += [f'<rect class="{kind}" x="{x}" y="14" width="26" height="{BAR}"/>', text(x + 32, 23, words)]
        x += 140
    for kind, words in (("paper", "the paper's figure"), ("else", "best published elsewhere")):
        lines += [mark(x + 4, 12, BAR + 4, kind), text(x + 14, 23, words)]
        x += 150
    for place, (data, title) in enumerate(DATA.items()):
        left = LEFT + place * (PANEL + GAP)
        lines.append(text(left, 52, title, weight="bold"))
        lines += bars(rows, measured, data, left)
    for place, row in enumerate(rows):
        lines.append(text(LEFT - 10, TOP + STEP * place + 17, (row.name or row.about) + (" †" if row.text else ""), "end"))
    lines.append(text(LEFT - 10, 23, "† reads text", "end", "quiet"))
    return "\n".join(lines) + "\n</svg>\n"
