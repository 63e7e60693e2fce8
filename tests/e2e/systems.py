# SPDX-License-Identifier: Apache-2.0
"""Disks that fail or have no room, memory and threads that run out, clocks that jump, and a worker that is hardly given
time: the real programs on systems that refuse."""

import errno
import signal
import threading
import time

from fail_points import records
from fleet import lines, wait_for
from restarts import FLOW
from samples import LONG, ONE, TWELVE

LARGE = """
name: large
modules:
  big:
    run: |
      echo begun >> started
      head -c 300000 /dev/urandom | base64 -w0 | sed 's/.*/"&"/' > "$MILLRACE_OUTPUT"
  end: {needs: [big], run: 'wc -c < "$MILLRACE_INPUTS"/big.json > size'}
"""


class Faults:
    """What fails in the programs that are started with `env`, from now on and until it is mended."""

    def __init__(self, fleet):
        self.switch = fleet.dir / "faults"
        self.env = {"LD_PRELOAD": str(fleet.build / "tests" / "support" / "libmillrace_faulty.so"),
                    "MILLRACE_FAULTY_SWITCH": str(self.switch)}

    def turn_on(self, calls, path, number):
        fresh = self.switch.with_suffix(".new")
        fresh.write_text(f"{calls} {path} {number}")
        fresh.rename(self.switch)

    def mend(self):
        self.switch.unlink()


def ends(fleet, key, code):
    process = fleet.processes.pop(key)
    wait_for(f"the end of {key}", lambda: process.poll() is not None)
    assert process.returncode == code, (key, process.returncode, fleet.log(key))


def assert_all_ended_once(fleet, tasks):
    """In the journal of a broker that has ended."""
    by_task = records(fleet)
    assert by_task.pop("None").count("RunAccepted") == 1
    assert len(by_task) == tasks, by_task
    for task, kinds in by_task.items():
        assert kinds.count("TaskEnded") == 1 and kinds[-1] == "TaskEnded", (task, kinds)


def fails_and_loses_nothing(fleet, call):
    faults = Faults(fleet)
    port = fleet.free_port()
    fleet.start_broker(port=port, env=faults.env)
    fleet.start_workers("w1", "w2")
    run = fleet.submit(TWELVE)
    wait_for("four that run", lambda: len(lines(fleet.work / "started")) == 4)
    faults.turn_on(call, "/data/journal.sqlite", errno.EIO)
    (fleet.work / "go").touch()
    ends(fleet, "broker", 74)
    assert "the journal cannot be trusted any more" in fleet.log("broker"), fleet.log("broker")
    faults.mend()
    broker = fleet.start_broker(port=port)
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 14, row
    begun = [line.split()[0] for line in lines(fleet.work / "started")]
    assert sorted(begun, key=int) == [str(n) for n in range(1, 13)], begun
    broker.terminate()
    ends(fleet, "broker", 0)
    assert_all_ended_once(fleet, 14)


def A09_a_sync_that_fails_ends_the_broker_with_74_and_loses_nothing(fleet):
    fails_and_loses_nothing(fleet, "fsync")


def A09_a_write_that_fails_ends_the_broker_with_74_and_loses_nothing(fleet):
    fails_and_loses_nothing(fleet, "write")


def A09_no_room_no_quota_and_no_right_to_write_are_waited_out(fleet):
    faults = Faults(fleet)
    broker = fleet.start_broker(env=faults.env)
    fleet.start_workers("w1")
    for number, reason in enumerate((errno.ENOSPC, errno.EDQUOT, errno.EROFS), 1):
        run = fleet.submit(LONG)
        wait_for("the start", lambda at=number: len(lines(fleet.work / "started")) == at)
        faults.turn_on("write", "/data/journal.sqlite", reason)
        (fleet.work / "go").touch()
        wait_for("trouble", lambda: "journal" in fleet.ctl("health", code=None).stdout)
        # What follows from the outcome has to wait for it.
        assert len(lines(fleet.work / "ended")) == number - 1, lines(fleet.work / "ended")
        faults.mend()
        assert fleet.wait_run(run)["state"] == "succeeded"
        assert len(lines(fleet.work / "started")) == len(lines(fleet.work / "ended")) == number
        (fleet.work / "go").unlink()
    assert broker.poll() is None


def A33_a_large_result_waits_for_room_on_the_brokers_disk(fleet):
    faults = Faults(fleet)
    broker = fleet.start_broker(env=faults.env)
    fleet.start_workers("w1")
    faults.turn_on("write", "/data/blobs/", errno.ENOSPC)
    run = fleet.submit(LARGE)
    wait_for("a try", lambda: "storing a result" in fleet.log("w1"))
    assert "No space left" in fleet.log("broker"), fleet.log("broker")
    faults.mend()
    assert fleet.wait_run(run)["state"] == "succeeded"
    assert lines(fleet.work / "started") == ["begun"] and lines(fleet.work / "size") == ["400003"]
    assert broker.poll() is None
    assert not list((fleet.dir / "data" / "blobs").glob("*/*.tmp"))


