#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The examples, each in one process and on a broker with workers. Prints TAP.

usage: examples_test.py BUILD_DIR
"""

import json
import pathlib
import subprocess
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from fleet import PATIENCE, Fleet, wait_for  # noqa: E402

TASKS = {("release", "cxx"): 9, ("release", "yaml"): 10, ("etl", "cxx"): 4, ("etl", "yaml"): 4}
RESULTS = {  # of their `publish`
    "release": {"shards": 4},
    "etl": {"kept": [1, 1, 2, 3, 4, 5], "sum": 16},
}


def outcomes(done):
    """Name -> (outcome, try) of every task in a summary in JSON."""
    assert done.returncode == 0, done.stdout + done.stderr
    return {task["name"]: (task["outcome"], task["try"]) for task in json.loads(done.stdout)["tasks"]}


def run(fleet, program, *args):
    return subprocess.run([fleet.program(program), *args], capture_output=True, text=True, env=fleet.env,
                          cwd=fleet.work, timeout=PATIENCE, check=False)


def check(name, language, tasks):
    assert len(tasks) == TASKS[name, language], tasks
    for task, (outcome, tries) in tasks.items():
        assert outcome == "succeeded", (task, outcome)
        assert tries == (2 if task == "fetch" else 1), (task, tries)


def cxx_alone(fleet, name):
    check(name, "cxx", outcomes(run(fleet, f"example-{name}", "run", "--data-dir", str(fleet.dir / "alone"), "--json")))


def cxx_distributed(fleet, name):
    ready = fleet.dir / "orchestrator.endpoint"
    with subprocess.Popen([fleet.program(f"example-{name}"), "orchestrator", "--port", "0", "--json", "--data-dir",
                           str(fleet.dir / "data"), "--ready-file", str(ready)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=fleet.env,
                          cwd=fleet.work) as orchestrator:
        wait_for("the orchestrator's endpoint", lambda: ready.exists() or orchestrator.poll() is not None)
        fleet.env["ORCHESTRATOR_URL"] = ready.read_text().strip()
        # One alone: a second might come when the run is over, and would then wait for a broker that never returns.
        worker = fleet.start("w1", f"example-{name}", "worker", "--worker-id", "w1", "--slots", "2")
        out, err = orchestrator.communicate(timeout=PATIENCE)
        check(name, "cxx", outcomes(subprocess.CompletedProcess([], orchestrator.returncode, out, err)))
    wait_for("the worker's release", lambda: worker.poll() is not None)
    assert worker.returncode == 0, fleet.log("w1")


def yaml_alone(fleet, name):
    check(name, "yaml", outcomes(run(fleet, "millrace-broker", "--run", str(ROOT / f"examples/pipelines/{name}.yaml"),
                                     "--prefer-local", "--port", "0", "--data-dir", str(fleet.dir / "alone"),
                                     "--json")))


def yaml_distributed(fleet, name):
    fleet.start_broker()
    fleet.start_workers("w1", "w2")
    file = str(ROOT / f"examples/pipelines/{name}.yaml")
    check(name, "yaml", outcomes(fleet.ctl("submit", file, "--wait", "--json")))
    assert json.loads(fleet.ctl("result", "publish").stdout) == RESULTS[name]


def main():
    count = failed = 0
    for kind in (cxx_alone, cxx_distributed, yaml_alone, yaml_distributed):
        for name in ("release", "etl"):
            count += 1
            fleet = Fleet(pathlib.Path(sys.argv[1]).resolve())
            del fleet.env["MILLRACE_DETECT_TOOLS"]  # some steps require tools, and whoever runs them looks for these
            try:
                kind(fleet, name)
                print(f"ok {count} - {name} {kind.__name__}", flush=True)
            except Exception:  # whatever it is, the others still run
                failed += 1
                print(f"not ok {count} - {name} {kind.__name__}", flush=True)
                for line in traceback.format_exc().splitlines():
                    print(f"# {line}")
            finally:
                fleet.close()
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
