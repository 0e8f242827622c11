#!/usr/bin/env python3
"""Holds Table 2 to the result files, and the making of it to what it promises."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import palr  # noqa: E402
import quality  # noqa: E402
import rows  # noqa: E402
import table2  # noqa: E402
import table2_picture  # noqa: E402


def result(model="sasrec", label="", seed=1, ndcg=.2, **other):
    figures = {"hr@10": 2 * ndcg, "ndcg@10": ndcg, "hr@50": 3 * ndcg, "ndcg@50": 1.5 * ndcg}
    return {"model": model, "data": "ml-1m", "label": label, "seed": seed, "options": {}, "best_epoch": 7,
            "training_seconds": 90, "machine": "a computer", "commit": "abc", "validation": figures,
            "test": {**figures, "data": {"checksum": rows.DATA_SETS["ml-1m"].checksums[0]}}, **other}


def right(data):
    """The fingerprints of the right data set."""
    return {"taken": rows.DATA_SETS[data].taken, "text": rows.DATA_SETS[data].text}


def measured(*documents):
    with tempfile.TemporaryDirectory() as folder:
        for number, document in enumerate(documents):
            (Path(folder) / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
        (Path(folder) / "training_speed.json").write_text("{}", encoding="utf-8")
        return rows.results(Path(folder))


def refusal(of, *words, **named):
    """What is said when it ends, on standard error or as it exits."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            of(*words, **named)
        except SystemExit as end:
            return said.getvalue() + (end.code if isinstance(end.code, str) else "")
    raise AssertionError("nothing was refused")


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

    def test_marks_runs_that_are_no_row_by_what_they_read(self):
        page = table2.tables(measured(
            result("ridge", "x", options={"alpha": 1.0}), result("ridge", "y", options={"alpha": 0.0}),
            result("fusion", "of-x", options={"models": ["ridge-x-ml-1m-seed1", "ridge-y-ml-1m-seed1"]}),
            result("fusion", "of-y", options={"models": ["ridge-y-ml-1m-seed1", "elsewhere"]})))
        for name, reads in (("ridge-x", True), ("ridge-y", False), ("fusion-of-x", True), ("fusion-of-y", False)):
            self.assertEqual(reads, "†" in line_of(page, name), name)
        _, beauty = page.split("## Amazon Beauty")
        self.assertNotIn("†", line_of(beauty, "ridge-x"), "not measured there")


class Results(unittest.TestCase):
    def without_text(self, *words, **other):
        document = result(*words, **other)
        document["test"]["data"]["checksum"] = rows.DATA_SETS["ml-1m"].checksums[1]
        return document

    def test_are_refused_by_name_when_they_are_of_other_data(self):
        other = result()
        other["test"]["data"]["checksum"] = "0"
        self.assertRegex(refusal(measured, result(seed=2), other), r"/1\.json .* MovieLens-1M: .*checksum is 0; .*--again")
        self.assertRegex(refusal(measured, result(fingerprints={**right("ml-1m"), "taken": "0"})), "other interactions")

    def test_may_be_of_data_without_text_where_none_is_read(self):
        other = {**right("ml-1m"), "text": "0"}
        self.assertEqual(len(measured(self.without_text(), result("sasrec", fingerprints=other))), 1)
        self.assertRegex(refusal(measured, self.without_text("sasrec", "text")), "checksum")
        self.assertRegex(refusal(measured, self.without_text("ridge", "x", options={"alpha": 1.0})), "checksum")
        self.assertRegex(refusal(measured, result("sasrec", "text", fingerprints=other)), "titles")

    def test_are_known_by_the_data_however_they_were_packed(self):
        document = result("sasrec", "text", fingerprints=right("ml-1m"))
        document["test"]["data"]["checksum"] = "of other files with the same in them"
        self.assertEqual(len(measured(document)), 1)

    def test_are_named_when_they_cannot_be_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sasrec-ml-1m-seed1.json"
            for text, why in ((json.dumps(result())[:100], "is no JSON"), ('{"test": {}}', "lacks .*seed"),
                              (json.dumps(result(data="ml-20m")), "ml-20m")):
                path.write_text(text, encoding="utf-8")
                self.assertRegex(refusal(rows.results, Path(folder)), f"sasrec-ml-1m-seed1.json {why}|is of .*{why}")


class Program:
    """Stands for rapport: keeps what it was told, leaves folders and says what is expected."""

    def __init__(self, dataset=None):
        self.calls = []
        self.dataset = dataset or {}

    def __call__(self, *words):
        self.calls.append([str(word) for word in words])
        output = Path(words[words.index("--output") + 1]) if "--output" in words else None
        if output:
            output.mkdir(parents=True)
            name = "dataset.json" if words[0] == "data" else "model.json"
            (output / name).write_text(json.dumps(self.dataset if words[0] == "data" else {}), encoding="utf-8")
        if words[:2] == ("palr", "evaluate"):
            measured = {"hr@10": .4, "ndcg@10": .2}
            if "--beside" in words:
                measured["rankers"] = [{"model": str(words[words.index("--beside") + 1]), "ndcg@10": .1, "differences": {
                    "ndcg@10": {"difference": .1, "low": .05, "high": .15}}}]
            return {"all": measured}
        return {"options": {}, "report": {}} if "train" in words else {"ndcg@10": .2}

    def trained(self):
        return [Path(words[words.index("--output") + 1]).name for words in self.calls if "train" in words]