def A09_an_outcome_outlives_its_worker_once_there_is_room_for_it(fleet):
    faults = Faults(fleet)
    port = fleet.free_port()
    fleet.start_broker(port=port)
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "1", env=faults.env)
    fleet.wait_workers(1)
    run = fleet.submit(LONG)
    wait_for("the start", lambda: lines(fleet.work / "started"))
    long_enough = time.monotonic() + 1.1
    wait_for("more than a second", lambda: time.monotonic() > long_enough)
    fleet.kill("broker")
    faults.turn_on("write", "/w1/outbox.sqlite", errno.ENOSPC)
    (fleet.work / "go").touch()
    wait_for("trouble", lambda: "outcomes are kept in memory only" in fleet.log("w1"))
    faults.mend()
    fleet.wait_kept("w1", "the-words-of-the-result")
    fleet.kill("w1")
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "1")
    fleet.start_broker(port=port)
    assert fleet.wait_run(run)["state"] == "succeeded"
    assert lines(fleet.work / "started") == ["begun"] and lines(fleet.work / "ended") == ["after"]


def A09_a_worker_whose_disk_fails_reports_from_memory(fleet):
    faults = Faults(fleet)
    fleet.start_broker()
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "1", env=faults.env)
    fleet.wait_workers(1)
    faults.turn_on("fsync", "/w1/outbox.sqlite", errno.EIO)
    run = fleet.submit(LONG)
    wait_for("the start", lambda: lines(fleet.work / "started"))
    long_enough = time.monotonic() + 1.1
    wait_for("more than a second", lambda: time.monotonic() > long_enough)
    (fleet.work / "go").touch()
    assert fleet.wait_run(run)["state"] == "succeeded"
    wait_for("the trouble", lambda: "outcomes are kept in memory only" in fleet.log("w1"))
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    assert lines(fleet.work / "started") == ["begun"] and fleet.processes["w1"].poll() is None


def A09_a_broker_without_memory_ends_with_71_and_loses_nothing(fleet):
    """Life after life it gets further."""
    faults = Faults(fleet)
    port = fleet.free_port()
    fleet.start_broker(port=port)
    run = fleet.submit(FLOW)
    fleet.kill("broker")
    for name in ("w1", "w2"):
        fleet.start(name, "millrace-worker", "--worker-id", name, "--slots", "2")
    second = fleet.work / "second"
    deaths = 0
    for allocation in (int(4000 * 1.4 ** life) for life in range(20)):
        broker = fleet.start("broker", "millrace-broker", "--port", str(port), "--data-dir", str(fleet.dir / "data"),
                             env={**faults.env, "MILLRACE_FAULTY_NEW": str(allocation)})
        wait_for("an end", lambda one=broker: one.poll() is not None or second.exists())
        if broker.poll() is None:
            break
        ends(fleet, "broker", 71)
        deaths += 1
        assert fleet.log("broker").count("the system gives it no more memory") == deaths, fleet.log("broker")
    assert deaths >= 2, deaths
    fleet.kill("broker")
    fleet.start_broker(port=port)
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 151, row
    assert lines(second) == [str(n) for n in range(1, 151)]


def A09_a_broker_without_threads_ends_with_71(fleet):
    faults = Faults(fleet)
    for thread in range(1, 20):
        broker = fleet.start("broker", "millrace-broker", "--port", "0", "--data-dir", str(fleet.dir / "data"),
                             "--ready-file", str(fleet.dir / "ready"),
                             env={**faults.env, "MILLRACE_FAULTY_THREAD": str(thread)})
        wait_for("an end", lambda one=broker: one.poll() is not None or (fleet.dir / "ready").exists())
        if broker.poll() is None:
            break
        ends(fleet, "broker", 71)
        assert fleet.log("broker").count("Resource temporarily unavailable") == thread, fleet.log("broker")
    assert thread > 3, thread
    fleet.kill("broker")
    fleet.start_broker()  # on what they have left
    fleet.start_workers("w1")
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"


def A06_a_wall_clock_that_jumps_ends_no_lease_and_no_run(fleet):
    faults = Faults(fleet)
    clock = fleet.dir / "clock"
    env = {**faults.env, "MILLRACE_FAULTY_CLOCK": str(clock)}
    fleet.start_broker("--worker-heartbeat-interval", "200ms", "--worker-heartbeat-timeout", "3s", env=env)
    for name in ("w1", "w2"):
        fleet.start(name, "millrace-worker", "--worker-id", name, "--slots", "2", env=env)
    fleet.wait_workers(2)
    run = fleet.submit(LONG)
    wait_for("the start", lambda: lines(fleet.work / "started"))
    for hours in (2, -2, 0):  # it jumps by two, back by four, and forth again by two
        clock.write_text(str(3600 * hours))
        assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
        assert len(fleet.json("workers")) == 2
    (fleet.work / "go").touch()
    assert fleet.wait_run(run)["state"] == "succeeded"
    assert lines(fleet.work / "started") == ["begun"] and lines(fleet.work / "ended") == ["after"]
    assert " lost" not in fleet.log("broker"), fleet.log("broker")


def A06_a_worker_that_is_hardly_given_time_slows_nobody_else(fleet):
    fleet.start_broker()
    fleet.start_workers("w1", "w2")
    over = threading.Event()

    def hardly_run(process):
        while not over.is_set():
            process.send_signal(signal.SIGSTOP)
            over.wait(0.18)
            process.send_signal(signal.SIGCONT)
            over.wait(0.02)

    slow = threading.Thread(target=hardly_run, args=(fleet.processes["w1"],))
    slow.start()
    try:
        row = fleet.wait_run(fleet.submit(FLOW))
    finally:
        over.set()
        slow.join()
    assert row["state"] == "succeeded" and row["succeeded"] == 151, row
    assert sorted(lines(fleet.work / "first"), key=int) == [str(n) for n in range(1, 151)]
    by_worker = [task["worker"] for task in fleet.json("tasks", row["run"])]
    assert by_worker.count("w2") > by_worker.count("w1"), by_worker
