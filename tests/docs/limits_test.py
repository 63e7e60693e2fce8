#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The check of docs/limits.md, tested: each kind of finding is made where it is planted, and nowhere else."""

import fractions
import pathlib
import shutil
import tempfile
import unittest

import limits

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["lib", "modules", "tools", "tests/unit", "tests/e2e", "docs"]

# (file, what stands there, what is planted instead, what must be said)
PLANTED = [
    ("docs/limits.md", "| `kMaxHttpFields` |", "| `kMaxHttpSize` |",
     ["serve/http_parse.h: kMaxHttpFields has no row", "serve/http_parse.h has no kMaxHttpSize"]),
    ("lib/millrace/wire/limits.h", "max_growth = 64;", "max_growth = 64;\n  std::size_t max_width = 7;",
     ["wire/limits.h: Limits.max_width has no row"]),
    ("lib/millrace/base/text.cc", "namespace {\n", "namespace {\nconstexpr std::size_t kMostWords = 7;\n",
     ["base/text.cc: kMostWords has no row"]),
    ("lib/millrace/exec/confinement.cc", '{"core", RLIMIT_CORE', '{"cores", RLIMIT_CORE',
     ["exec/confinement.cc: kKinds.cores has no row", "exec/confinement.cc has no kKinds.core"]),
    ("lib/millrace/serve/http_parse.h", "kMaxHttpHead = 8u << 10", "kMaxHttpHead = 9u << 10",
     ["kMaxHttpHead is 9u << 10 in serve/http_parse.h, not 8 KiB"]),
    ("lib/millrace/wire/limits.h", ".max_depth = 16", ".max_depth = 17",
     ["kFrameLimits.max_depth is 17 in wire/limits.h, not 16"]),
    ("docs/limits.md", "`HttpParseTest.LinesAndHeadsHaveALimit`", "`HttpParseTest.LinesHaveALimit`",
     ["no test is named HttpParseTest.LinesHaveALimit"]),
    ("lib/millrace/store/epoch.cc", "kLongest ", "kWidest ", ["there is no store/epoch.cc:kLongest any more"]),
]


class LimitsTest(unittest.TestCase):
    def test_every_kind_of_finding_is_made_where_it_is_planted(self):
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for folder in FOLDERS:
                shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
            for file, text, planted, said in PLANTED:
                with self.subTest(file=file, planted=planted):
                    good = (root / file).read_text(encoding="utf-8")
                    self.assertIn(text, good)
                    (root / file).write_text(good.replace(text, planted, 1), encoding="utf-8")
                    findings = list(limits.check(root))
                    (root / file).write_text(good, encoding="utf-8")
                    self.assertEqual(len(findings), len(said), findings)
                    for words, finding in zip(said, findings):
                        self.assertIn(words, finding)

    def test_the_tree_has_none(self):
        self.assertEqual(list(limits.check(ROOT)), [])

    def test_values_are_understood(self):
        for expression, value in (("10'000'000", 10_000_000), ("std::size_t{16} << 20", 16 << 20), ("8u << 10", 8192),
                                  ("1ull << 31", 1 << 31), ("7 * 24 * 3600", 604_800), ("{30}", 30),
                                  ("(std::int64_t{4} << 20) + (std::int64_t{64} << 10)", 4160 << 10),
                                  ("std::chrono::seconds(5)", 5), ("hours(24 * 30)", 2_592_000),
                                  ("milliseconds(1)", fractions.Fraction(1, 1000)), ("kOne + 1", 2), ("f()", None)):
            self.assertEqual(limits.value_of(expression, {"kOne": "std::size_t{1}"}), value, expression)
        for text, value in (("64", 64), ("1,000", 1000), ("16 Mi", 16 << 20), ("30 d", 2_592_000), ("many", None)):
            self.assertEqual(limits.number_of(text), value, text)


if __name__ == "__main__":
    unittest.main()
