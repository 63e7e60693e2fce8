#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The style check and the tally of test results, tested: every rule fires on a planted violation, and only there."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import tempfile
import unittest

import check

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = "// SPDX-License-Identifier: Apache-2.0\n"
HEADER = HEAD + "// What this header is for.\n#pragma once\n"


def load_tally():
    loader = importlib.machinery.SourceFileLoader("tally", str(ROOT / "tools" / "tally"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tally", loader))
    loader.exec_module(module)
    return module


def findings_in(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = pathlib.Path(root, path)
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(text.encode("utf-8"))
        return check.check_tree(root, sorted(files))


def function(lines):
    return "void F(int a) {\n" + "  G();\n" * (lines - 2) + "}\n"


# (rule, path, text, line at which it must fire)
PLANTED = [
    ("spdx", "lib/millrace/base/a.cc", "int x;\n", 1),
    ("spdx", "tools/a", "#!/bin/sh\necho\n", 2),
    ("spdx", "lib/meson.build", "x = 1\n", 1),
    ("purpose", "lib/millrace/base/a.h", HEAD + "#pragma once\n", 2),
    ("purpose", "lib/millrace/base/a.h", HEAD + "// a.h\n#pragma once\n", 2),
    ("pragma-once", "lib/millrace/base/a.h", HEAD + "// What this header is for.\n", 1),
    ("layer", "lib/millrace/base/a.h", HEADER + '#include "millrace/model/job.h"\n', 4),
    ("layer", "lib/millrace/sched/a.cc", HEAD + '#include "millrace/wire/codec.h"\n', 2),
    ("layer", "lib/millrace/net/a.cc", HEAD + '# include "millrace/serve/clock.h"\n', 2),
    ("layer", "lib/millrace/serve/a.cc", HEAD + '#include "millrace/host/main.h"\n', 2),
    ("layer", "modules/a.cc", HEAD + '#include "millrace/exec/process.h"\n', 2),
    ("library", "lib/millrace/serve/a.cc", HEAD + "#include <zmq.hpp>\n", 2),
    ("library", "lib/millrace/net/a.cc", HEAD + "#include <msgpack.hpp>\n", 2),
    ("library", "lib/millrace/net/a.cc", HEAD + "#include <lz4frame.h>\n", 2),
    ("library", "lib/millrace/api/a.cc", HEAD + "#include <yaml-cpp/yaml.h>\n", 2),
    ("library", "worker/a.cc", HEAD + "#include <sqlite3.h>\n", 2),
    ("library", "lib/millrace/exec/a.cc", HEAD + "#include <glog/logging.h>\n", 2),
    ("library", "lib/millrace/yaml/a.cc", HEAD + "#include <CLI/CLI.hpp>\n", 2),
    ("library", "lib/millrace/store/a.cc", HEAD + "#include <openssl/evp.h>\n", 2),
    ("library", "lib/millrace/wire/a.cc", HEAD + "#include <xxhash.h>\n", 2),
    ("pure", "lib/millrace/sched/a.cc", HEAD + "#include <mutex>\n", 2),
    ("pure", "lib/millrace/agent/a.cc", HEAD + "auto t = std::chrono::steady_clock::time_point();\n", 2),
    ("pure", "lib/millrace/agent/a.cc", HEAD + "auto t = Clock::now();\n", 2),
    ("pure", "lib/millrace/sched/a.cc", HEAD + "std::random_device d;\n", 2),
    ("pure", "lib/millrace/sched/a.cc", HEAD + 'auto v = getenv("X");\n', 2),
    ("file-length", "lib/millrace/base/a.cc", HEAD + "int x;\n" * 500, 501),
    ("columns", "lib/millrace/base/a.cc", HEAD + "int x;" + " " * 110 + "  x();\n", 2),
    ("function-length", "lib/millrace/base/a.cc", HEAD + function(71), 2),
    ("function-length", "lib/millrace/base/a.cc", HEAD + "A::A(int x)\n    : x_(x) {\n" + "G();\n" * 70 + "}\n", 3),
    ("banned-call", "lib/millrace/base/a.cc", HEAD + "int x = std::rand();\n", 2),
    ("banned-call", "lib/millrace/exec/a.cc", HEAD + 'int x = system("ls");\n', 2),
    ("banned-call", "lib/millrace/serve/a.cc", HEAD + "std::this_thread::sleep_for(x);\n", 2),
    ("banned-call", "worker/a.cc", HEAD + "void F() { ::usleep(3); }\n", 2),
    ("console", "lib/millrace/api/a.cc", HEAD + "void F() { std::cout << 1; }\n", 2),
    ("console", "lib/millrace/api/a.cc", HEAD + 'void F() { fprintf(stderr, "x"); }\n', 2),
    ("using-namespace", "tests/unit/a.cc", HEAD + "using namespace std;\n", 2),
    ("unfinished", "docs/a.md", "TO" + "DO: write\n", 1),
    ("unfinished", "lib/millrace/base/a.cc", HEAD + "// FIX" + "ME\n", 2),
    ("tab", "docs/a.md", "x\n\ty\n", 2),
    ("trailing-blank", "docs/a.md", "x \n", 1),
    ("final-newline", "docs/a.md", "x", 1),
    ("final-newline", "docs/a.md", "x\n\n", 3),
    ("ascii", "lib/millrace/base/a.cc", HEAD + "// caf\u00e9\n", 2),
    ("unbuilt", "lib/millrace/base/dead.cc", HEAD, 1),
    ("link", "docs/a.md", "see [b](b.md#top)\n", 1),
]

CLEAN = {
    "lib/millrace/base/a.cc": HEAD + "#include <openssl/evp.h>\n"
                              'const char* kText = "caf\u00e9 // system( std::rand(";\n',
    "lib/millrace/base/a.h": HEADER + "// std::cout << system(1), using namespace std; is only spoken of here.\n",
    "lib/millrace/sched/a.cc": HEAD + '#include "millrace/sched/b.h"\n#include "millrace/model/job.h"\n'
                               "#include <chrono>\n// #include <mutex>\nint lifetime(int); int x = lifetime(0);\n",
    "lib/millrace/serve/a.cc": HEAD + '#include "millrace/net/socket.h"\nint F() { return file.system(1) + 1\'000; }\n'
                               'void G() { std::snprintf(b, 1, "https://x"); }\n',
    "lib/millrace/host/a.cc": HEAD + "#include <CLI/CLI.hpp>\nvoid F() { std::cout << 1; }\n",
    "lib/millrace/net/a.cc": HEAD + "#include <zmq.hpp>\n" + function(70),
    "lib/meson.build": "# SPDX-License-Identifier: Apache-2.0\nx = 'a.cc'\n",
    "tests/unit/a.cc": HEAD + "#include <msgpack.hpp>\nTEST(A, B) {\n" + "  F();\n" * 100 + "}\n",
    "tests/meson.build": "# SPDX-License-Identifier: Apache-2.0\nx = 'a.cc'\n",
    "tests/fuzz/corpus/x.yaml": "a:\t b \n\n",
    "docs/a.md": "see [b](../README.md), [c](https://x.org/y.md), [d](#here), `[e](gone.md)`\n"
                 "```\n[f](gone.md)\n```\n",
    "README.md": "read [the docs](docs)\n",
}


class StyleTest(unittest.TestCase):
    def test_every_rule_fires_on_a_planted_violation(self):
        for rule, path, text, line in PLANTED:
            with self.subTest(rule=rule, path=path, text=text[:120]):
                build = {} if rule == "unbuilt" else {"meson.build": HEAD.replace("//", "#") + "x = 'a.cc'\n"}
                if path == "lib/meson.build" or rule == "unbuilt":
                    build = {"meson.build": HEAD.replace("//", "#")}
                found = [(f.rule, f.path, f.line) for f in findings_in({path: text, **build})]
                self.assertEqual(found, [(rule, path, line)])

    def test_every_rule_is_planted(self):
        self.assertEqual({planted[0] for planted in PLANTED}, set(check.RULES))

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(findings_in(CLEAN), [])

    def test_exceptions_hold_only_where_they_are_made(self):
        text = HEAD + "void F() { std::cout << 1; }\n"
        self.assertEqual(findings_in({"lib/millrace/host/a.cc": text}), [])
        self.assertEqual([f.rule for f in findings_in({"lib/millrace/hostile/a.cc": text})], ["console"])

    def test_links_are_resolved_from_their_document(self):
        self.assertEqual(findings_in({"docs/a.md": "[b](b.md)\n", "docs/b.md": "[a](../docs/a.md)\n"}), [])


class TallyTest(unittest.TestCase):
    JUNIT = """<?xml version='1.0'?><testsuites><testsuite name="millrace.unit base.IdsTest">
      <testcase name="A" status="run"/><testcase name="B" status="run">{b}</testcase>
      <testcase name="C" status="notrun"/></testsuite>
      <testsuite name="millrace.millrace / e2e"><testcase name="1"/><testcase name="2"/>
      <testcase name="3"><skipped/></testcase></testsuite>
      <testsuite name="millrace"><testcase name="style"/></testsuite></testsuites>"""

    def count(self, results, b="", junit=True):
        with tempfile.TemporaryDirectory() as build:
            logs = pathlib.Path(build, "meson-logs")
            logs.mkdir()
            if junit:
                (logs / "testlog.junit.xml").write_text(self.JUNIT.format(b=b), encoding="utf-8")
            lines = [json.dumps({"name": name, "result": result}) for name, result in results.items()]
            (logs / "testlog.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
            return tuple(load_tally().tally(build)[0])

    def test_cases_of_googletest_count_one_by_one(self):
        self.assertEqual(self.count({"unit base": "OK", "style": "OK"}), (3, 0, 1))

    def test_cases_of_tap_count_one_by_one(self):
        self.assertEqual(self.count({"millrace / e2e": "OK"}), (2, 0, 1))
        self.assertEqual(self.count({"millrace / e2e": "FAIL"}), (2, 1, 1))

    def test_names_decorated_with_suites_are_the_same_programs(self):
        self.assertEqual(self.count({"millrace:fast / unit base": "OK"}), (2, 0, 1))

    def test_a_failed_case_counts_once(self):
        self.assertEqual(self.count({"unit base": "FAIL"}, b="<failure/>"), (1, 1, 1))

    def test_a_program_that_fails_outside_its_cases_is_a_failure(self):
        self.assertEqual(self.count({"unit base": "FAIL"}), (2, 1, 1))
        self.assertEqual(self.count({"unit base": "TIMEOUT"}), (2, 1, 1))

    def test_a_program_that_left_no_cases_is_a_failure(self):
        self.assertEqual(self.count({"unit base": "FAIL"}, junit=False), (0, 1, 0))
        self.assertEqual(self.count({"style": "TIMEOUT"}), (0, 1, 0))
        self.assertEqual(self.count({"style": "SKIP"}), (0, 0, 1))

    def test_the_slowest_come_first(self):
        with tempfile.TemporaryDirectory() as build:
            pathlib.Path(build, "meson-logs").mkdir()
            ran = [{"name": f"millrace / unit {n}", "result": "OK", "duration": n} for n in range(12)]
            text = "".join(json.dumps(program) + "\n" for program in ran)
            pathlib.Path(build, "meson-logs", "part-1.json").write_text(text, encoding="utf-8")
            self.assertEqual(load_tally().slowest(build, "part-1", 2), ["   11.0 s  unit 11", "   10.0 s  unit 10"])
            self.assertEqual(tuple(load_tally().tally(build, "part-1")[0]), (12, 0, 0))

    def test_what_was_left_out_is_told(self):
        out = io.StringIO()
        with tempfile.TemporaryDirectory() as build, contextlib.redirect_stdout(out):
            self.assertEqual(load_tally().main([build, "--failed", "2", "--skipped", "1"]), 1)
        self.assertEqual(out.getvalue(), "0 passed, 2 failed, 1 skipped\n")

    def test_nothing_run_is_not_a_success(self):
        with tempfile.TemporaryDirectory() as build:
            self.assertEqual(load_tally().main([build]), 1)


if __name__ == "__main__":
    unittest.main()