@contextlib.contextmanager
def workplace(program, found=right):
    """A folder that the scripts take for theirs. `found` gives the fingerprints of a data set, whatever is in it."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        for path in ("ml-1m/sequences.txt.gz", "amazon-beauty/sequences.txt.gz"):
            (folder / "data" / path).parent.mkdir(parents=True)
            (folder / "data" / path).touch()
        (folder / "results").mkdir()
        for module in (quality, palr):
            stack.enter_context(unittest.mock.patch.multiple(
                module, WORK=folder / "work", RESULTS=folder / "results", rapport=program, commit=lambda: "abc",
                machine=lambda: "a computer"))
        stack.enter_context(unittest.mock.patch.multiple(
            quality, fingerprints=lambda description: found(description["name"])))
        yield folder


def leave_dataset(folder, data):
    (folder / "work" / data).mkdir(parents=True)
    (folder / "work" / data / "dataset.json").write_text(
        json.dumps({"name": data, "users": 1, "items": 2, "interactions": 3}), encoding="utf-8")


def leave_model(folder, run):
    (folder / "work" / run).mkdir(parents=True)
    (folder / "work" / run / "model.json").write_text("{}", encoding="utf-8")


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


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
        with workplace(lambda word, *_: reported if word == "train" else {"ndcg@10": .2}) as folder:
            leave_dataset(folder, "beauty")
            for member in rows.BY_NAME["fusion"].members["beauty"]:
                leave_model(folder, f"{member}-beauty-seed1")
            with contextlib.redirect_stderr(io.StringIO()):
                quality.run(rows.BY_NAME["fusion"], folder / "data", "beauty", 1, again=False)
            document = read_json(folder / "results/fusion-beauty-seed1.json")
        self.assertEqual(document["cross_fit"], reported["report"]["cross_fit"])

    def test_trains_first_what_a_row_is_made_of_and_is_not_there(self):
        program = Program()
        with workplace(program) as folder, contextlib.redirect_stderr(io.StringIO()) as said:
            leave_dataset(folder, "ml-1m")
            leave_model(folder, "caser-ml-1m-seed2")
            (folder / "results/ease-ml-1m-seed1.json").write_text("old", encoding="utf-8")
            quality.run(rows.BY_NAME["fusion"], folder / "data", "ml-1m", 2, again=False)
            document = read_json(folder / "results/fusion-ml-1m-seed2.json")
            self.assertEqual(read_json(folder / "results/ease-ml-1m-seed1.json")["seed"], 1, "written anew")
        self.assertEqual(program.trained(), ["sasrec-ml-1m-seed2", "gru4rec-ml-1m-seed2", "ridge-ml-1m-seed1",
                                             "ease-ml-1m-seed1", "fusion-ml-1m-seed2"])
        self.assertIn("ease-ml-1m-seed1 has a result file but no model: it is trained again", said.getvalue())
        self.assertEqual(document["member_commits"]["sasrec-ml-1m-seed2"], "abc")
        self.assertIsNone(document["member_commits"]["caser-ml-1m-seed2"], "it has no result file")

    def test_refuses_other_data_before_training(self):
        for there in (False, True):
            program = Program({"name": "ml-1m", "users": 1, "items": 2, "interactions": 3})
            with workplace(program, found=lambda _: {"taken": "0", "text": "0"}) as folder:
                if there:
                    leave_dataset(folder, "ml-1m")
                said = refusal(quality.run, rows.BY_NAME["ease"], folder / "data", "ml-1m", 1, again=False)
                self.assertEqual((folder / "work/ml-1m").exists(), there, "what is somebody's stays")
                self.assertIn("work/ml-1m is not" if there else f"{folder}/data/ml-1m is not", said)
            self.assertRegex(said, r"1 users, 2 items, 3 interactions; wanted: 6,040 users.*docs/data\.md")
            self.assertEqual("remove that folder" in said, there)
            self.assertEqual(program.trained(), [])

    def test_needs_the_items_text_only_where_it_is_read(self):
        with workplace(Program({"name": "beauty", "users": 1, "items": 2, "interactions": 3}),
                       found=lambda data: {**right(data), "text": "0"}) as folder:
            with contextlib.redirect_stderr(io.StringIO()):
                quality.run(rows.BY_NAME["sasrec"], folder / "data", "beauty", 1, again=False)
            self.assertEqual(read_json(folder / "results/sasrec-beauty-seed1.json")["fingerprints"],
                             {**right("beauty"), "text": "0"})
            said = refusal(quality.run, rows.BY_NAME["ridge"], folder / "data", "beauty", 1, again=False)
            self.assertIn("other titles, brands or categories", said)

    def test_says_what_is_missing(self):
        with workplace(Program()) as folder:
            said = refusal(quality.run, rows.BY_NAME["ease"], folder / "elsewhere", "ml-1m", 1, again=False)
            self.assertRegex(said, r"elsewhere/ml-1m/sequences\.txt\.gz is not there: docs/data\.md")
        with unittest.mock.patch.object(quality, "RAPPORT", quality.ROOT / "build/none/rapport"):
            for of in (lambda: quality.rapport("train"), quality.commit):
                self.assertEqual(refusal(of), "quality: build/none/rapport is not there: make build")

    def test_warns_of_a_program_that_is_older_than_the_sources(self):
        with tempfile.TemporaryDirectory() as name, unittest.mock.patch.multiple(
                quality, ROOT=Path(name), RAPPORT=Path(name) / "build/rapport"), \
                unittest.mock.patch.object(rows, "ROOT", Path(name)):
            for path, age in (("build/rapport", 100), ("src/a.cpp", 200), ("cmake/b.cmake", 300)):
                (Path(name) / path).parent.mkdir()
                (Path(name) / path).touch()
                os.utime(Path(name) / path, (10_000 - age, 10_000 - age))
            for newer, says in (((), ""), (("src/a.cpp",), "newer than build/rapport: src/a.cpp; "),
                                (("src/a.cpp", "cmake/b.cmake"), "newer than build/rapport: cmake/b.cmake and 1 more; ")):
                for path in newer:
                    os.utime(Path(name) / path, (10_000, 10_000))
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    quality.warn_of_age()
                self.assertIn(says, said.getvalue())
                self.assertEqual(bool(said.getvalue()), bool(says))

    def test_refuses_words_that_mean_nothing(self):
        for words, why in ((("--row", "ridge-no-text", "--data", "ml-1m"), "no row ridge-no-text on ml-1m, only on beauty"),
                           (("--row", "ease", "--seeds", "1,x"), "1,x is no list of numbers"),
                           (("--model", "ease", "--set", "l2=1", "--label", "../x"), "names a file")):
            self.assertRegex(refusal(self.runs_of, *words), why)


class Ranking(unittest.TestCase):
    def run_palr(self, folder, *words):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            palr.run(palr.parse(["--data", "ml-1m", *words]))
        return said.getvalue()

    def test_writes_what_is_measured_with_its_seed_and_is_not_run_twice(self):
        program = Program()
        with workplace(program) as folder:
            leave_dataset(folder, "ml-1m")
            for name in ("ease", "ridge"):
                leave_model(folder, f"{name}-ml-1m-seed1")
            words = ("--models", "ease,ridge", "--label", "x", "--set", "fraction=1")
            self.run_palr(folder, *words)
            document = read_json(folder / "results/palr-ml-1m-x.json")
            self.assertEqual((document["seed"], "others" in document), (1, False), "nobody is left who was not learnt from")
            self.run_palr(folder, *words, "--seed", "2")
            self.assertEqual(read_json(folder / "results/palr-ml-1m-x-seed2.json")["seed"], 2)
            self.assertEqual(program.trained(), ["palr-ml-1m-x", "palr-ml-1m-x-seed2"])
            self.assertIn("is there; --again", self.run_palr(folder, *words))
            self.assertEqual(len(program.calls), 4)

    def test_compares_with_another_run_which_may_be_of_other_models(self):
        program = Program()
        with workplace(program) as folder:
            leave_dataset(folder, "ml-1m")
            for name in ("ease", "ridge"):
                leave_model(folder, f"{name}-ml-1m-seed1")
            self.run_palr(folder, "--models", "ease", "--label", "few")
            said = self.run_palr(folder, "--models", "ridge", "--label", "x", "--beside", "few")
            ours = read_json(folder / "results/palr-ml-1m-x.json")["all"]["rankers"]
        self.assertIn("beside palr-ml-1m-few: NDCG@10 +0.1000 (0.0500 to 0.1500)", said)
        self.assertEqual(ours[0]["model"], "palr-ml-1m-few", "no place of this machine")
        models = program.calls[-1][program.calls[-1].index("--models") + 1]
        self.assertEqual([Path(each).name for each in models.split(",")], ["ridge-ml-1m-seed1", "ease-ml-1m-seed1"])

    def test_trains_missing_models_only_when_told_of_what(self):
        program = Program()
        with workplace(program) as folder:
            leave_dataset(folder, "ml-1m")
            words = ("--models", "ease", "--label", "x")
            self.assertRegex(refusal(self.run_palr, folder, *words), "quality.py FOLDER --data ml-1m --row ease --again")
            self.run_palr(folder, *words, "--folder", str(folder / "data"))
            self.assertEqual(program.trained(), ["ease-ml-1m-seed1", "palr-ml-1m-x"])

    def test_refuses_what_is_not_there(self):
        with workplace(Program()):
            for words, why in ((("--models", "ease", "--label", "x", "--beside", "y"), "make it first, with --label y"),
                               (("--models", "ridge-no-text", "--label", "x"), "no row of Table 2 on ml-1m"),
                               (("--models", "ease", "--label", "x-seed2"), "--seed")):
                self.assertRegex(refusal(lambda words=words: palr.run(palr.parse(["--data", "ml-1m", *words]))), why)


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
