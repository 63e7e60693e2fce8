#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long until work goes on after a kill -9, with the real programs on this machine.

usage: recovery.py BUILD_DIR [--kills N] [--json]

A chain of tasks runs on two workers, so that nothing goes on but by what is measured. N of them lose their worker while
they run: the time is from the kill to the same task's next start, on the other worker. N of them lose the broker, which
is started again at once: the time is from the kill to the start of the next task, whose predecessor ended meanwhile. A
start is when the task's own command runs. Exit code 1 when anything was lost.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from fleet import Fleet, lines, wait_for  # noqa: E402

STEP = """  t{n}:
    needs: [{needs}]
    run: |
      echo "{n} $(date +%s%N) $MILLRACE_SLOT" >> starts
      {wait}
"""
UNTIL_TOLD = "while [ ! -e go-{n} ]; do sleep 0.02; done"


def chain(count, wait):
    """A pipeline in which each task needs the one before."""
    steps = (STEP.format(n=n, needs=f"t{n - 1}" if n else "", wait=wait.format(n=n)) for n in range(count))
    return "name: chain\nmodules:\n" + "".join(steps)


class Chain:
    """What its tasks have said of their starts: number, seconds, slot."""

    def __init__(self, fleet, kind, count, wait):
        self.file = fleet.work / "starts"
        self.file.unlink(missing_ok=True)
        self.kind, self.count = kind, count
        self.run = fleet.submit(chain(count, wait))

    def starts(self):
        return [(int(n), int(at) / 1e9, slot) for n, at, slot in map(str.split, lines(self.file))]

    def start(self, number, nth=1):
        """The nth start of this task; waits for it."""
        def found():
            mine = [row for row in self.starts() if row[0] == number]
            return len(mine) >= nth and mine[nth - 1]
        return wait_for(f"start {nth} of task {number}", found)

    def result(self, fleet, milliseconds):
        row = fleet.wait_run(self.run)
        executions = len(self.starts())
        milliseconds.sort()

        def at(part):
            return round(milliseconds[min(len(milliseconds) - 1, int(len(milliseconds) * part))], 1)
        return {"kills": len(milliseconds), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": round(milliseconds[-1], 1),
                "tasks": self.count, "executions": executions, "re_executions": executions - self.count,
                "lost": self.count - row["succeeded"]}


def kill_workers(fleet, kills):
    ran = Chain(fleet, "worker", kills + 1, UNTIL_TOLD)
    took = []
    for number in range(kills):
        _, _, slot = ran.start(number)
        holder = int(slot.split("-")[1])  # the slot's name has the process of its worker
        key = next(key for key, process in fleet.processes.items() if process.pid == holder)
        killed = time.time()
        fleet.kill(key)
        took.append((ran.start(number, nth=2)[1] - killed) * 1e3)
        fleet.start(key, "millrace-worker", "--worker-id", key, "--slots", "1")
        (fleet.work / f"go-{number}").touch()
        fleet.wait_workers(2)
    (fleet.work / f"go-{kills}").touch()
    return ran.result(fleet, took)


def kill_brokers(fleet, kills, port):
    ran = Chain(fleet, "broker", kills + 1, "sleep 0.05")
    took = []
    number = 0
    while len(took) < kills:
        ran.start(number)
        killed = time.time()
        fleet.kill("broker")
        begun = max(row[0] for row in ran.starts())  # what it had given out is no new progress
        start_broker(fleet, port)
        if begun >= kills:
            break
        took.append((ran.start(begun + 1)[1] - killed) * 1e3)
        number = begun + 1
    return ran.result(fleet, took)


def start_broker(fleet, port):
    # Its journal is not to forget what is asked at the end.
    fleet.start_broker("--crash-limit", "1000", "--log-level", "warning", port=port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--kills", type=int, default=100, help="of each kind (100)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    fleet = Fleet(arguments.build)
    try:
        port = fleet.free_port()
        start_broker(fleet, port)
        fleet.start_workers("w1", "w2", args=("--slots", "1"))
        result = {"benchmark": "recovery", "processors": os.cpu_count(),
                  "worker": kill_workers(fleet, arguments.kills), "broker": kill_brokers(fleet, arguments.kills, port)}
    finally:
        fleet.close()
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        for kind in ("worker", "broker"):
            row = result[kind]
            print(f"{kind}: {row['kills']} kills, p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms, "
                  f"max {row['max_ms']} ms; {row['executions']} executions of {row['tasks']} tasks, {row['lost']} lost")
    return 1 if result["worker"]["lost"] or result["broker"]["lost"] else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
