#!/usr/bin/env python3
"""Holds every #include in src/rapport to the layer table of docs/architecture.md.

    python3 tests/layers_test.py        this tree, and made-up trees that must fail

What is held:
  * a folder includes only folders of a lower layer, and only those its CMakeLists.txt names in DEPENDS;
  * DEPENDS names only folders of a lower layer;
  * a heavy library is included only in the folders whose row in the table names it, and never so that another folder
    gets it too: in .cpp files, or in a header that no other folder includes, directly or through others.
The table is the one place where layers are written down; this file only knows how libraries are spelled in an #include.
"""

import re
import tempfile
import textwrap
import unittest
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A library as the table names it → what its #include begins with.
HEAVY = {
    "spdlog": ("spdlog/",),
    "toml++": ("toml++/", "toml.hpp"),
    "utf8proc": ("utf8proc.h",),
    "libcurl": ("curl/",),
    "libsodium": ("sodium.h", "sodium/"),
    "zlib": ("zlib.h",),
    "libzip": ("zip.h",),
    "SQLite": ("sqlite3.h",),
    "llama.cpp": ("llama.h", "llama-cpp.h", "ggml", "gguf.h", "common.h", "chat.h", "sampling.h", "json-schema-to-grammar.h"),
    "libtorch": ("torch/", "ATen/", "c10/"),
    "faiss": ("faiss/",),
    "libstemmer": ("libstemmer.h",),
    "XGBoost": ("xgboost/",),
    "Boost.Beast/Asio": ("boost/beast", "boost/asio"),
    "prometheus-cpp": ("prometheus/",),
    "CLI11": ("CLI/",),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)
ROW = re.compile(r"^\|\s*(\d+)\s*\|\s*`([a-z_]+)`\s*\|[^|]*\|([^|]*)\|")


@dataclass
class Folder:
    layer: int
    heavy: tuple  # the libraries that its row names


def read_table(page):
    """The layer table: folder name → Folder."""
    table = {}
    for line in page.splitlines():
        if row := ROW.match(line):
            layer, name, heavy = row.groups()
            names = tuple(word.strip() for word in heavy.split(",") if word.strip())
            table[name] = Folder(int(layer), names)
    return table


def depends(cmake):
    """The modules that a CMakeLists.txt names in DEPENDS."""
    call = re.search(r"rapport_module\(([^)]*)\)", cmake)
    words = call.group(1).split() if call else []
    if "DEPENDS" not in words:
        return []
    words = words[words.index("DEPENDS") + 1 :]
    return words[: words.index("PRIVATE")] if "PRIVATE" in words else words


def violations(root):
    """One sentence for each edge or include that the table forbids."""
    found = []
    table = read_table((root / "docs/architecture.md").read_text(encoding="utf-8"))
    if not table:
        return ["docs/architecture.md has no layer table"]
    for name, folder in table.items():
        for library in folder.heavy:
            if library not in HEAVY:
                found.append(f"docs/architecture.md: row `{name}` names {library}, which tests/layers_test.py does not know")

    reached_from = includers(root)
    modules = sorted(path for path in (root / "src/rapport").iterdir() if path.is_dir())
    for module in modules:
        if module.name not in table:
            found.append(f"src/rapport/{module.name} is not in the layer table of docs/architecture.md")
            continue
        layer = table[module.name].layer
        cmake = module / "CMakeLists.txt"
        declared = depends(cmake.read_text(encoding="utf-8")) if cmake.exists() else []
        for other in declared:
            if other not in table or table[other].layer >= layer:
                found.append(f"{cmake.relative_to(root)}: DEPENDS {other} is not a lower layer than {module.name}")
        for source in sorted([*module.rglob("*.h"), *module.rglob("*.cpp")]):
            leaks_to = sorted(reached_from(source) - {module.name})
            found += source_violations(root, source, module.name, table, declared, leaks_to)
    return found


def includers(root):
    """A function from a file to the folders that include it, directly or through other files of ours."""
    direct = {}
    for source in [*root.glob("src/rapport/**/*.h"), *root.glob("src/rapport/**/*.cpp")]:
        for include in INCLUDE.findall(source.read_text(encoding="utf-8")):
            direct.setdefault(root / "src" / include, []).append(source)

    def reached_from(source):
        seen, waiting = set(), [source]
        while waiting:
            for includer in direct.get(waiting.pop(), []):
                if includer not in seen:
                    seen.add(includer)
                    waiting.append(includer)
        return {path.relative_to(root / "src/rapport").parts[0] for path in seen}

    return reached_from


def source_violations(root, source, name, table, declared, leaks_to):
    found = []
    where = source.relative_to(root)
    for include in INCLUDE.findall(source.read_text(encoding="utf-8")):
        parts = include.split("/")
        if parts[0] == "rapport" and len(parts) > 2 and parts[1] != name:
            other = parts[1]
            if other not in table:
                found.append(f"{where} includes {include}, which is in no layer")
            elif table[other].layer >= table[name].layer:
                way = "up" if table[other].layer > table[name].layer else "sideways"
                found.append(f"{where} includes {include}: an edge {way} from layer {table[name].layer} to {table[other].layer}")
            elif other not in declared:
                found.append(f"{where} includes {include}, but the DEPENDS of its CMakeLists.txt does not name {other}")
        for library, spellings in HEAVY.items():
            if include.startswith(spellings):
                if leaks_to:
                    found.append(f"{where} includes {include}, and {', '.join(leaks_to)} includes that: keep {library} in .cpp files")
                elif library not in table[name].heavy:
                    found.append(f"{where} includes {include}: {library} is not in the table's row of {name}")
    return found


