# SPDX-License-Identifier: Apache-2.0
"""The old bugs of this field, each by its name, and that ours has not got it."""

import signal
import time

from fleet import is_alive, lines, wait_for
from links import cuttable
from samples import ONE, SLEEPER, TWELVE

QUICK = ("--worker-heartbeat-interval", "200ms", "--worker-heartbeat-timeout", "2s")


def wait_for_seconds(seconds):
    end = time.monotonic() + seconds
    wait_for(f"{seconds} s", lambda: time.monotonic() > end)


def many(count, name="many"):
    numbers = ", ".join(map(str, range(count)))
    return f"name: {name}\nmodules: {{work: {{matrix: {{n: [{numbers}]}}, run: 'echo $n >> done'}}}}\n"


def G_a_routers_high_water_mark_drops_tasks_silently(fleet):
    """More tasks than a socket holds messages, for a worker that does not read."""
    fleet.start_broker("--worker-heartbeat-timeout", "60s")
    fleet.start_workers("w1", args=("--slots", "4"))
    fleet.processes["w1"].send_signal(signal.SIGSTOP)
    run = fleet.submit(many(1500))
    wait_for("the tasks", lambda: fleet.json("runs")[0]["tasks"] == 1500)
    fleet.processes["w1"].send_signal(signal.SIGCONT)
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 1500, row
    assert sorted(map(int, lines(fleet.work / "done"))) == list(range(1500))


def G_a_late_heartbeat_of_an_expired_worker_crashes_the_broker(fleet):
    broker = fleet.start_broker(*QUICK)
    with cuttable(fleet, "w1") as proxy:
        proxy.freeze("to the broker")
        wait_for("the end of the lease", lambda: fleet.json("status")["workers"] == 0)
        proxy.thaw()  # all its beats arrive now
        wait_for("its return", lambda: fleet.json("status")["workers"] == 1)
        assert broker.poll() is None
        assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"


def G_a_zombies_result_is_accepted(fleet):
    fleet.start_broker(*QUICK)
    fleet.start_workers("w1", args=("--kill-grace", "60s"))
    run = fleet.submit("""
name: zombie
modules:
  work:
    run: |
      trap '' TERM
      echo $$ >> started
      if [ "$(wc -l < started)" -eq 1 ]; then
        while [ ! -e go ]; do sleep 0.05; done
        echo '"of the zombie"' > "$MILLRACE_OUTPUT"
      else
        echo '"of the second"' > "$MILLRACE_OUTPUT"
      fi
      echo $$ >> over
""")
    wait_for("the first try", lambda: lines(fleet.work / "started"))
    fleet.processes["w1"].send_signal(signal.SIGSTOP)
    fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "1")
    assert fleet.wait_run(run)["state"] == "succeeded"
    (fleet.work / "go").touch()
    wait_for("the zombie's end", lambda: len(lines(fleet.work / "over")) == 2)
    fleet.processes["w1"].send_signal(signal.SIGCONT)
    wait_for("the zombie's return", lambda: fleet.json("status")["workers"] == 2)
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    assert fleet.ctl("result", "work", "--run", run).stdout.strip() == '"of the second"'
    task = fleet.json("tasks", run)[0]
    assert task["worker"] == "w2" and fleet.json("status")["tasks_completed"] == 2, task


def G_the_submitter_hangs_when_the_broker_dies(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    submitter = fleet.start("submitter", "zmqctl", "submit", fleet.pipeline(TWELVE), "--wait",
                            "--broker-lost-timeout", "2s")
    wait_for("two tasks to run", lambda: len(lines(fleet.work / "started")) == 2)
    fleet.kill("broker")
    wait_for("the submitter to give up", lambda: submitter.poll() is not None)
    assert submitter.returncode == 69, (submitter.returncode, fleet.log("submitter"))
    assert "the run goes on" in fleet.log("submitter") or "zmqctl" in fleet.log("submitter"), fleet.log("submitter")


def G_a_routing_id_goes_dead_after_a_dealer_restarts(fleet):
    fleet.start_broker()
    for life in range(1, 5):
        fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "1")
        run = fleet.submit(f"name: x\nmodules: {{a: {{run: 'echo {life} >> lives'}}}}\n")
        assert fleet.wait_run(run)["state"] == "succeeded", life
        fleet.kill("w1")
    assert lines(fleet.work / "lives") == ["1", "2", "3", "4"]


