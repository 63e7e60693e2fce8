# SPDX-License-Identifier: Apache-2.0
"""Tests of what tools/bench-check says of counts: what grew is wrong, what is missing too, and nothing else."""

import importlib.machinery
import importlib.util
import pathlib
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "tools" / "bench-check"
LOADER = importlib.machinery.SourceFileLoader("bench_check", str(PROGRAM))
bench_check = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_check", LOADER))
LOADER.exec_module(bench_check)


class Compare(unittest.TestCase):
    def wrong(self, counted, recorded):
        return [line.split(":")[0] for line in bench_check.compare(counted, recorded)[1]]

    def test_what_grew_by_more_than_a_tenth_is_wrong(self):
        recorded = {"a": 1000, "b": 1000, "c": 1000}
        self.assertEqual(self.wrong({"a": 1100, "b": 1101, "c": 500}, recorded), ["b"])

    def test_what_became_cheaper_is_said(self):
        lines = bench_check.compare({"a": 899}, {"a": 1000})[0]
        self.assertTrue(any("--renew" in line for line in lines), lines)

    def test_what_is_on_one_side_only_is_wrong(self):
        self.assertEqual(self.wrong({"a": 1, "new": 1}, {"a": 1, "old": 1}), ["new", "old"])
        self.assertEqual(self.wrong({"a": 1}, {"a": 0}), ["a"])

    def test_a_file_of_callgrind_has_a_sum(self):
        self.assertEqual(bench_check.total_of("events: Ir\nfn=(1)\n3 5\ntotals: 1234\n"), 1234)
        self.assertEqual(bench_check.total_of("events: Ir\n"), 0)


if __name__ == "__main__":
    unittest.main()
