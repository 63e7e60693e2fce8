# SPDX-License-Identifier: Apache-2.0
"""Workers and their broker on hosts of their own, with cables that are pulled out, or that carry in one direction only:
silence, where `links` has connections that are reset.
"""

import time

from fleet import is_alive, lines, wait_for
from hosts import hosts
from samples import TWELVE

FAST = ("--worker-heartbeat-interval", "200ms", "--worker-heartbeat-timeout")


def silence(lan, name):
    """How long the broker has heard nothing of it, in seconds."""
    return next(row["silent_s"] for row in lan.fleet.json("workers") if row["name"] == name)


def holders(fleet, run):
    return {task["name"]: task["worker"] for task in fleet.json("tasks", run)}


def started(fleet):
    """(number of the task, process) of each execution, in their order."""
    return [tuple(map(int, line.split())) for line in lines(fleet.work / "started")]


def two_on_the_first(lan):
    """A run of which the first two tasks run on w1, which then gets company."""
    lan.start_worker("w1")
    run = lan.fleet.submit(TWELVE)
    wait_for("two tasks to run", lambda: len(started(lan.fleet)) == 2)
    lan.start_worker("w2")
    wait_for("two more", lambda: len(started(lan.fleet)) == 4)
    return run, started(lan.fleet)[:2]


def assert_green(fleet, run):
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded" and row["succeeded"] == 14, row
    assert fleet.json("status")["tasks_completed"] == 14, fleet.json("status")


def A06_a_cable_out_for_less_than_the_lease_costs_nothing(fleet):
    with hosts(fleet, "w1", "w2") as lan:
        lan.start_broker(*FAST, "30s")
        run, first = two_on_the_first(lan)
        lan.pull("w1")
        wait_for("silence", lambda: silence(lan, "w1") > 1)
        (fleet.work / "go").touch()
        wait_for("results that cannot be told", lambda: len(lines(fleet.work / "done")) >= 4)
        assert silence(lan, "w1") > 1
        lan.plug("w1")
        assert_green(fleet, run)
        assert sorted(number for number, _ in started(fleet)) == list(range(1, 13))  # once each
        assert all(holders(fleet, run)[f"work[n={number}]"] == "w1" for number, _ in first)
        assert "was silent" not in fleet.log("broker"), fleet.log("broker")


def A01_a_silent_machine_is_noticed_within_its_lease(fleet):
    with hosts(fleet, "w1", "w2") as lan:
        lan.start_broker(*FAST, "2s")
        run, first = two_on_the_first(lan)
        lan.pull("w1")
        pulled = time.monotonic()
        wait_for("the loss", lambda: "was silent for more than 2" in fleet.log("broker"))
        assert 1.5 < time.monotonic() - pulled < 20, "the lease is 2 s"
        said = next(line for line in fleet.log("broker").splitlines() if "was silent for more than" in line)
        assert "worker w1 " in said and all(f"work[n={number}]" in said for number, _ in first), said
        (fleet.work / "go").touch()
        assert_green(fleet, run)
        assert all(holders(fleet, run)[f"work[n={number}]"] == "w2" for number, _ in first)


def A07_a_result_from_behind_a_long_partition_is_dropped(fleet):
    with hosts(fleet, "w1", "w2") as lan:
        lan.start_broker(*FAST, "2s")
        run, first = two_on_the_first(lan)
        lan.pull("w1")
        wait_for("the loss", lambda: lan.state("w1") in (None, "lost"))
        (fleet.work / "go").touch()  # for both sides
        assert_green(fleet, run)
        wait_for("both sides' ends", lambda: not any(is_alive(process) for _, process in first))
        lan.plug("w1")
        wait_for("w1 to be back", lambda: lan.state("w1") == "idle")
        wait_for("what it brought to be dropped", lambda: "dropped" in fleet.log("w1"))
        assert_green(fleet, run)  # nothing has changed
        twice = [number for number, _ in started(fleet) if number in dict(first)]
        assert sorted(twice) == sorted(2 * list(dict(first))), twice
        assert all(holders(fleet, run)[f"work[n={number}]"] == "w2" for number, _ in first)


def A10_what_a_worker_runs_beyond_its_lease_is_stopped_when_it_is_back(fleet):
    with hosts(fleet, "w1", "w2") as lan:
        lan.start_broker(*FAST, "2s")
        run, first = two_on_the_first(lan)
        lan.pull("w1")
        wait_for("the loss", lambda: lan.state("w1") in (None, "lost"))
        assert all(is_alive(process) for _, process in first)
        lan.plug("w1")
        for _, process in first:
            wait_for(f"the end of {process}", lambda one=process: not is_alive(one))
        wait_for("w1 to be back", lambda: lan.state("w1") in ("idle", "busy"))
        (fleet.work / "go").touch()
        assert_green(fleet, run)


def one_way(fleet, stop):
    """A run with a cable that carries in one direction only, beyond the lease; then it is whole again."""
    with hosts(fleet, "w1", "w2") as lan:
        lan.start_broker(*FAST, "2s")
        run, _ = two_on_the_first(lan)
        stop(lan, "w1")
        (fleet.work / "go").touch()
        assert_green(fleet, run)  # whatever w1 had goes on elsewhere
        lan.cure("w1")
        wait_for("w1 to be back", lambda: lan.state("w1") == "idle")


def A01_a_worker_that_is_not_heard_strands_nothing(fleet):
    one_way(fleet, lambda lan, name: lan.mute(name))
    assert "worker w1 " in fleet.log("broker") and "was silent for more than" in fleet.log("broker")


def A01_a_worker_that_hears_nothing_strands_nothing(fleet):
    one_way(fleet, lambda lan, name: lan.deafen(name))
