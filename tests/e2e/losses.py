# SPDX-License-Identifier: Apache-2.0
"""Workers and brokers that are killed, stopped and resumed: nothing hangs, nothing is lost, nothing counts twice."""

import signal
import time

from fleet import is_alive, lines, wait_for
from samples import ONE, SLEEPER, TWELVE

# Kills the worker that runs it, once `fire` is there: up the line of parents, the last one of that name.
POISON = """
name: poisoned
fail_mode: keep-going
modules:
  poison:
    run: |
      echo $$ >> fired
      while [ ! -e fire ]; do sleep 0.05; done
      # Upwards to the nearest worker, through its own children of that name; these tests may run below another worker.
      at=$$ worker=
      while [ "$at" -gt 1 ]; do
        if [ "$(cat /proc/$at/comm)" = millrace-worker ]; then worker=$at; elif [ -n "$worker" ]; then break; fi
        at=$(sed 's/^.*) [A-Z] \\([0-9]*\\) .*/\\1/' /proc/$at/stat)
      done
      kill -9 "$worker"
      sleep 1000
  neighbour:
    run: |
      echo $$ >> neighbours
      while [ ! -e go ]; do sleep 0.05; done
"""
# The first try never ends; the second does at once.
STUCK_ONCE = """
name: stuck
modules:
  work:
    run: |
      echo $$ >> started
      if [ "$(wc -l < started)" -eq 1 ]; then sleep 1000; fi
"""


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


def A01_kill_9_of_an_idle_worker_is_noticed_at_once(fleet):
    fleet.start_broker()  # its lease is 30 s: what comes sooner comes from the death itself
    fleet.start_workers("w1", "w2")
    killed = time.monotonic()
    fleet.kill("w1")
    wait_for("the loss", lambda: fleet.json("status")["workers"] == 1)
    assert time.monotonic() - killed < 20, "only the lease told"
    assert "worker w1 " in fleet.log("broker") and "has died; it had no tasks" in fleet.log("broker")
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"


def A01_kill_9_between_a_result_and_its_record(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1", "w2")
    run = fleet.submit(TWELVE)
    wait_for("four tasks to run", lambda: len(lines(fleet.work / "started")) >= 4)
    broker.send_signal(signal.SIGSTOP)  # what is said to it now waits in its sockets
    (fleet.work / "go").touch()
    wait_for("four results", lambda: len(lines(fleet.work / "done")) >= 4)
    fleet.kill("w1")
    broker.send_signal(signal.SIGCONT)
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 14, row
    assert fleet.json("status")["tasks_completed"] == 14


def A02_A27_no_capable_worker_is_said_and_then_fails(fleet):
    fleet.start_broker("--capability-timeout", "10s")
    fleet.start_workers("w1")
    done = fleet.ctl("submit", fleet.pipeline("name: x\nmodules: {a: {run: 'true', requires: {tags: [gpu]}}}\n"))
    assert "gpu" in done.stderr, done.stderr
    run = done.stdout.strip()
    assert "gpu" in fleet.ctl("why", "a").stdout
    assert any("no worker" in warning for warning in fleet.json("status")["warnings"])
    row = fleet.wait_run(run)
    assert row["state"] == "failed" and row["root_cause"].startswith("a: "), row
    assert "gpu" in row["root_cause"] and "w1" in row["root_cause"], row


def A02_a_task_fails_in_time_when_its_last_worker_has_died(fleet):
    fleet.start_broker("--capability-timeout", "1s")
    fleet.start_workers("w1")
    fleet.start_workers("w2", args=("--tag", "rare"))
    run = fleet.submit("name: x\nmodules: {a: {run: 'touch on; sleep 1000', requires: {tags: [rare]}}}\n")
    wait_for("the task to run", (fleet.work / "on").exists)
    fleet.kill("w2")
    row = fleet.wait_run(run)
    assert row["state"] == "failed" and "rare" in row["root_cause"] and "w1" in row["root_cause"], row


def A05_workers_end_when_the_broker_is_killed(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1", args=("--broker-lost-timeout", "3s"))
    fleet.submit(SLEEPER + "  works_on: {run: 'touch begun; while [ ! -e go ]; do sleep 0.05; done; touch ended'}\n")
    pids = wait_for("the tree", lambda: len(lines(fleet.work / "pids")) == 3 and lines(fleet.work / "pids"))
    wait_for("the other one", (fleet.work / "begun").exists)
    broker.kill()
    (fleet.work / "go").touch()
    wait_for("what runs to go on", (fleet.work / "ended").exists)
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


def A08_what_is_not_idempotent_never_runs_again(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", "w2")
    run = fleet.submit("name: x\nmodules: {a: {idempotent: false, run: 'echo $$ >> ran; sleep 1000'}}\n")
    wait_for("it to run", lambda: lines(fleet.work / "ran"))
    victim = fleet.json("tasks", run)[0]["worker"]
    fleet.kill(victim)
    row = fleet.wait_run(run)
    assert row["state"] == "failed" and victim in row["root_cause"], row
    assert fleet.json("tasks", run)[0]["outcome"] == "lost" and len(lines(fleet.work / "ran")) == 1


def A10_A07_a_worker_that_comes_back_after_its_lease_is_refused_its_old_attempts(fleet):
    fleet.start_broker("--worker-heartbeat-interval", "200ms", "--worker-heartbeat-timeout", "2s")
    fleet.start_workers("w1", args=("--kill-grace", "200ms"))
    run = fleet.submit(STUCK_ONCE)
    pids = wait_for("the first try", lambda: lines(fleet.work / "started"))
    worker = fleet.processes["w1"]
    worker.send_signal(signal.SIGSTOP)
    try:
        fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "1")
        row = fleet.wait_run(run)
        assert row["state"] == "succeeded", row
        assert is_alive(int(pids[0])), "nobody can stop it while its worker stands still"
    finally:
        worker.send_signal(signal.SIGCONT)
    wait_for("the old try to be stopped", lambda: not is_alive(int(pids[0])))
    wait_for("w1 to be back", lambda: fleet.json("status")["workers"] == 2)
    assert "1 dropped" in fleet.log("w1"), fleet.log("w1")
    assert fleet.json("status")["tasks_completed"] == 1
    fleet.kill("w2")
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"  # w1 takes work again


def A11_a_task_that_kills_its_workers_is_poison_and_its_neighbour_is_not_blamed(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    run = fleet.submit(POISON)
    wait_for("both to run", lambda: lines(fleet.work / "fired") and lines(fleet.work / "neighbours"))
    fleet.start_workers("w2", "w3", "w4")
    (fleet.work / "fire").touch()
    wait_for("the first death", lambda: fleet.processes["w1"].poll() is not None)
    (fleet.work / "go").touch()
    row = fleet.wait_run(run)
    assert row["state"] == "failed" and row["failed"] == 1 and row["succeeded"] == 1, row
    assert "poison" in row["root_cause"] and "took down 3 workers" in row["root_cause"], row
    dead = [name for name in ("w1", "w2", "w3", "w4") if fleet.processes[name].poll() == -signal.SIGKILL]
    assert len(dead) == 3 and all(name in row["root_cause"] for name in dead), (dead, row)
    assert len(lines(fleet.work / "fired")) == 3
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
