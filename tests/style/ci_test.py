# SPDX-License-Identifier: Apache-2.0
"""Tests of what CI rests on: tools/within ends everything in time, and .ci/run counts what its stages say."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WITHIN = ROOT / "tools" / "within"


def within(seconds, *command):
    # The pipe has no end before the last process that holds it: what is left behind would make this wait for ever.
    return subprocess.run([WITHIN, str(seconds), *command], capture_output=True, text=True, timeout=300)


class Within(unittest.TestCase):
    def test_gives_the_commands_exit_code(self):
        self.assertEqual(within(60, "sh", "-c", "exit 3").returncode, 3)
        self.assertEqual(within(60, "sh", "-c", "kill -9 $$").returncode, 137)
        self.assertEqual(within(60, "/nonexistent").returncode, 127)

    def test_leaves_nothing_behind_that_went_to_another_session(self):
        done = within(200, "sh", "-c", "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 250' & sleep 0; exit 4")
        self.assertEqual(done.returncode, 4)

    def test_ends_what_takes_too_long_with_all_it_started(self):
        done = within(1, "sh", "-c", "setsid sleep 250 & sleep 250")
        self.assertEqual(done.returncode, 124)
        self.assertIn("not finished after 1 s", done.stderr)


class Run(unittest.TestCase):
    def run_ci(self, check, self_code=0, bench_code=0):
        """.ci/run of a tree whose tools/check is the shell text `check`."""
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            for name in (".ci/run", "tools/within", "tools/tally"):
                (tree / name).parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, tree / name)
            for name, text in (("check", check), ("self", f"exit {self_code}"),
                               ("bench-check", f"exit {bench_code}")):
                (tree / "tools" / name).write_text(f"#!/bin/sh\n{text}\n")
                os.chmod(tree / "tools" / name, 0o755)
            done = subprocess.run([tree / ".ci" / "run"], capture_output=True, text=True, timeout=300)
            return done.returncode, done.stdout.splitlines()[-1]

    def test_adds_up_its_stages(self):
        self.assertEqual(self.run_ci("echo 5 passed, 0 failed, 1 skipped", bench_code=77),
                         (0, "21 passed, 0 failed, 5 skipped"))

    def test_a_stage_that_broke_off_is_a_failure(self):
        code, line = self.run_ci("case $2 in thread) exit 2;; esac; echo 5 passed, 0 failed")
        self.assertEqual((code, line), (1, "17 passed, 1 failed"))

    def test_instruction_counts_that_took_too_long_are_skipped(self):
        self.assertEqual(self.run_ci("echo 5 passed, 0 failed", bench_code=124), (0, "21 passed, 0 failed, 1 skipped"))

    def test_a_failing_stage_without_a_failed_case_is_a_failure(self):
        self.assertEqual(self.run_ci("echo 5 passed, 0 failed; exit 1", 1, 1), (1, "20 passed, 6 failed"))


if __name__ == "__main__":
    sys.exit(unittest.main())
