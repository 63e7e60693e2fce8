# SPDX-License-Identifier: Apache-2.0
"""Brokers that die or stop in the middle and come back on their data directory; full disks; damaged journals."""

import json
import resource
import time

from fleet import lines, wait_for
from samples import LONG, ONE

# The first thirty end by themselves, the others when `go` is there.
SIXTY = """
name: sixty
modules:
  work:
    matrix: {n: [%s]}
    run: |
      echo "$n" >> started
      while [ "$n" -gt 30 ] && [ ! -e go ]; do sleep 0.05; done
      echo "$n" >> done
  end: {needs: [work], run: "echo end >> ended"}
""" % ", ".join(str(n) for n in range(1, 61))
# Many that are over at once, in two rows.
FLOW = """
name: flow
modules:
  first:
    matrix: {n: [%s]}
    run: echo "$n" >> first
  second: {needs: [first], run: "sort -nu first > second"}
""" % ", ".join(str(n) for n in range(1, 151))


def half_way(fleet):
    """The first thirty are over and four of the others run; nothing else happens until `go` is there."""
    wait_for("thirty ends", lambda: len(lines(fleet.work / "done")) == 30)
    wait_for("four that run", lambda: len(lines(fleet.work / "started")) == 34)
    wait_for("thirty outcomes", lambda: fleet.json("status")["tasks_completed"] == 30)


def assert_each_once(fleet, run):
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 61, row
    for file in ("started", "done"):
        assert sorted(map(int, lines(fleet.work / file))) == list(range(1, 61)), (file, lines(fleet.work / file))
    assert lines(fleet.work / "ended") == ["end"]


