#!/usr/bin/env python3
"""Holds Table 2 to the result files, and the making of it to what it promises."""

import json
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import quality  # noqa: E402
import rows  # noqa: E402
import table2  # noqa: E402
import table2_picture  # noqa: E402


def result(model="sasrec", label="", seed=1, ndcg=.2, **other):
    figures = {"hr@10": 2 * ndcg, "ndcg@10": ndcg, "hr@50": 3 * ndcg, "ndcg@50": 1.5 * ndcg}
    return {"model": model, "data": "ml-1m", "label": label, "seed": seed, "best_epoch": 7, "training_seconds": 90,
            "machine": "a computer", "commit": "abc", "test": figures, "validation": figures, **other}


def measured(*documents):
    with tempfile.TemporaryDirectory() as folder:
        for number, document in enumerate(documents):
            (Path(folder) / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
        (Path(folder) / "training_speed.json").write_text("{}", encoding="utf-8")
        return rows.results(Path(folder))


def line_of(page, name):
    return next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))


class Table(unittest.TestCase):
    def test_is_what_the_result_files_say(self):
        page, picture = table2.documents(rows.results(), table2.PAGE.read_text(encoding="utf-8"))
        self.assertEqual(table2.PAGE.read_text(encoding="utf-8"), page, "make table2")
        self.assertEqual(table2.PICTURE.read_text(encoding="utf-8"), picture, "make table2")

    def test_shows_mean_and_deviation_of_the_seeds_beside_the_papers_figures(self):
        line = line_of(table2.tables(measured(result(seed=1, ndcg=.1), result(seed=2, ndcg=.2))), "sasrec")
        self.assertIn("| .3000 ± .1414 | .1500 ± .0707 | 2 | .1978 / .1192 | .3140 / .1820 ([Xu", line)

    def test_shows_what_is_missing(self):
        page = table2.tables({})
        self.assertIn("| – | – | – | .1338 / .0614 |", line_of(page, "caser-bce"))
        self.assertIn("| – | PALR-2 | – | – | – | .2110 / .1276 | – |", page)

    def test_says_how_a_row_was_made(self):
        page = table2.tables(measured(result(), result(seed=2, commit="def", best_epoch=9)))
        self.assertIn("| 7, 9 | 90 s | abc; def | a computer |", page)

    def test_shows_of_a_fusion_the_validation_that_its_weights_did_not_see(self):
        page = table2.tables(measured(result("fusion", ndcg=.2, cross_fit={"folds": 5, "ndcg@10": .15}), result(ndcg=.1)))
        _, made = page.split("How they were made", 1)
        self.assertIn("| .1500 | .6000 |", line_of(made, "fusion"))
        self.assertIn("| .1000 | .3000 |", line_of(made, "sasrec"))
        self.assertIn("cross-fitted", made)

    def test_marks_rows_that_read_text(self):
        page = table2.tables({})
        self.assertIn("†", line_of(page, "sasrec-text"))
        self.assertNotIn("†", line_of(page, "sasrec"))
        films, beauty = page.split("## Amazon Beauty")
        self.assertNotIn("†", line_of(films, "ridge"))
        self.assertIn("†", line_of(beauty, "ridge"))

    def test_shows_runs_that_are_no_row(self):
        page = table2.tables(measured(result(label="dropout4")))
        self.assertIn("| `sasrec` with other options | .4000 | .2000 | 1 |", line_of(page, "sasrec-dropout4"))


class Quality(unittest.TestCase):
    def runs_of(self, *words):
        """Which runs the command would make: (name, seed)."""
        runs = []
        with unittest.mock.patch.object(quality, "run", lambda row, folder, data, seed, again:
                                        runs.append((quality.run_name(row, data, seed), seed))), \
                unittest.mock.patch.object(sys, "argv", ["quality.py", "data", *words]):
            quality.main()
        return runs

    def test_runs_what_draws_no_lots_once_as_the_first(self):
        for seeds in ("2", "1,2,3"):
            self.assertEqual([("ease-beauty-seed1", 1)],
                             self.runs_of("--row", "ease", "--data", "beauty", "--seeds", seeds))
        self.assertEqual([("bprmf-beauty-seed2", 2), ("bprmf-beauty-seed3", 3)],
                         self.runs_of("--row", "bprmf", "--data", "beauty", "--seeds", "2,3"))

    def test_keeps_what_a_fusion_reports_of_users_that_had_no_part_in_its_weights(self):
        reported = {"options": {}, "report": {"members": [], "cross_fit": {"folds": 5, "ndcg@10": .15}}}
        with tempfile.TemporaryDirectory() as folder:
            with unittest.mock.patch.multiple(
                    quality, WORK=Path(folder), RESULTS=Path(folder) / "results", ROOT=Path(folder), settings=lambda *_: [],
                    rapport=lambda word, *_: reported if word == "train" else {"ndcg@10": .2}):
                quality.run(rows.BY_NAME["fusion"], Path(folder), "beauty", 1, again=False)
            document = json.loads((Path(folder) / "results/fusion-beauty-seed1.json").read_text(encoding="utf-8"))
        self.assertEqual(document["cross_fit"], reported["report"]["cross_fit"])


class Rows(unittest.TestCase):
    def test_have_names_of_their_own(self):
        names = [row.name for row in rows.ROWS if row.model]
        self.assertEqual(len(names), len(set(names)))

    def test_fuse_rows_that_there_are(self):
        for row in rows.ROWS:
            for data, members in row.members.items():
                for member in members:
                    self.assertIn(data, rows.BY_NAME[member].data, f"{row.name} on {data}: {member}")
                    if data not in row.text:
                        self.assertNotIn(data, rows.BY_NAME[member].text, f"{row.name} claims to read no text")

    def test_say_of_text_what_the_options_of_their_runs_say(self):
        for (name, data), runs in rows.results().items():
            for run in runs:
                if name in rows.BY_NAME and not rows.BY_NAME[name].members:
                    reads = bool(run["options"].get("text") or run["options"].get("alpha"))
                    self.assertEqual(reads, data in rows.BY_NAME[name].text, f"{name} on {data}")


class Picture(unittest.TestCase):
    def test_is_an_svg_document_with_a_bar_for_each_figure(self):
        svg = xml.etree.ElementTree.fromstring(table2_picture.picture(rows.ROWS, measured(result())))
        bars = [each for each in svg.iter("{http://www.w3.org/2000/svg}rect") if each.get("class") in ("hr", "ndcg")]
        self.assertEqual(len(bars), 2 + 2, "the row's two and the legend's")
        self.assertAlmostEqual(float(bars[2].get("width")) / float(bars[3].get("width")), 2, places=2)


if __name__ == "__main__":
    unittest.main()
