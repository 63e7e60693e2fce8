# SPDX-License-Identifier: Apache-2.0
"""Connections that are cut and come back, and the reports of what is degraded meanwhile."""

import contextlib
import signal
import time

from fleet import is_alive, lines, wait_for
from proxy import Proxy
from samples import LONG, ONE, SLEEPER, TWELVE


@contextlib.contextmanager
def cuttable(fleet, name, *args):
    """A worker whose every connection to the broker goes over a wire that can be cut."""
    control = int(fleet.env["ORCHESTRATOR_URL"].rsplit(":", 1)[1])
    ports = fleet.listening("broker")
    ports.remove(control)
    proxy = Proxy([control, *ports])
    try:
        fleet.start(name, "millrace-worker", "--worker-id", name, "--slots", "2", "--orchestrator", proxy.url(), *args)
        wait_for(f"{name} to join", lambda: any(row["name"] == name for row in fleet.json("workers")))
        yield proxy
    finally:
        proxy.close()


def is_away(fleet, name):
    return any(f"worker {name} has lost its connection" in text for text in fleet.json("status")["warnings"])


def A06_a_worker_away_for_less_than_its_lease_keeps_its_attempts(fleet):
    fleet.start_broker()
    with cuttable(fleet, "w1") as proxy:
        run = fleet.submit(TWELVE)
        wait_for("two tasks to run", lambda: len(lines(fleet.work / "started")) == 2)
        proxy.cut()
        wait_for("the cut to be noticed", lambda: is_away(fleet, "w1"))
        fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "2")
        (fleet.work / "go").touch()
        wait_for("results that cannot be told", lambda: len(lines(fleet.work / "done")) >= 2)
        assert is_away(fleet, "w1")
        proxy.heal()
        row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    assert sorted(int(line.split()[0]) for line in lines(fleet.work / "started")) == list(range(1, 13))  # once each
    assert fleet.json("status")["tasks_completed"] == 14
    tasks = {task["name"]: task for task in fleet.json("tasks", run)}
    first = [int(line.split()[0]) for line in lines(fleet.work / "started")[:2]]
    assert all(tasks[f"work[n={n}]"]["worker"] == "w1" for n in first), tasks


def A06_an_outcome_outlives_its_worker_that_was_cut_off(fleet):
    fleet.start_broker()
    with cuttable(fleet, "w1") as proxy:
        run = fleet.submit(LONG)
        wait_for("the start", lambda: lines(fleet.work / "started"))
        proxy.cut()
        wait_for("the cut to be noticed", lambda: is_away(fleet, "w1"))
        (fleet.work / "go").touch()
        fleet.wait_kept("w1", "the-words-of-the-result")
        fleet.kill("w1")
        proxy.heal()
        fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "2", "--orchestrator", proxy.url())
        row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    assert lines(fleet.work / "started") == ["begun"]
    assert lines(fleet.work / "ended") == ["after"]


def A06_a_broker_that_stood_still_gives_nobody_up(fleet):
    broker = fleet.start_broker("--worker-heartbeat-interval", "500ms", "--worker-heartbeat-timeout", "4s")
    fleet.start_workers("w1", "w2")
    run = fleet.submit(TWELVE)
    wait_for("four tasks to run", lambda: len(lines(fleet.work / "started")) == 4)
    broker.send_signal(signal.SIGSTOP)
    resume_at = time.monotonic() + 6
    wait_for("more than a lease", lambda: time.monotonic() > resume_at)
    broker.send_signal(signal.SIGCONT)
    (fleet.work / "go").touch()
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    assert "was silent" not in fleet.log("broker"), fleet.log("broker")
    assert sorted(int(line.split()[0]) for line in lines(fleet.work / "started")) == list(range(1, 13))  # once each


def A12_a_heartbeat_channel_that_is_down_is_said_and_loses_nothing(fleet):
    fleet.start_broker("--worker-heartbeat-interval", "200ms")
    with cuttable(fleet, "w1") as proxy:
        side_channels = proxy.ports[1:]
        proxy.cut(side_channels)

        def said():
            return any("heartbeat channel of worker w1 is down" in text for text in fleet.json("status")["warnings"])
        wait_for("the warning", said)
        assert fleet.ctl("health", code=1).stdout.startswith("degraded")
        assert "nothing comes over the heartbeat channel of worker w1" in fleet.log("broker")
        assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
        proxy.heal(side_channels)
        wait_for("the end of the warning", lambda: not said())
        assert "was silent" not in fleet.log("broker")


def A12_fewer_workers_than_expected_stand_in_log_status_and_summary(fleet):
    fleet.start_broker("--expect-workers", "2")
    fleet.start_workers("w1")
    done = fleet.ctl("submit", fleet.pipeline(ONE), "--wait")
    for place in (done.stderr, fleet.log("broker"), fleet.ctl("status").stdout):
        assert "1 of 2 expected workers" in place, place


def A20_a_cancel_reaches_a_worker_that_was_away(fleet):
    fleet.start_broker()
    with cuttable(fleet, "w1", "--kill-grace", "200ms") as proxy:
        run = fleet.submit(SLEEPER)
        pids = wait_for("the tree", lambda: len(lines(fleet.work / "pids")) == 3 and lines(fleet.work / "pids"))
        proxy.cut()
        wait_for("the cut to be noticed", lambda: is_away(fleet, "w1"))
        fleet.ctl("cancel", run)
        assert all(is_alive(int(pid)) for pid in pids)
        proxy.heal()
        for pid in pids:
            wait_for(f"the end of {pid}", lambda one=int(pid): not is_alive(one))
        assert fleet.wait_run(run)["state"] == "cancelled"
        assert (fleet.work / "torn-down").exists()


def A50_an_idle_worker_only_beats(fleet):
    beats, interval = 20, 0.25
    fleet.start_broker("--worker-heartbeat-interval", f"{interval}s")
    with cuttable(fleet, "w1") as proxy:
        assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
        before = dict(proxy.bytes)
        end = time.monotonic() + beats * interval
        wait_for("the end of the window", lambda: time.monotonic() > end)
        said = [proxy.bytes[port] - before[port] for port in proxy.ports]
    # Beats and beacons have some 30 bytes, and no plane but theirs has anything to say that is larger or more often.
    assert 0 < sum(said) < 100 * beats, said
    assert sum(one > 0 for one in said) <= 3, said  # control, heartbeats, events: neither bulk nor HTTP


CHAIN = """
name: chain
modules:
  first: {run: "echo begun >> started; while [ ! -e go ]; do sleep 0.05; done"}
  second: {needs: [first], run: "echo two >> ended"}
  third: {needs: [second], run: "echo three >> ended"}
"""


def a_worker_goes_on_along_a_chain_while_its_broker_stands_still(fleet):
    broker = fleet.start_broker("--durability", "async")
    fleet.start_workers("w1")
    run = fleet.submit(CHAIN)
    wait_for("the start", lambda: lines(fleet.work / "started"))
    broker.send_signal(signal.SIGSTOP)
    (fleet.work / "go").touch()
    wait_for("the end of the chain", lambda: lines(fleet.work / "ended") == ["two", "three"])
    broker.send_signal(signal.SIGCONT)
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 3, row
    assert lines(fleet.work / "started") == ["begun"] and lines(fleet.work / "ended") == ["two", "three"]