def G_a_success_is_turned_into_a_failure_by_a_timeout_that_came_later(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    run = fleet.submit("name: x\nmodules: {a: {timeout: 5s, retry_on: never, "
                       "run: 'touch on; while [ ! -e go ]; do sleep 0.05; done; echo done >> done'}}\n")
    wait_for("the task", (fleet.work / "on").exists)
    broker.send_signal(signal.SIGSTOP)
    (fleet.work / "go").touch()
    wait_for("its success", lambda: lines(fleet.work / "done"))
    wait_for_seconds(6)
    broker.send_signal(signal.SIGCONT)
    assert fleet.wait_run(run)["state"] == "succeeded"
    assert fleet.json("tasks", run)[0]["outcome"] == "succeeded"


def G_a_visibility_timeout_runs_long_tasks_twice(fleet):
    fleet.start_broker(*QUICK)
    fleet.start_workers("w1", "w2")
    run = fleet.submit("name: x\nmodules: {a: {run: 'echo on >> on; while [ ! -e go ]; do sleep 0.05; done'}}\n")
    wait_for("the task", lambda: lines(fleet.work / "on"))
    wait_for_seconds(6)  # three leases
    (fleet.work / "go").touch()
    assert fleet.wait_run(run)["state"] == "succeeded"
    assert lines(fleet.work / "on") == ["on"]


def G_a_worker_reconnects_but_never_takes_work_again(fleet):
    fleet.start_broker(*QUICK)
    with cuttable(fleet, "w1") as proxy:
        for number in range(3):
            proxy.cut()
            wait_for("its absence", lambda: any("w1" in text for text in fleet.json("status")["warnings"])
                     or fleet.json("status")["workers"] == 0)
            if number == 1:
                wait_for("the end of its lease", lambda: fleet.json("status")["workers"] == 0)
            run = fleet.submit(ONE)
            proxy.heal()
            assert fleet.wait_run(run)["state"] == "succeeded", number


def G_joins_that_never_complete(fleet):
    """A join of what succeeded, failed, timed out, was skipped for a failure, and was cached; in any order of ends."""
    fleet.start_broker()
    fleet.start_workers("w1", "w2")
    text = """
name: joins
fail_mode: keep-going
modules:
  good: {run: "true"}
  known: {cached: true, run: "echo 1 > $MILLRACE_OUTPUT"}
  bad: {ignore_failure: true, run: "exit 3"}
  slow: {ignore_failure: true, timeout: 300ms, retry_on: never, run: "sleep 1000"}
  broken: {run: "exit 4"}
  behind: {needs: [broken], run: "true"}
  shards: {needs: [good], matrix: {n: [1, 2, 3, 4, 5]}, run: "true"}
  join: {needs: [good, known, bad, slow, shards], run: "touch joined"}
  teardown: {needs: [join, behind], always_run: true, run: "touch torn-down"}
"""
    for _ in range(2):
        row = fleet.wait_run(fleet.submit(text))
        assert row["state"] == "failed" and row["root_cause"].startswith("broken: "), row
        for file in ("joined", "torn-down"):
            assert (fleet.work / file).exists(), file
            (fleet.work / file).unlink()
    assert row["cached"] == 1, row
    assert all(task["outcome"] for task in fleet.json("tasks", row["run"]))


def G_a_cancelled_task_that_was_claimed_leaves_its_dependants_waiting(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", args=("--kill-grace", "200ms"))
    run = fleet.submit(SLEEPER)
    wait_for("the tree", lambda: len(lines(fleet.work / "pids")) == 3)
    fleet.ctl("cancel", run)
    assert fleet.wait_run(run)["state"] == "cancelled"
    outcomes = {task["name"]: task["outcome"] for task in fleet.json("tasks", run)}
    assert outcomes["nap"] == "cancelled" and outcomes["after"] != "" and outcomes["teardown"] == "succeeded", outcomes
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"


def G_the_start_waits_for_workers_that_never_come(fleet):
    fleet.start_broker("--expect-workers", "5")
    fleet.start_workers("w1")
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    assert any("1 of 5 expected workers" in text for text in fleet.json("status")["warnings"])


def G_impossible_requests_hang_without_a_word(fleet):
    fleet.start_broker("--capability-timeout", "2s")
    fleet.start_workers("w1")
    text = "name: x\nmodules: {a: {requires: {%s}, run: 'true'}}\n"
    for wish, named in (("tools: [no-such-tool]", "no-such-tool"), ("cpus: 500", "500"), ("memory: 500TiB", "memory"),
                        ("resources: {gpu: 1}", "gpu"), ("os: [plan9]", "plan9")):
        done = fleet.ctl("submit", fleet.pipeline(text % wish))
        assert named in done.stderr, (wish, done.stderr)
        row = fleet.wait_run(done.stdout.strip())
        assert row["state"] == "failed" and named in row["root_cause"], (wish, row)


def G_an_idle_worker_hangs_for_ever_after_its_master_died(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", args=("--broker-lost-timeout", "2s"))
    fleet.kill("broker")
    worker = fleet.processes["w1"]
    wait_for("the worker to give up", lambda: worker.poll() is not None)
    assert worker.returncode == 75, (worker.returncode, fleet.log("w1"))


def G_killed_modules_show_no_output_at_all(fleet):
    fleet.start_broker(*QUICK)
    fleet.start_workers("w1", args=("--kill-grace", "200ms"))
    done = fleet.ctl("submit", fleet.pipeline("name: x\nmodules: {a: {timeout: 4s, retry_on: never, "
                                              "run: 'echo so far; sleep 1000'}}\n"), "--wait", code=1)
    assert "so far" in done.stderr, done.stderr
    run = fleet.submit("name: y\nmodules: {b: {run: 'echo $$ >> pid; echo before the end; sleep 1000'}}\n")
    wait_for("the task", lambda: lines(fleet.work / "pid"))
    wait_for("its words", lambda: "before the end" in fleet.ctl("logs", "--run", run, "b").stdout)
    fleet.kill("w1")
    wait_for("the end of its tree", lambda: not is_alive(int(lines(fleet.work / "pid")[0])))
    assert "before the end" in fleet.ctl("logs", "--run", run, "b").stdout


def G_secrets_leak_in_an_encoded_form(fleet):
    secrets = fleet.dir / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "TOKEN").write_text("tell?no&body\n")
    (secrets / "TOKEN").chmod(0o600)
    fleet.start_broker()
    fleet.start_workers("w1", args=("--secrets-dir", str(secrets)))
    run = fleet.submit("""
name: leaky
modules:
  leak:
    secrets: [TOKEN]
    run: |
      printf 'Authorization: Basic %s;\\n' "$(printf 'ci:%s' "$TOKEN" | base64)"
      python3 -c 'import os, urllib.parse; print("url", urllib.parse.quote(os.environ["TOKEN"]))'
      set -x; : "$TOKEN"
""")
    assert fleet.wait_run(run)["state"] == "succeeded"
    said = fleet.ctl("logs", "--run", run).stdout
    for form in ("tell?no&body", "tell%3Fno%26body", "dGVsbD9ubyZib2R5", "dGVsbD9ubyZib2R", "p0ZWxsP25vJmJvZH"):
        assert form not in said, said
    assert said.count("***") == 3, said
