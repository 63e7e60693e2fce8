# SPDX-License-Identifier: Apache-2.0
"""What pipelines come to, in YAML and in C++: failures, timeouts, cancels, results, the cache."""

import json

from fleet import is_alive, lines, wait_for
from samples import SLEEPER


def A03_A37_a_failure_shows_what_happened_where(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    pipeline = fleet.pipeline("name: x\nmodules: {bad: {run: 'echo one; echo two >&2; exit 7'}}\n")
    done = fleet.ctl("submit", pipeline, "--wait", code=1)
    for part in ("FAILED bad", "7", "two", "worker w1", "try 1"):
        assert part in done.stderr, (part, done.stderr)


def A14_a_wrong_pipeline_is_refused_with_its_place_both_ways(fleet):
    fleet.start_broker()
    for text, parts in (
            ("name: x\nmodules:\n  a: {run: 'true', neds: [b]}\n", (":3:", "neds", "needs")),
            ("name: x\nmodules:\n  a: {run: 'true', needs: [b]}\n  b: {run: 'true', needs: [a]}\n", ("a -> b -> a",)),
            ("name: x\nmodules:\n  a: {run: 'true', needs: [a]}\n", (":3:", "a")),
            ("name: x\nmodules:\n  a: {run: 'true', needs: [c]}\n", (":3:", "c")),
            ("name: x\nmodules:\n  a: {run: 'true'}\n  a: {run: 'false'}\n", (":4:", "a"))):
        file = fleet.pipeline(text)
        submitted = fleet.ctl("submit", file, code=65).stderr
        alone = fleet.start("alone", "millrace-broker", "--run", file, "--port", "0", "--data-dir",
                            str(fleet.dir / "other"))
        assert alone.wait(timeout=60) == 65, fleet.log("alone")
        for part in ("pipeline.yaml:", *parts):
            assert part in submitted and part in fleet.log("alone"), (part, submitted, fleet.log("alone"))
    assert fleet.json("runs") == []


def A18_a_timeout_kills_the_whole_tree(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", args=("--kill-grace", "200ms"))
    worker = fleet.processes["w1"]
    run = fleet.submit(SLEEPER.replace("  nap:", "  nap:\n    timeout: 1s\n    retry_on: never"))
    row = fleet.wait_run(run)
    assert row["state"] == "failed", row
    task = next(task for task in fleet.json("tasks", run) if task["name"] == "nap")
    assert task["outcome"] == "timed_out", task
    for pid in lines(fleet.work / "pids"):
        wait_for(f"the end of {pid}", lambda one=int(pid): not is_alive(one))
    # A module host that lives may keep one for its next command; each has the host's process in its name.
    def folders():
        return [int(path.name.split("-")[-2]) for path in fleet.temporary.glob("millrace-*")]

    wait_for("the end of its temporary folder", lambda: all(is_alive(pid) for pid in folders()))
    worker.terminate()
    assert worker.wait(timeout=60) == 0, fleet.log("w1")
    wait_for("the end of all temporary folders", lambda: not folders())


def A20_A17_cancel_stops_what_runs_and_teardown_still_runs(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", args=("--kill-grace", "200ms"))
    run = fleet.submit(SLEEPER)
    wait_for("the tree", lambda: len(lines(fleet.work / "pids")) == 3)
    fleet.ctl("cancel", run)
    row = fleet.wait_run(run)
    assert row["state"] == "cancelled", row
    assert (fleet.work / "torn-down").exists()
    for pid in lines(fleet.work / "pids"):
        wait_for(f"the end of {pid}", lambda one=int(pid): not is_alive(one))


def A33_a_result_of_5_MiB_goes_from_worker_to_worker(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", args=("--tag", "makes"))
    fleet.start_workers("w2", args=("--tag", "takes"))
    run = fleet.submit("""
name: bulk
modules:
  make:
    requires: {tags: [makes]}
    run: |
      { printf '"'; head -c 4000000 /dev/urandom | base64 -w0; printf '"'; } > made.json
      cp made.json "$MILLRACE_OUTPUT"
  take:
    needs: [make]
    requires: {tags: [takes]}
    run: cp "$MILLRACE_INPUTS/make.json" taken.json
""")
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    made = json.loads((fleet.work / "made.json").read_text())
    assert len(made) > 5 << 20
    assert json.loads((fleet.work / "taken.json").read_text()) == made
    assert json.loads(fleet.ctl("result", "make").stdout) == made


def A33_a_submission_over_1_MiB_arrives(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    script = "\n".join(["      # " + "x" * 100] * 600)
    run = fleet.submit(f"""
name: large
modules:
  work:
    matrix: {{n: [{", ".join(str(n) for n in range(30))}]}}
    run: |
{script}
      echo "$n" >> done
""")
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    assert sorted(int(line) for line in lines(fleet.work / "done")) == list(range(30))


def A38_a_cached_step_is_not_run_again(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    text = "name: x\nmodules: {a: {cached: true, run: 'echo ran >> ran; echo 42 > $MILLRACE_OUTPUT'}}\n"
    for _ in range(2):
        row = fleet.wait_run(fleet.submit(text))
        assert row["state"] == "succeeded", row
        assert fleet.ctl("result", "a").stdout.strip() == "42"
    assert row["cached"] == 1 and lines(fleet.work / "ran") == ["ran"]


def a_cpp_pipeline_runs_standalone_and_on_workers(fleet):
    del fleet.env["MILLRACE_DETECT_TOOLS"]
    alone = fleet.start("alone", "example-release", "run")
    assert alone.wait(timeout=60) == 0, fleet.log("alone")
    fleet.start_broker()
    for name in ("c1", "c2"):
        fleet.start(name, "example-release", "worker", "--worker-id", name, "--slots", "1")
    fleet.wait_workers(2)
    submitted = fleet.start("submitted", "example-release", "submit")
    assert submitted.wait(timeout=60) == 0, fleet.log("submitted")
    assert fleet.ctl("result", "publish").stdout.strip() == '"published after 100 passing tests"'


def an_orchestrator_runs_its_pipeline_and_releases_its_workers(fleet):
    del fleet.env["MILLRACE_DETECT_TOOLS"]
    ready = fleet.dir / "endpoint"
    orchestrator = fleet.start("orchestrator", "example-etl", "orchestrator", "--port", "0", "--data-dir",
                               str(fleet.dir / "data"), "--ready-file", str(ready))
    fleet.env["ORCHESTRATOR_URL"] = wait_for("the endpoint", lambda: ready.exists() and ready.read_text().strip())
    worker = fleet.start("worker", "example-etl", "worker", "--slots", "2")
    assert orchestrator.wait(timeout=60) == 0, fleet.log("orchestrator")
    assert worker.wait(timeout=60) == 0, fleet.log("worker")


def A04_A25_tasks_that_take_no_slot_run_beside_those_that_do(fleet):
    fleet.start_broker()
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "1")
    fleet.wait_workers(1)
    run = fleet.submit("""
name: waits
modules:
  busy: {run: "touch busy; while [ ! -e go ]; do sleep 0.05; done"}
  waits: {requires: {cpus: 0}, run: "while [ ! -e busy ]; do sleep 0.05; done; touch go"}
""")
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