class ThisTree(unittest.TestCase):
    def test_keeps_to_the_layer_table(self):
        found = violations(ROOT)
        self.assertFalse(found, "\n" + "\n".join(found))

    def test_is_not_empty(self):
        # Against a parser that finds nothing and so finds nothing wrong.
        table = read_table((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
        self.assertEqual(table["base"].layer, 0)
        self.assertLess(table["store"].layer, table["engine"].layer)
        edges = [
            include
            for source in (ROOT / "src/rapport/engine").glob("*.h")
            for include in INCLUDE.findall(source.read_text(encoding="utf-8"))
            if include.startswith("rapport/store/")
        ]
        self.assertTrue(edges)


class MadeUpTrees(unittest.TestCase):
    """Each tree is sound but for one thing."""

    def tree(self, **changed):
        root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        files = {
            "docs/architecture.md": """\
                | layer | folder | what | heavy | today |
                |---|---|---|---|---|
                | 0 | `base` | all | libcurl | yes |
                | 1 | `store` | rows | SQLite | yes |
                | 1 | `language` | words | llama.cpp | yes |
                | 6 | `engine` | flows | | yes |
                """,
            "src/rapport/pch.h": "#include <string>\n",
            "src/rapport/base/CMakeLists.txt": "rapport_module(base PRIVATE CURL::libcurl)\n",
            "src/rapport/base/text.h": "#include <string>\n",
            "src/rapport/base/http.cpp": "#include <curl/curl.h>\n",
            "src/rapport/store/CMakeLists.txt": "rapport_module(store DEPENDS base PRIVATE SQLite::SQLite3)\n",
            "src/rapport/store/store.h": '#include "rapport/base/text.h"\n',
            "src/rapport/store/sqlite.cpp": '#include <sqlite3.h>\n#include "rapport/store/store.h"\n',
            "src/rapport/language/CMakeLists.txt": "rapport_module(language DEPENDS base\n  PRIVATE llama)\n",
            "src/rapport/language/model.h": '#include "rapport/base/text.h"\n',
            "src/rapport/engine/CMakeLists.txt": "rapport_module(engine DEPENDS base store)\n",
            "src/rapport/engine/respond.h": '#include "rapport/store/store.h"\n',
        }
        for path, text in {**files, **changed}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(textwrap.dedent(text), encoding="utf-8")
        return violations(root)

    def assert_one(self, found, *words):
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_a_sound_tree_passes(self):
        self.assertEqual(self.tree(), [])

    def test_an_edge_up_fails(self):
        found = self.tree(**{"src/rapport/base/text.h": '#include "rapport/engine/respond.h"\n'})
        self.assert_one(found, "src/rapport/base/text.h", "an edge up from layer 0 to 6")

    def test_an_edge_sideways_fails(self):
        found = self.tree(**{"src/rapport/store/sqlite.cpp": '  #  include "rapport/language/model.h"\n'})
        self.assert_one(found, "src/rapport/store/sqlite.cpp", "an edge sideways")

    def test_an_edge_that_cmake_does_not_know_fails(self):
        found = self.tree(**{"src/rapport/engine/respond.cpp": '#include "rapport/language/model.h"\n'})
        self.assert_one(found, "DEPENDS", "language")

    def test_a_dependency_on_a_higher_layer_fails(self):
        found = self.tree(**{"src/rapport/store/CMakeLists.txt": "rapport_module(store DEPENDS base engine)\n"})
        self.assert_one(found, "DEPENDS engine", "store")

    def test_an_include_of_no_layer_fails(self):
        found = self.tree(**{"src/rapport/engine/respond.h": '#include "rapport/misc/things.h"\n'})
        self.assert_one(found, "rapport/misc/things.h", "in no layer")

    def test_a_folder_that_is_not_in_the_table_fails(self):
        self.assert_one(self.tree(**{"src/rapport/misc/things.h": ""}), "src/rapport/misc")

    def test_a_heavy_header_that_another_folder_gets_fails(self):
        for heavy in ("<sqlite3.h>", "<boost/asio/io_context.hpp>", "<torch/torch.h>", '"llama.h"', "<spdlog/spdlog.h>"):
            with self.subTest(heavy):
                found = self.tree(**{"src/rapport/store/store.h": f"#include {heavy}\n"})
                self.assert_one(found, "src/rapport/store/store.h", "engine includes that")

    def test_a_heavy_header_that_another_folder_gets_through_a_header_fails(self):
        found = self.tree(**{
            "src/rapport/store/connection.h": "#include <sqlite3.h>\n",
            "src/rapport/store/store.h": '#include "rapport/store/connection.h"\n',
        })
        self.assert_one(found, "src/rapport/store/connection.h", "engine includes that")

    def test_a_heavy_header_in_a_header_of_the_folder_alone_passes(self):
        found = self.tree(**{
            "src/rapport/store/connection.h": "#include <sqlite3.h>\n",
            "src/rapport/store/sqlite.cpp": '#include "rapport/store/connection.h"\n',
        })
        self.assertEqual(found, [])

    def test_a_heavy_header_in_a_folder_whose_row_does_not_name_it_fails(self):
        found = self.tree(**{"src/rapport/engine/respond.cpp": "#include <sqlite3.h>\n"})
        self.assert_one(found, "SQLite is not in the table's row of engine")

    def test_a_library_that_this_test_cannot_spell_fails(self):
        found = self.tree(**{"docs/architecture.md": "| 0 | `base` | all | libmystery, libcurl | yes |\n"
                             "| 1 | `store` | all | SQLite | |\n| 1 | `language` | a | | |\n| 2 | `engine` | a | | |\n"})
        self.assert_one(found, "libmystery")

    def test_a_page_without_a_table_fails(self):
        self.assert_one(self.tree(**{"docs/architecture.md": "# Words\n"}), "no layer table")


if __name__ == "__main__":
    unittest.main()
