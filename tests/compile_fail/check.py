#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles wrong programs with every compiler there is: each must be refused with exactly one error, which is the line
its `// expect:` names; its correct twin must compile.

    check.py INCLUDE_DIR CASES_DIR [COMPILER...]     by default g++ and clang++, those that are there
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = ["-std=c++20", "-Wall", "-Wextra"]
SKIPPED = 77


class Compiler:
    """One compiler, with the prelude compiled once for all cases."""

    def __init__(self, program, include, prelude, scratch):
        self.name = Path(program).name
        self.command = [program, *FLAGS, "-I", include]
        if "clang" in self.name:
            compiled = scratch / f"{self.name}.pch"
            self.prelude = ["-include-pch", str(compiled)]
        else:
            (scratch / self.name).mkdir()
            compiled = scratch / self.name / "prelude.h.gch"
            self.prelude = ["-include", str(compiled.with_suffix(""))]
        subprocess.run([*self.command, "-x", "c++-header", "-w", str(prelude), "-o", str(compiled)], check=True)

    def run(self, case, *defines):
        return subprocess.run([*self.command, *self.prelude, *defines, "-fsyntax-only", str(case)],
                              capture_output=True, text=True)

    def problem_of(self, case):
        """What is wrong with how this compiler takes the case, or None."""
        expected = re.search(r"^// expect: (.+)$", case.read_text(), re.MULTILINE).group(1)
        twin = self.run(case)
        if twin.returncode != 0:
            return f"the correct twin does not compile:\n{twin.stderr}"
        wrong = self.run(case, "-DMISTAKE")
        if wrong.returncode == 0:
            return "the mistake compiles"
        errors = [line for line in wrong.stderr.splitlines() if re.search(r"\berror: ", line)]
        if len(errors) != 1:
            return f"{len(errors)} errors instead of one:\n" + "\n".join(errors)
        if expected not in errors[0]:
            return f"the error does not say '{expected}':\n{errors[0]}"
        return None


def main():
    include, cases = sys.argv[1], Path(sys.argv[2])
    programs = [found for name in sys.argv[3:] or ["g++", "clang++"] if (found := shutil.which(name))]
    if not programs:
        print("no compiler found")
        return SKIPPED
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for program in programs:
            compiler = Compiler(program, include, cases.parent / "prelude.h", Path(scratch))
            for case in sorted(cases.glob("*.cc")):
                problem = compiler.problem_of(case)
                print(f"{'FAIL' if problem else 'ok'}: {case.stem} with {compiler.name}", flush=True)
                if problem:
                    print(problem)
                passed, failed = passed + (not problem), failed + bool(problem)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
