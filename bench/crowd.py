#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many workers a broker holds, and what they cost it: real broker, workers that do nothing but be there.

usage: crowd.py BUILD_DIR [--workers N] [--processes N] [--seconds N] [--no-kill] [--json]

Each worker is a connection of its own. They all come at once; then they beat for a while, as often as the broker asks
them to; then the broker is killed and started again, and they come back. Exit code 1 when one is missing.
"""

import argparse
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import fleet as fleets  # noqa: E402
from fleet import Fleet, lines, wait_for  # noqa: E402


def registered(fleet):
    """Of the newest line: seconds, registered, refused."""
    rows = lines(fleet.dir / "crowd.log")
    seconds, there, _, refused = rows[-1].split() if rows else ("0", "0", "0", "0")
    return float(seconds), int(there), int(refused)


def resident_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) // 1024


def processor_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def known(fleet):
    """How many workers the broker has; 0 while so many come that it does not answer in time."""
    status = fleet.ctl("status", "--json", code=None)
    return json.loads(status.stdout)["workers"] if status.returncode == 0 else 0


def await_all(fleet, workers):
    """Seconds until all have a session and the broker knows all of them."""
    begun = time.monotonic()
    wait_for("all workers", lambda: registered(fleet)[1] == workers and known(fleet) == workers)
    return round(time.monotonic() - begun, 1)


def measure(fleet, arguments):
    port = fleet.free_port()
    broker = fleet.start_broker("--log-level", "error", port=port)
    empty = resident_mib(broker)
    fleet.start("crowd", "crowd", fleet.env["ORCHESTRATOR_URL"], "--workers", str(arguments.workers), "--processes",
                str(arguments.processes))
    result = {"benchmark": "crowd", "processors": os.cpu_count(), "workers": arguments.workers}
    result["seconds_until_all_were_there"] = await_all(fleet, arguments.workers)
    spent, since = processor_seconds(broker), time.monotonic()
    time.sleep(arguments.seconds)
    share = (processor_seconds(broker) - spent) / (time.monotonic() - since)
    result["processor_percent_while_they_beat"] = round(100 * share, 1)
    result["workers_after_that"] = fleet.json("status")["workers"]
    result["resident_mib"] = resident_mib(broker)
    result["kib_per_worker"] = round((result["resident_mib"] - empty) * 1024 / arguments.workers, 1)
    if not arguments.no_kill:
        fleet.kill("broker")
        fleet.start_broker("--log-level", "error", port=port)
        begun = time.monotonic()
        wait_for("all workers", lambda: known(fleet) == arguments.workers)
        result["seconds_until_all_were_back_after_a_kill"] = round(time.monotonic() - begun, 1)
    result["refused"] = registered(fleet)[2]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--workers", type=int, default=10000)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=30, help="that they beat (30)")
    parser.add_argument("--no-kill", action="store_true", help="leave out the kill of the broker")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    fleets.PATIENCE = 300
    fleet = Fleet(arguments.build)
    try:
        result = measure(fleet, arguments)
    finally:
        fleet.close()
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        for key, value in result.items():
            print(f"{key.replace('_', ' ')}: {value}")
    return 0 if result["workers_after_that"] == arguments.workers and not result["refused"] else 1


if __name__ == "__main__":
    sys.exit(main())
