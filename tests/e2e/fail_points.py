# SPDX-License-Identifier: Apache-2.0
"""The broker dies by kill -9 at each of its fail points, and whatever it had promised by then is kept."""

import json
import pathlib
import re
import signal

import artifacts
from fleet import lines, wait_for
from samples import ONE

# Two waves and a join; each `big` has a result that rides on the bulk plane.
WAVES = """
name: waves
modules:
  first:
    matrix: {n: [1, 2, 3, 4]}
    run: echo "$n" >> first
  big:
    needs: [first]
    matrix: {n: [1, 2]}
    run: |
      echo "$n" >> big
      head -c 300000 /dev/urandom | base64 -w0 | sed 's/.*/"&"/' > "$MILLRACE_OUTPUT"
  end: {needs: [big], run: 'wc -c "$MILLRACE_INPUTS"/*.json > sizes; echo end >> ended'}
"""
# Where it dies, and the how-many-eth time. The broker is at most at its second life then.
AT_START = ("epoch.written", "epoch.raised", "broker.restored", "broker.bound")
WHILE_IT_WRITES = ("journal.begun:1", "journal.begun:4", "journal.blobs-synced:2", "journal.written:1",
                   "journal.written:3", "journal.committed:1", "journal.committed:2", "journal.committed:5")
WHILE_IT_TELLS = ("broker.appended:1", "broker.appended:3", "broker.appended:6", "broker.told:1", "broker.told:2",
                  "broker.told:5", "broker.told:9", "broker.told:14")
WHILE_IT_STORES = ("blob.written:1", "blob.stored:1", "blob.stored:2")
WHILE_IT_ADMITS = ("gate.joined",)  # keys.py kills it there
WHILE_IT_COMPACTS = ("compaction.written", "compaction.committed")


def dies(fleet, process, point):
    wait_for(f"the death at {point}", lambda: process.poll() is not None)
    assert process.returncode == -signal.SIGKILL, (point, process.returncode, fleet.log("broker"))
    del fleet.processes["broker"]


def start_dying(fleet, port, point, *args):
    """A broker that dies at `point`, perhaps before it says where it listens."""
    return fleet.start("broker", "millrace-broker", "--port", str(port), "--data-dir", str(fleet.dir / "data"), *args,
                       env={"MILLRACE_FAIL_POINT": point})


def records(fleet):
    """The journal of a broker that has ended, by task; what has no task under None."""
    said = fleet.ctl("journal", "dump", "--data-dir", str(fleet.dir / "data")).stdout
    by_task = {}
    for row in map(json.loads, said.splitlines()):
        by_task.setdefault(str(row["record"].get("task")), []).append(row["kind"])
    return by_task


def assert_each_task_ends_once(fleet):
    by_task = records(fleet)
    rest = by_task.pop("None")
    assert rest.count("RunAccepted") == 1 and rest.count("RunEnded") == 1, rest
    assert len(by_task) == 7, by_task
    for task, kinds in by_task.items():
        assert kinds.count("TaskEnded") == 1 and kinds[-1] == "TaskEnded", (task, kinds)


def survives(fleet, point):
    port = fleet.free_port()
    start_dying(fleet, port, point)
    fleet.env["ORCHESTRATOR_URL"] = f"tcp://127.0.0.1:{port}"
    for name in ("w1", "w2"):
        fleet.start(name, "millrace-worker", "--worker-id", name, "--slots", "2")
    client = fleet.start("client", "zmqctl", "submit", fleet.pipeline(WAVES), "--wait")
    dies(fleet, fleet.processes["broker"], point)
    broker = fleet.start_broker(port=port)
    wait_for("the end of the run", lambda: client.poll() is not None)
    assert client.returncode == 0, (point, client.returncode, fleet.log("client"))
    rows = fleet.json("runs")
    assert len(rows) == 1 and rows[0]["state"] == "succeeded" and rows[0]["succeeded"] == 7, (point, rows)
    # Started again only what nobody had been told of.
    for file, wanted in (("first", {"1", "2", "3", "4"}), ("big", {"1", "2"}), ("ended", {"end"})):
        assert set(lines(fleet.work / file)) == wanted, (point, file, lines(fleet.work / file))
    sizes = lines(fleet.work / "sizes")
    assert sum(line.split()[0] == "400003" for line in sizes) >= 2, (point, sizes)
    broker.terminate()
    wait_for("the end of the broker", lambda: broker.poll() is not None)
    assert_each_task_ends_once(fleet)
    for key in list(fleet.processes):
        fleet.kill(key)  # a worker that had not joined yet would wait for a broker


def every(fleet, points):
    for number, point in enumerate(points):
        fleet.dir = fleet.root / f"{number}-{point}"
        fleet.work = fleet.dir / "work"
        fleet.work.mkdir(parents=True)
        survives(fleet, point)


def A09_killed_while_it_writes_its_journal(fleet):
    every(fleet, WHILE_IT_WRITES)


def A09_killed_while_it_tells_what_is_durable(fleet):
    every(fleet, WHILE_IT_TELLS)


def A09_killed_while_it_stores_a_large_result(fleet):
    every(fleet, WHILE_IT_STORES)


def A09_killed_at_its_start_and_while_it_compacts(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    fleet.start_workers("w1", "w2")
    runs = []
    for _ in range(3):  # one after another, since those are kept that ended last
        runs.append(fleet.submit(ONE))
        fleet.wait_run(runs[-1])
    fleet.kill("broker")
    for point in AT_START:
        dies(fleet, start_dying(fleet, port, point), point)
    for point in WHILE_IT_COMPACTS:
        dies(fleet, start_dying(fleet, port, point, "--runs-kept", "2"), point)
    fleet.start_broker("--runs-kept", "2", port=port)
    assert [row["run"] for row in fleet.json("runs")] == runs[1:]
    epoch = int((fleet.dir / "data" / "epoch").read_text())
    # One for each life that came as far as to raise it.
    assert epoch == 1 + len(AT_START) - 1 + len(WHILE_IT_COMPACTS) + 1, epoch
    fleet.wait_run(fleet.submit(WAVES))


def a_fail_point_that_exists_is_tried(fleet):
    """Whoever adds one adds it here."""
    del fleet
    root = pathlib.Path(__file__).parents[2]
    exist = {name for file in root.glob("lib/millrace/**/*.cc")
             for name in re.findall(r'FailPoint\("([^"]+)"\)', file.read_text())}
    ours = (AT_START, WHILE_IT_WRITES, WHILE_IT_TELLS, WHILE_IT_STORES, WHILE_IT_ADMITS, WHILE_IT_COMPACTS,
            artifacts.WHILE_IT_HANDS_OVER)
    tried = {point.split(":")[0] for points in ours for point in points}
    assert exist == tried, exist ^ tried
