#!/usr/bin/env python3
"""Holds the pages to the tree: what they link to, call and name must exist.

    python3 tests/docs_test.py      RAPPORT_PROGRAM=build/release/rapport checks options and commands too
"""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("RAPPORT_PROGRAM")
# The program refuses RAPPORT_ variables that it does not know, the tests' own among them.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("RAPPORT_")}

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z][a-z0-9-]*)", re.MULTILINE)
SCRIPT = re.compile(r"\bscripts/([a-z][a-z-]*)")
OPTION = re.compile(r"`((?:server|engine|store|language|recommend)(?:\.[a-z_]+)+)(?: = [^`]*|=[^`]*)?`")
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\brapport ((?:serve|chat|config|models|recommend|users|facts|keys|backup|restore|data|train|evaluate|palr)\b(?: [a-z]+\b)?)")


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], env=ENVIRONMENT, capture_output=True, text=True)


def pages():
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def anchor(heading):
    """As the usual renderers make it: lower case, words joined by hyphens, punctuation gone."""
    text = re.sub(r"[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def broken_links(page):
    found = []
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            found.append(f"{page.name} links to {link}, which does not exist")
        elif fragment and target.suffix == ".md":
            anchors = [anchor(heading) for heading in HEADING.findall(FENCE.sub("", target.read_text(encoding="utf-8")))]
            if fragment not in anchors:
                found.append(f"{page.name} links to {link}, but {target.name} has no such heading")
    return found


class Pages(unittest.TestCase):
    def assert_known(self, pattern, known, what):
        used = {(word, page.name) for page in pages() for word in pattern.findall(page.read_text(encoding="utf-8"))}
        self.assertTrue(used, f"no page names a {what}: the pattern is wrong")
        unknown = sorted(f"{page} names the {what} {word}" for word, page in used if word not in known)
        self.assertFalse(unknown, "\n" + "\n".join(unknown))

    def test_links_lead_somewhere(self):
        found = [sentence for page in pages() for sentence in broken_links(page)]
        self.assertFalse(found, "\n" + "\n".join(found))

    def test_make_targets_exist(self):
        rules = re.findall(r"^([a-z][a-z0-9 -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        self.assert_known(MAKE, {word for rule in rules for word in rule.split()}, "make target")

    def test_scripts_exist(self):
        self.assert_known(SCRIPT, {path.name for path in (ROOT / "scripts").iterdir() if os.access(path, os.X_OK)}, "script")

    @unittest.skipUnless(PROGRAM, "RAPPORT_PROGRAM is not set")
    def test_options_exist(self):
        with tempfile.TemporaryDirectory() as home:
            shown = run("config", "show", "--json", "--home", home)
        self.assert_known(OPTION, set(json.loads(shown.stdout)["options"]), "option")

    @unittest.skipUnless(PROGRAM, "RAPPORT_PROGRAM is not set")
    def test_configuration_files_are_good(self):
        examples = [(page.name, text) for page in pages() for text in TOML.findall(page.read_text(encoding="utf-8"))]
        self.assertTrue(examples)
        for page, text in examples:
            with self.subTest(page), tempfile.TemporaryDirectory() as home:
                (Path(home) / "rapport.toml").write_text(text, encoding="utf-8")
                checked = run("config", "check", "--home", home)
                self.assertEqual(checked.returncode, 0, checked.stderr)

    @unittest.skipUnless(PROGRAM, "RAPPORT_PROGRAM is not set")
    def test_commands_exist(self):
        words = {word for page in pages() for word in COMMAND.findall(page.read_text(encoding="utf-8"))}
        self.assertIn("config show", words)
        for command in sorted(words):
            asked = run(*command.split(), "--help")
            self.assertEqual(asked.returncode, 0, f"rapport {command} --help: {asked.stderr}")


class BrokenLinks(unittest.TestCase):
    """The check itself, on pages that are wrong."""

    def found(self, text):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text(text, encoding="utf-8")
            return broken_links(page)

    def test_finds_a_missing_file(self):
        self.assertEqual(len(self.found("[a](nowhere.md)")), 1)

    def test_finds_a_missing_heading(self):
        self.assertEqual(len(self.found("# One\n[a](#two)")), 1)

    def test_passes_what_is_there(self):
        self.assertEqual(self.found("# What's `it`, then?\n[a](#whats-it-then) [b](page.md) [c](https://example.com/x)"), [])

    def test_reads_over_code(self):
        self.assertEqual(self.found("```\n[a](nowhere.md)\n```\n"), [])


if __name__ == "__main__":
    unittest.main()
