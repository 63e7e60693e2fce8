# SPDX-License-Identifier: Apache-2.0
"""Many workers at once: each a connection of its own that speaks the protocol and does nothing else. How many a broker
can hold is measured by bench/crowd.py; here it is what becomes of some hundreds."""

from fleet import lines, wait_for

MANY = 300


def registered(fleet):
    """How many have a session, as they know it, and how many were refused for good."""
    rows = lines(fleet.dir / "crowd.log")
    return tuple(map(int, rows[-1].split()[1::2])) if rows else (0, 0)


def A01_hundreds_of_workers_at_once_are_all_there_and_come_back_to_a_new_broker(fleet):
    port = fleet.free_port()
    quick = ("--worker-heartbeat-interval", "500ms", "--worker-heartbeat-timeout", "6s")
    fleet.start_broker(*quick, port=port)
    fleet.start("crowd", "crowd", fleet.env["ORCHESTRATOR_URL"], "--workers", str(MANY), "--processes", "2")
    wait_for("all to be welcome", lambda: registered(fleet) == (MANY, 0))
    assert fleet.json("status")["workers"] == MANY, fleet.json("status")
    fleet.kill("broker")
    fleet.start_broker(*quick, port=port)
    wait_for("all to be back", lambda: fleet.json("status")["workers"] == MANY)
    wait_for("all to know it", lambda: registered(fleet) == (MANY, 0))
    assert fleet.processes["crowd"].poll() is None
    assert " lost" not in fleet.log("broker"), fleet.log("broker")
