#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/run on real programs with the smallest sizes: every case has all its series, and the report is whole.

usage: smoke_test.py BUILD_DIR

No figure is judged: they are those of a build and a machine that are made for something else.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from harness.cases import CASES  # noqa: E402
from harness.targets import TARGETS  # noqa: E402

NOT_MADE_YET = {"array_to_bare_ratio"}  # jobs that are arrays do not exist


def check(condition, words):
    if not condition:
        sys.exit(f"smoke_test: {words}")


def check_case(name, case):
    check("error" not in case, f"{name} failed: {case.get('error')}")
    check(case["case"] == name and case["parameters"] and case["samples"], f"{name} is not whole: {case}")
    check(case["figures"].keys() == case["samples"].keys(), f"{name} has figures without samples, or the reverse")
    rounds = case["parameters"]["rounds"]
    for series, samples in case["samples"].items():
        check(len(samples) == rounds, f"{name} has {len(samples)} samples of {series} in {rounds} rounds")
        # Tasks that do so little may never be worth it: the only figure that there may not be.
        numbers = [sample for sample in samples if sample is not None]
        check(name == "metg" or len(numbers) == rounds, f"{name} has rounds without {series}")
        # Memory may not have grown by so little, and so few workers beat in no time.
        check(name in ("memory", "crowd") or all(number > 0 for number in numbers),
              f"{name} has a {series} that is not positive: {samples}")
    for target in TARGETS:
        if target.case == name and target.series not in NOT_MADE_YET:
            check(target.series in case["samples"], f"{name} lacks {target.series}, which {target.name} speaks of")


def main():
    build = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="millrace-bench-test.") as folder:
        out = pathlib.Path(folder) / "report"
        done = subprocess.run([sys.executable, ROOT / "bench" / "run", "--quick", "--no-build", "--no-peers",
                               "--build-dir", build, "--out", out], capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"bench/run gave {done.returncode}:\n{done.stdout}{done.stderr}")
        report = json.loads(out.with_suffix(".json").read_text())
        page = out.with_suffix(".html").read_text()
    check(report["quick"] and report["version"] and report["machine"]["processors"], f"no head: {report.keys()}")
    check(list(report["cases"]) == list(CASES), f"not all cases: {list(report['cases'])}")
    for name, case in report["cases"].items():
        check_case(name, case)
        check(f"<h2>{name}</h2>" in page, f"the page has no {name}")
    verdicts = {row["verdict"].split(":")[0] for row in report["targets"]}
    check(verdicts == {"not judged", "not measured"}, f"so small a run was judged: {verdicts}")
    check(page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n") and page.count("<svg") >= len(CASES),
          "the page is not whole")


if __name__ == "__main__":
    main()
