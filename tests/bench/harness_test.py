#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of what bench/run makes of samples: medians, comparisons, verdicts, the page, and its answers to bad input."""

import html.parser
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

import peers  # noqa: E402
from harness import cases, figures, page, plot, targets  # noqa: E402

MACHINE = {"processor": "One", "processors": 2, "memory_mib": 100, "kernel": "6", "system": "Debian"}


def report(samples, case="map", parameters=None, **more):
    """A report of one case with these series."""
    found = {"case": case, "parameters": parameters or {"tasks": 2_000_000, "rounds": 5}, "samples": samples,
             "figures": {name: figures.median(values) for name, values in samples.items()}}
    return {"benchmark": "millrace", "version": "1.2", "started": "now", "quick": False, "machine": MACHINE,
            "cases": {case: found}, "peers": {}} | more


class Figures(unittest.TestCase):
    def test_medians(self):
        self.assertEqual(figures.median([3, 1, 2]), 2)
        self.assertEqual(figures.median([4, 1, 2, 3]), 2.5)
        self.assertEqual(figures.median([None, 7, float("nan")]), 7)
        self.assertIsNone(figures.median([]))
        self.assertIsNone(figures.median(None))

    def test_the_spread_is_half_the_range_to_the_median(self):
        self.assertAlmostEqual(figures.spread([90, 100, 120]), 0.15)
        self.assertIsNone(figures.spread([100]))
        self.assertIsNone(figures.spread([0, 0]))

    def test_units_say_which_way_is_better(self):
        for name in ("single_us", "task_bytes", "accepted_seconds", "single_to_bare_latency_ratio", "resident_mib"):
            self.assertTrue(figures.lower_is_better(name), name)
        for name in ("tasks_per_second", "sync_to_in_process_ratio"):
            self.assertFalse(figures.lower_is_better(name), name)


class Verdicts(unittest.TestCase):
    def test_what_lies_apart_has_moved(self):
        slow, fast = [90, 100, 110], [111, 120, 130]
        self.assertEqual(figures.verdict("x_per_second", slow, fast), "better")
        self.assertEqual(figures.verdict("x_per_second", fast, slow), "worse")
        self.assertEqual(figures.verdict("x_us", slow, fast), "worse")
        self.assertEqual(figures.verdict("x_us", fast, slow), "better")

    def test_what_overlaps_is_noise_however_far_the_medians_are(self):
        self.assertEqual(figures.verdict("x_per_second", [50, 100, 201], [200, 300, 400]), "alike")

    def test_what_hardly_differs_has_not_moved(self):
        self.assertEqual(figures.verdict("x_us", [100, 100, 100], [102.9, 102.9, 102.9]), "alike")
        self.assertEqual(figures.verdict("x_us", [100, 100, 100], [103.1, 103.1, 103.1]), "worse")

    def test_one_sample_says_nothing(self):
        self.assertEqual(figures.verdict("x_us", [100], [200]), "alike")

    def test_only_what_was_run_alike_is_compared(self):
        before = report({"a_us": [1, 1.1], "iterations_per_us": [1, 1]})
        moves, notes = figures.compare(before, report({"a_us": [2, 2.1], "b_us": [1, 1], "iterations_per_us": [5, 5]}))
        self.assertEqual([(move.series, move.verdict) for move in moves], [("a_us", "worse")])
        self.assertEqual(notes, [])
        moves, notes = figures.compare(before, report({"a_us": [2, 2]}, parameters={"tasks": 5, "rounds": 2}))
        self.assertEqual(moves, [])
        self.assertIn("another value of tasks", notes[0])
        moves, notes = figures.compare(before, report({"a_us": [2, 2]}, case="dag"))
        self.assertEqual(moves, [])
        self.assertIn("dag: not in both", notes[0])

    def test_between_machines_only_ratios_are_compared(self):
        samples = {"a_us": [1, 1], "a_ratio": [1, 1]}
        other = report({"a_us": [9, 9], "a_ratio": [9, 9]}, machine=MACHINE | {"processor": "Two"})
        moves, notes = figures.compare(report(samples), other)
        self.assertEqual([move.series for move in moves], ["a_ratio"])
        self.assertIn("different machines", notes[0])


class Targets(unittest.TestCase):
    def verdict(self, name, found):
        rows = [row for row in targets.judge_all(found) if row["name"] == name]
        return rows[0]["verdict"]

    def test_met_missed_and_near(self):
        self.assertEqual(self.verdict("P2", report({"sync_to_in_process_ratio": [0.6] * 5})), "met")
        self.assertEqual(self.verdict("P2", report({"sync_to_in_process_ratio": [0.4] * 5})), "missed")
        near = report({"sync_to_in_process_ratio": [0.4, 0.6, 0.6, 0.6, 0.6]})
        self.assertEqual(self.verdict("P2", near), "met, within the noise")
        full = {"width": 1024, "rounds": 5}
        self.assertEqual(self.verdict("P8", report({"stencil_1d_us": [19] * 5}, "metg", full)), "met")
        self.assertEqual(self.verdict("P8", report({"stencil_1d_us": [21] * 5}, "metg", full)), "missed")

    def test_what_was_not_measured_as_it_must_be_is_not_judged(self):
        self.assertEqual(self.verdict("P4", report({})), "not run")
        self.assertEqual(self.verdict("P2", report({})), "not measured")
        self.assertIn("rounds", self.verdict("P2", report({"sync_to_in_process_ratio": [0.6] * 4})))
        small = report({"sync_to_in_process_ratio": [0.6] * 5}, parameters={"tasks": 10, "rounds": 5})
        self.assertEqual(self.verdict("P2", small), "not judged: tasks 10 of 2,000,000")
        failed = report({})
        failed["cases"]["map"] = {"case": "map", "error": "no broker"}
        self.assertEqual(self.verdict("P2", failed), "failed")

    def test_each_target_has_one_bound_and_a_case_that_is_there(self):
        for target in targets.TARGETS:
            self.assertIn(target.case, cases.CASES)
            self.assertNotEqual(target.at_least is None, target.at_most is None, target.name)


