# SPDX-License-Identifier: Apache-2.0
"""Tests of the ledger of executions: counts add up, no run is lost, none is claimed for code that it did not run."""

import json
import multiprocessing
import pathlib
import re
import tempfile
import unittest

import ledger

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = {
    "tests/fuzz/one.cc": '#include "millrace/wire/a.h"\n#include "tests/fuzz/judge.h"\n',
    "tests/fuzz/judge.h": "int judge();\n",
    "lib/millrace/wire/a.h": '// What it is for.\n#include "millrace/base/b.h"\nint a();\n',
    "lib/millrace/wire/a.cc": '#include "millrace/wire/a.h"\nint a() { return 1; }\n',
    "lib/millrace/wire/more_of_a.cc": '#include "millrace/wire/a.h"\nint more() { return 1; }\n',
    "lib/millrace/wire/c.h": "int c();\n",
    "lib/millrace/wire/c.cc": '#include "millrace/wire/a.h"\nint c() { return 1; }\n',
    "lib/millrace/base/b.h": "int b();\n",
}
PROCESSES, RUNS = 6, 20


def add_some(root):
    for _ in range(RUNS):
        ledger.add(root, "one", "", 1, 0)


class Ledger(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name, text in FILES.items():
            self.put(name, text)

    def put(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def code(self):
        return ledger.Tree(self.root).code_of("one")

    def row(self):
        return ledger.row_of(ledger.read(self.root), ledger.Tree(self.root), "one")

    def test_runs_add_up(self):
        ledger.add(self.root, "one", self.code(), 100, 5)
        ledger.add(self.root, "one", self.code(), 20, 6, found=True, bare=True)
        ledger.add(self.root, "two", ledger.Tree(self.root).code_of("two"), 3, 1)
        self.assertEqual(self.row(), {"executions": 120, "since_finding": 0, "since_change": 120, "bare": 20,
                                      "seconds": 11, "findings": 1, "code": self.code()})
        self.assertEqual(ledger.read(self.root)["two"]["executions"], 3)

    def test_a_change_begins_the_count_anew(self):
        ledger.add(self.root, "one", self.code(), 100, 5, bare=True)
        self.put("lib/millrace/wire/a.cc", "int a() { return 2; }\n")
        self.assertEqual((self.row()["executions"], self.row()["since_change"], self.row()["bare"]), (100, 0, 0))
        ledger.add(self.root, "one", self.code(), 7, 1)
        self.assertEqual((self.row()["executions"], self.row()["since_change"], self.row()["bare"]), (107, 7, 0))

    def test_the_goal_is_without_a_finding_and_a_tenth_of_it_with_the_code_as_it_is(self):
        ledger.add(self.root, "one", self.code(), 50, 1, found=True)
        self.assertEqual(ledger.left(self.row(), 100), 100)
        ledger.add(self.root, "one", self.code(), 98, 1)
        self.assertEqual(ledger.left(self.row(), 100), 2)
        self.put("lib/millrace/wire/a.cc", "int a() { return 2; }\n")
        self.assertEqual(ledger.left(self.row(), 100), 10)
        ledger.add(self.root, "one", self.code(), 9, 1)
        self.assertEqual(ledger.left(self.row(), 100), 1)
        ledger.add(self.root, "one", self.code(), 5, 1)
        self.assertEqual(ledger.left(self.row(), 100), 0)

    def test_a_run_that_began_before_the_change_is_old(self):
        before = self.code()
        self.put("lib/millrace/base/b.h", "int b(int);\n")
        ledger.add(self.root, "one", self.code(), 7, 1)
        ledger.add(self.root, "one", before, 100, 1)
        self.assertEqual((self.row()["executions"], self.row()["since_change"]), (107, 7))

    def test_the_code_is_what_is_included_and_its_sources(self):
        for name in FILES:
            before = self.code()
            self.put(name, FILES[name] + "int more_of_it();\n")
            self.assertEqual(self.code() != before, not name.startswith("lib/millrace/wire/c."), name)
        before = self.code()
        self.put("lib/millrace/wire/new.cc", '#include "millrace/wire/a.h"\n')
        self.assertNotEqual(self.code(), before)

    def test_comments_are_no_code(self):
        before = self.code()
        self.put("lib/millrace/wire/a.h", FILES["lib/millrace/wire/a.h"].replace("What it is for", "Something else"))
        self.assertEqual(self.code(), before)

    def test_runs_that_end_at_the_same_time_all_count(self):
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=add_some, args=(self.root,)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        self.assertEqual(self.row()["executions"], PROCESSES * RUNS)
        self.assertEqual(sorted(file.name for file in (self.root / "tests/fuzz").iterdir()),
                         ["executions.json", "judge.h", "one.cc"])

    def test_the_ledger_of_this_tree_is_about_its_targets(self):
        rows = json.loads((ROOT / ledger.NAME).read_text())
        targets = re.findall(r"'(\w+)': \[", (ROOT / "tests/fuzz/meson.build").read_text().split("}")[0])
        self.assertLessEqual(set(rows), set(targets))
        for name, row in rows.items():
            self.assertEqual(set(row), set(ledger.EMPTY), name)
            self.assertTrue(row["bare"] <= row["since_change"] <= row["executions"], name)


if __name__ == "__main__":
    unittest.main()