def A09_kill_9_of_the_broker_mid_run_restarts_nothing(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    fleet.start_workers("w1", "w2")
    watcher = fleet.start("watcher", "zmqctl", "submit", fleet.pipeline(SIXTY), "--wait")
    half_way(fleet)
    run = fleet.json("runs")[0]["run"]
    fleet.kill("broker")
    (fleet.work / "go").touch()
    wait_for("what runs to go on without a broker", lambda: len(lines(fleet.work / "done")) >= 34)
    fleet.start_broker(port=port)
    assert_each_once(fleet, run)
    assert "going on with 1 runs" in fleet.log("broker"), fleet.log("broker")
    wait_for("the end of the one that waits", lambda: watcher.poll() is not None)
    assert watcher.returncode == 0, (watcher.returncode, fleet.log("watcher"))
    assert "61" in fleet.log("watcher"), fleet.log("watcher")
    assert all(fleet.processes[name].poll() is None for name in ("w1", "w2"))


def A09_an_outcome_that_nobody_recorded_outlives_its_worker(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    fleet.start_workers("w1")
    run = fleet.submit(LONG)
    wait_for("the start", lambda: lines(fleet.work / "started"))
    long_enough = time.monotonic() + 1.1
    fleet.kill("broker")
    wait_for("more than a second", lambda: time.monotonic() > long_enough)
    (fleet.work / "go").touch()
    fleet.wait_kept("w1", "the-words-of-the-result")
    fleet.kill("w1")
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "2")
    fleet.start_broker(port=port)
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    assert lines(fleet.work / "started") == ["begun"]
    assert lines(fleet.work / "ended") == ["after"]
    assert "1 outcomes that an earlier process" in fleet.log("w1"), fleet.log("w1")
    assert fleet.json("tasks", run)[0]["try"] == 1, fleet.json("tasks", run)


def A09_a_worker_goes_over_to_a_new_broker_at_the_same_address(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    fleet.kill("broker")
    fleet.start_broker(port=port)
    fleet.start_workers("w1")
    fleet.wait_run(fleet.submit(ONE))
    fleet.kill("broker")
    fleet.start_broker(port=port, data="other")  # which counts its lives, sessions and attempts from the start
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    assert fleet.processes["w1"].poll() is None


def A09_a_broker_that_stops_normally_leaves_its_run_to_the_next_one(fleet):
    port = fleet.free_port()
    broker = fleet.start_broker(port=port)
    fleet.start_workers("w1", "w2")
    run = fleet.submit(SIXTY)
    half_way(fleet)
    broker.terminate()
    (fleet.work / "go").touch()
    for key in ("w1", "w2", "broker"):
        process = fleet.processes.pop(key)
        wait_for(f"{key} to end", lambda one=process: one.poll() is not None)
        assert process.returncode == 0, (key, process.returncode, fleet.log(key))
    fleet.start_broker(port=port)
    assert fleet.json("runs")[0]["state"] == "running"
    fleet.start_workers("w1", "w2")
    assert_each_once(fleet, run)


def A09_a_broker_that_is_killed_again_and_again_loses_nothing(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    fleet.start_workers("w1", "w2")
    run = fleet.submit(FLOW)
    for life in range(1, 4):
        wait_for("progress", lambda at=life: len(lines(fleet.work / "first")) >= 30 * at)
        fleet.kill("broker")
        fleet.start_broker(port=port)
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 151, row
    assert lines(fleet.work / "second") == [str(n) for n in range(1, 151)]


def A09_with_durability_off_a_broker_forgets(fleet):
    port = fleet.free_port()
    fleet.start_broker("--durability", "off", port=port)
    fleet.submit(ONE)
    fleet.kill("broker")
    fleet.start_broker("--durability", "off", port=port)
    assert fleet.json("runs") == []
    assert not (fleet.dir / "data" / "journal.sqlite").exists()


def a_full_disk_is_said_waited_out_and_loses_nothing(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    fleet.wait_run(fleet.submit(ONE))
    limits = resource.prlimit(broker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (40_000, limits[1]))
    pipeline = fleet.pipeline(ONE)
    submitters = []

    def trouble():
        submitters.append(fleet.start(f"submit{len(submitters)}", "zmqctl", "submit", pipeline))
        return "journal" in fleet.ctl("health", code=None).stdout

    wait_for("trouble", trouble)
    refused = fleet.ctl("submit", pipeline, code=75)
    assert "journal" in refused.stderr, refused.stderr
    assert "the journal cannot be written" in fleet.log("broker")
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, limits)
    wait_for("the end of the trouble", lambda: "journal" not in fleet.ctl("health", code=None).stdout)
    for key, process in [(f"submit{i}", process) for i, process in enumerate(submitters)]:
        wait_for("an answer", lambda one=process: one.poll() is not None)
        assert process.returncode in (0, 75), (process.returncode, fleet.log(key))
        if process.returncode == 0:
            assert fleet.wait_run(fleet.log(key).strip().splitlines()[-1])["state"] == "succeeded"
    assert broker.poll() is None and "the journal is written again" in fleet.log("broker")


def a_damaged_journal_is_refused_and_salvaged(fleet):
    data = str(fleet.dir / "data")
    file = fleet.dir / "data" / "journal.sqlite"
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    first = fleet.submit(ONE)
    fleet.wait_run(first)
    held = fleet.ctl("journal", "check", "--data-dir", data, code=78)
    assert str(broker.pid) in held.stderr, held.stderr
    second = fleet.submit(ONE.replace("one", "two"))
    fleet.wait_run(second)
    broker.terminate()
    wait_for("the end of the broker", lambda: broker.poll() is not None)
    whole = json.loads(fleet.ctl("journal", "check", "--data-dir", data, "--json").stdout)
    assert whole["ok"] and whole["runs"] == 2 and whole["records"] == whole["end"] == 8, whole
    dump = [json.loads(line) for line in fleet.ctl("journal", "dump", "--data-dir", data).stdout.splitlines()]
    assert [row["position"] for row in dump] == list(range(1, 9))
    assert [row["kind"] for row in dump if row["run"] == second] == ["RunAccepted", "TaskAssigned", "TaskEnded",
                                                                      "RunEnded"]
    file.write_bytes(file.read_bytes().replace(b"two", b"TWO"))
    at = next(row["position"] for row in dump if row["run"] == second)
    damaged = fleet.ctl("journal", "check", "--data-dir", data, code=74)
    assert f"at position {at}" in damaged.stderr and "zmqctl journal salvage" in damaged.stderr, damaged.stderr
    refused = fleet.start("refused", "millrace-broker", "--port", "0", "--data-dir", data)
    wait_for("the refusal", lambda: refused.poll() is not None)
    assert refused.returncode == 74 and f"at position {at}" in fleet.log("refused"), fleet.log("refused")
    assert str(at - 1) in fleet.ctl("journal", "salvage", "--data-dir", data).stdout
    assert (fleet.dir / "data" / "journal.sqlite.damaged").exists()
    fleet.start_broker()
    assert [row["run"] for row in fleet.json("runs")] == [first]


def a_restart_with_many_runs_is_quick(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    fleet.start_workers("w1")
    runs = []
    for _ in range(20):  # one after another, since those are kept that ended last
        runs.append(fleet.submit(ONE))
        fleet.wait_run(runs[-1])
    fleet.kill("broker")
    begun = time.monotonic()
    fleet.start_broker("--runs-kept", "5", port=port)
    assert time.monotonic() - begun < 20
    # The others are forgotten once the history has them.
    wait_for("five runs", lambda: [row["run"] for row in fleet.json("runs")] == runs[-5:])
    wait_for("the compaction", lambda: "the journal was compacted" in fleet.log("broker"))