class Page(html.parser.HTMLParser):
    """Whether every element that begins also ends, and what the page wants from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.unbalanced, self.wants, self.elements = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.wants += [value for name, value in attrs if name in ("src", "href", "data", "xlink:href")]
        if tag not in ("meta", "br", "hr", "img", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)


class Pages(unittest.TestCase):
    def test_a_page_is_whole_and_needs_nothing_else(self):
        found = report({"in_process_tasks_per_second": [1, 2, 3], "odd_us": [None, None]})
        found["cases"]["metg"] = {"case": "metg", "parameters": {"width": 8}, "figures": {},
                                  "samples": {"fft_us": [5.0]},
                                  "curves": {"fft": [[10, 0.4], [20, 0.6], [0, 0.1], [5, None]]}}
        found["cases"]["dag"] = {"case": "dag", "error": "a <broken> & bad case"}
        found["peers"] = {"tasks": [{"name": "gone", "install": "gone-server"},
                                    {"name": "there", "install": "x", "version": "1", "samples": [7, 8, 9]}]}
        text = page.render(found, figures.compare(found, found))
        seen = Page(text)
        self.assertEqual((seen.open, seen.unbalanced, seen.wants), ([], [], []))
        self.assertNotIn("script", seen.elements)
        self.assertNotIn("url(", text)
        self.assertGreaterEqual(seen.elements.count("svg"), 4)  # two of series, a curve, the peers
        self.assertIn("a &lt;broken&gt; &amp; bad case", text)
        self.assertIn("gone is not installed (gone-server)", text)
        self.assertIn(">there<", text)
        self.assertIn("0 of 2 series moved", text)

    def test_what_moved_and_what_missed_is_shown(self):
        before = report({"sync_to_in_process_ratio": [0.8] * 5})
        after = report({"sync_to_in_process_ratio": [0.4] * 5})
        text = page.render(after, figures.compare(before, after))
        self.assertIn("-50 %", text)
        self.assertIn('<td class="worse">worse</td>', text)
        self.assertIn('<td class="missed">missed</td>', text)

    def test_small_sizes_are_said(self):
        self.assertIn("Small sizes", page.render(report({}, quick=True)))
        self.assertNotIn("Small sizes", page.render(report({})))

    def test_numbers_are_short(self):
        self.assertEqual([plot.short(value) for value in (148579.2, 123.4, 12.34, 0.8712, None, float("nan"))],
                         ["148,579", "123", "12.3", "0.871", "–", "–"])


class Peers(unittest.TestCase):
    def test_adapters_are_whole(self):
        for kind in ("commands", "tasks"):
            self.assertTrue(peers.adapters(kind))
            for adapter in peers.adapters(kind):
                self.assertTrue(adapter.NAME and adapter.INSTALL and adapter.rate and adapter.version)

    def test_those_that_are_here_run_commands(self):
        for adapter in peers.adapters("commands"):
            if adapter.version() is None:
                continue
            with self.subTest(adapter.NAME), tempfile.TemporaryDirectory() as folder:
                self.assertGreater(adapter.rate(2, pathlib.Path(folder)), 0)


class CommandLine(unittest.TestCase):
    def run_it(self, *arguments):
        done = subprocess.run([sys.executable, ROOT / "bench" / "run", *arguments], capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_a_stored_report_becomes_a_page_and_is_compared(self):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, value in (("old", 0.8), ("new", 0.4)):
                files.append(pathlib.Path(folder) / f"{name}.json")
                files[-1].write_text(json.dumps(report({"sync_to_in_process_ratio": [value] * 5})))
            out = pathlib.Path(folder) / "page"
            code, said, errors = self.run_it("--from", files[1], "--compare", files[0], "--out", out)
            self.assertEqual((code, errors), (0, ""))
            self.assertIn("worse  map sync_to_in_process_ratio: 0.8 -> 0.4 (-50 %)", said)
            self.assertIn("missed", said)
            self.assertIn("Against the baseline", out.with_suffix(".html").read_text())
            self.assertFalse(out.with_suffix(".json").exists())  # a stored report stays the only one

    def test_bad_input_is_refused_with_the_reason(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"benchmark": "throughput", "cases": {}}')
            file.flush()
            for arguments, words in ((("--compare", file.name), "no report of bench/run"),
                                     (("--compare", "/nonexistent"), "No such file"),
                                     (("--case", "mop"), "invalid choice: 'mop'"),
                                     (("--repeat", "0"), "at least 1, not 0")):
                code, said, errors = self.run_it(*arguments)
                self.assertEqual((code, said), (2, ""))
                self.assertIn(words, errors)

    def test_a_program_that_fails_or_hangs_says_so(self):
        with self.assertRaisesRegex(cases.Failed, "no luck"):
            cases.run_program(["sh", "-c", "echo no luck >&2; exit 3"], 60)
        with self.assertRaisesRegex(cases.Failed, "exit code 3"):
            cases.run_program(["sh", "-c", "exit 3"], 60)
        with self.assertRaisesRegex(cases.Failed, "not finished after 0.2 s"):
            cases.run_program(["sh", "-c", "sleep 600 & wait"], 0.2)


if __name__ == "__main__":
    unittest.main()
