#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_mutants.py: what it makes of a list, and that it refuses one that no longer fits the code."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

MAKER = pathlib.Path(__file__).with_name("make_mutants.py")
SOURCE = "int F(int a) {\n  if (a < 3) return 1;\n  return 2;\n}\n"


def mutant(original, replacement, name="m", file="sched/f.cc"):
    return "## %s\nfile: %s\nseeds: 5\n----\n%s\n====\n%s\n----\n\n" % (name, file, original, replacement)


class MakeMutants(unittest.TestCase):
    def make(self, listing):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "sched").mkdir()
            (folder / "sched/f.cc").write_text(SOURCE)
            (folder / "list").write_text(listing)
            done = subprocess.run([sys.executable, "-B", MAKER, folder / "list", folder, folder, "sched/f.cc"],
                                  capture_output=True, text=True, check=False)
            made = folder / "sched_f.cc"
            return done, made.read_text() if made.exists() else ""

    def test_expressions_and_statements_are_switched(self):
        done, made = self.make(mutant("a < 3", "a < 4") + mutant("  return 2;", "  return 9;", "n"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("if (((::millrace::sim::active_mutant == 1) ? (a < 4) : (a < 3))) return 1;", made)
        self.assertIn("if (::millrace::sim::active_mutant == 2) {\n  return 9;\n} else {\n  return 2;\n}", made)

    def refused(self, listing, why):
        done, _ = self.make(listing)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(why, done.stderr)

    def test_an_original_that_is_gone_is_refused(self):
        self.refused(mutant("a < 7", "a < 4"), "the original of 'm' occurs 0 times in sched/f.cc")

    def test_an_original_that_is_not_unique_is_refused(self):
        self.refused(mutant("return", "throw"), "occurs 2 times")

    def test_overlapping_mutants_are_refused(self):
        self.refused(mutant("a < 3", "a < 4") + mutant("if (a < 3)", "if (a)", "n"), "overlaps")

    def test_an_unknown_file_is_refused(self):
        self.refused(mutant("a < 3", "a < 4", file="sched/g.cc"), "not among the sources")


if __name__ == "__main__":
    unittest.main()
