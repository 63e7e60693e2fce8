#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real programs on loopback, as a person uses them, with things killed and rubbish fed. Prints TAP.

usage: programs_test.py BUILD_DIR [NAME...]
"""

import os
import pathlib
import signal
import socket
import sys
import traceback
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fleet import Fleet, is_alive, wait_for  # noqa: E402

TWELVE = """
name: twelve
modules:
  start: {run: "true"}
  work:
    needs: [start]
    matrix: {n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}
    run: |
      echo "$n $$" >> started
      while [ ! -e go ]; do sleep 0.05; done
      echo "$n" >> done
  end: {needs: [work], run: "true"}
"""
SLEEPER = """
name: sleeper
modules:
  nap:
    run: |
      sleep 1000 & echo $! >> pids
      setsid sleep 1000 & echo $! >> pids
      echo $$ >> pids
      sleep 1000
  after: {needs: [nap], run: "true"}
  teardown: {needs: [nap], always_run: true, run: "touch torn-down"}
"""


def lines(file):
    return file.read_text().split("\n")[:-1] if file.exists() else []


def A01_kill_9_of_a_worker_mid_run_loses_nothing(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", "w2", "w3")
    run = fleet.submit(TWELVE)
    wait_for("six tasks to run", lambda: len(lines(fleet.work / "started")) >= 6)
    children = [int(line.split()[1]) for line in lines(fleet.work / "started")]
    holders = {task["name"]: task["worker"] for task in fleet.json("tasks", run)}
    victim = next(holders[f"work[n={line.split()[0]}]"] for line in lines(fleet.work / "started"))
    fleet.kill(victim)
    (fleet.work / "go").touch()
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 14, row
    assert f"worker {victim} " in fleet.log("broker") and "has died; its tasks: work[" in fleet.log("broker")
    # Committed once each: the broker knows fourteen outcomes for fourteen tasks.
    assert fleet.json("status")["tasks_completed"] == 14
    for child in children:
        wait_for(f"the end of {child}", lambda pid=child: not is_alive(pid))


def A02_A27_no_capable_worker_is_said_and_then_fails(fleet):
    fleet.start_broker("--capability-timeout", "3s")
    fleet.start_workers("w1")
    done = fleet.ctl("submit", fleet.pipeline("name: x\nmodules: {a: {run: 'true', requires: {tags: [gpu]}}}\n"))
    assert "gpu" in done.stderr, done.stderr
    run = done.stdout.strip()
    assert "gpu" in fleet.ctl("why", "a").stdout
    row = fleet.wait_run(run)
    assert row["state"] == "failed" and "gpu" in row["root_cause"], row


def A03_A37_a_failure_shows_what_happened_where(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    pipeline = fleet.pipeline("name: x\nmodules: {bad: {run: 'echo one; echo two >&2; exit 7'}}\n")
    done = fleet.ctl("submit", pipeline, "--wait", code=1)
    for part in ("FAILED bad", "7", "two", "worker w1", "try 1"):
        assert part in done.stderr, (part, done.stderr)


def A05_workers_end_when_the_broker_is_killed(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1", args=("--broker-lost-timeout", "3s"))
    fleet.submit(SLEEPER)
    pids = wait_for("the tree", lambda: len(lines(fleet.work / "pids")) == 3 and lines(fleet.work / "pids"))
    broker.kill()
    worker = fleet.processes["w1"]
    wait_for("the worker to give up", lambda: worker.poll() is not None)
    assert worker.returncode == 75, (worker.returncode, fleet.log("w1"))
    for pid in pids:
        wait_for(f"the end of {pid}", lambda one=int(pid): not is_alive(one))


def A05_a_broker_that_ends_releases_its_workers(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1", "w2")
    broker.terminate()
    for key in ("w1", "w2", "broker"):
        process = fleet.processes[key]
        wait_for(f"{key} to end", lambda one=process: one.poll() is not None)
        assert process.returncode == 0, (key, process.returncode, fleet.log(key))


def A14_a_wrong_pipeline_is_refused_with_its_place(fleet):
    fleet.start_broker()
    done = fleet.ctl("submit", fleet.pipeline("name: x\nmodules:\n  a: {run: 'true', neds: [b]}\n"), code=65)
    assert "pipeline.yaml:3:" in done.stderr and "needs" in done.stderr, done.stderr
    done = fleet.ctl("submit", fleet.pipeline(
        "name: x\nmodules:\n  a: {run: 'true', needs: [b]}\n  b: {run: 'true', needs: [a]}\n"), code=65)
    assert "a -> b -> a" in done.stderr, done.stderr
    assert fleet.json("runs") == []


def A18_a_timeout_kills_the_whole_tree(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", args=("--kill-grace", "200ms"))
    run = fleet.submit(SLEEPER.replace("  nap:", "  nap:\n    timeout: 1s\n    retry_on: never"))
    row = fleet.wait_run(run)
    assert row["state"] == "failed", row
    task = next(task for task in fleet.json("tasks", run) if task["name"] == "nap")
    assert task["outcome"] == "timed_out", task
    for pid in lines(fleet.work / "pids"):
        wait_for(f"the end of {pid}", lambda one=int(pid): not is_alive(one))


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


def A28_a_draining_worker_finishes_its_own_and_exits_0(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    run = fleet.submit(TWELVE)
    wait_for("two tasks to run", lambda: len(lines(fleet.work / "started")) >= 2)
    worker = fleet.processes["w1"]
    worker.terminate()
    wait_for("the drain", lambda: any(row["state"] == "draining" for row in fleet.json("workers")))
    fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "2")
    (fleet.work / "go").touch()
    wait_for("w1 to end", lambda: worker.poll() is not None)
    assert worker.returncode == 0, fleet.log("w1")
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    assert sorted(lines(fleet.work / "done"), key=int) == [str(n) for n in range(1, 13)]  # once each


def A38_a_cached_step_is_not_run_again(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    text = "name: x\nmodules: {a: {cached: true, run: 'echo ran >> ran; echo 42 > $MILLRACE_OUTPUT'}}\n"
    for _ in range(2):
        row = fleet.wait_run(fleet.submit(text))
        assert row["state"] == "succeeded", row
        assert fleet.ctl("result", "a").stdout.strip() == "42"
    assert row["cached"] == 1 and lines(fleet.work / "ran") == ["ran"]


def A43_health_answers_over_http(fleet):
    fleet.start_broker("--expect-workers", "2")
    fleet.start_workers("w1")
    url = fleet.log("broker").split("health on ")[1].split()[0]

    def health():
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
            return answer.read().decode()

    # The snapshot behind it is published a moment after the broker has changed.
    wait_for("the worker in the health", lambda: '"idle": 1' in health())
    assert '"status": "degraded"' in health(), health()
    assert fleet.ctl("health", code=1).stdout.startswith("degraded")


def A45_bad_settings_are_refused_with_their_range(fleet):
    for args, env, said in ((("--port", "99999"), {}, "99999"),
                            ((), {"ORCHESTRATOR_PORT": "many"}, "ORCHESTRATOR_PORT"),
                            (("--bind", "0.0.0.0", "--port", "0"), {}, "--insecure-allow-plaintext-on")):
        process = fleet.start("refused", "millrace-broker", "--data-dir", str(fleet.dir / "x"), *args, env=env)
        wait_for("the refusal", lambda one=process: one.poll() is not None)
        assert process.returncode == 78, (args, env, process.returncode, fleet.log("refused"))
        assert said in fleet.log("refused"), fleet.log("refused")


def A45_children_do_not_inherit_settings(fleet):
    fleet.start_broker()
    fleet.env["MILLRACE_SECRET_THING"] = "no"
    fleet.env["FOREIGN"] = "no"
    fleet.start_workers("w1")
    run = fleet.submit("name: x\nmodules: {a: {run: 'env > environment', env: {MINE: 'yes'}}}\n")
    assert fleet.wait_run(run)["state"] == "succeeded"
    names = {line.split("=")[0] for line in lines(fleet.work / "environment")}
    assert "MINE" in names and "PATH" in names
    assert not names & {"MILLRACE_SECRET_THING", "FOREIGN", "ORCHESTRATOR_URL", "WORKER_ID"}, names


def A46_a_second_broker_on_one_data_directory_is_refused(fleet):
    fleet.start_broker()
    second = fleet.start("second", "millrace-broker", "--port", "0", "--data-dir", str(fleet.dir / "data"))
    wait_for("the refusal", lambda: second.poll() is not None)
    assert second.returncode != 0 and str(fleet.processes["broker"].pid) in fleet.log("second"), fleet.log("second")


def A48_rubbish_at_the_port_changes_nothing(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    host, port = fleet.env["ORCHESTRATOR_URL"].removeprefix("tcp://").split(":")
    rubbish = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n\x01\x00hello",
               os.urandom(65536), b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f" + b"\x03\x00NULL" + bytes(100), b""]
    for plane in range(2):
        for data in rubbish * 5:
            with socket.create_connection((host, int(port)), timeout=10) as peer:
                try:
                    peer.sendall(data)
                except OSError:
                    pass  # it may hang up first
    assert fleet.wait_run(fleet.submit("name: x\nmodules: {a: {run: 'true'}}\n"))["state"] == "succeeded"
    assert broker.poll() is None


def A49_a_duplicate_worker_id_is_refused_and_a_restarted_one_is_welcome(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    second = fleet.start("second", "millrace-worker", "--worker-id", "w1", "--slots", "1")
    wait_for("the refusal", lambda: second.poll() is not None)
    assert second.returncode == 78 and "w1" in fleet.log("second"), (second.returncode, fleet.log("second"))
    fleet.kill("w1")
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "2")
    assert fleet.wait_run(fleet.submit("name: x\nmodules: {a: {run: 'true'}}\n"))["state"] == "succeeded"


def a_cpp_pipeline_runs_standalone_and_on_workers(fleet):
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
    ready = fleet.dir / "endpoint"
    orchestrator = fleet.start("orchestrator", "example-etl", "orchestrator", "--port", "0", "--data-dir",
                               str(fleet.dir / "data"), "--ready-file", str(ready))
    fleet.env["ORCHESTRATOR_URL"] = wait_for("the endpoint", lambda: ready.exists() and ready.read_text().strip())
    worker = fleet.start("worker", "example-etl", "worker", "--slots", "2")
    assert orchestrator.wait(timeout=60) == 0, fleet.log("orchestrator")
    assert worker.wait(timeout=60) == 0, fleet.log("worker")


TESTS = [value for name, value in list(globals().items()) if callable(value) and
         (name.startswith("A") and name[1:3].isdigit() or name.startswith(("a_", "an_")))]


def main():
    build, wanted = sys.argv[1], sys.argv[2:]
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        fleet = Fleet(build)
        try:
            test(fleet)
            print(f"ok {number} - {test.__name__}", flush=True)
        except Exception:  # whatever it is, it is this test's failure
            failed += 1
            print(f"not ok {number} - {test.__name__}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
            for log in sorted(fleet.dir.glob("*.log")):
                for line in log.read_text(errors="replace").splitlines()[-15:]:
                    print(f"# {log.name}: {line}", flush=True)
        finally:
            fleet.close()
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
