# SPDX-License-Identifier: Apache-2.0
"""Connections that stay up and say nothing, or nonsense; peers that are slow, many, or do not listen."""

import json
import pathlib
import re
import resource
import signal
import socket
import time
import urllib.request

import attackers
from fleet import PATIENCE, lines, wait_for
from links import cuttable
from proxy import TO_BROKER, TO_WORKER
from samples import ONE, TWELVE

QUICK = ("--worker-heartbeat-interval", "200ms", "--worker-heartbeat-timeout", "2s")
# The first try waits for `free`, each other one is over at once.
FIRST_TRY_WAITS = """
name: waits
modules:
  work:
    run: |
      echo "$MILLRACE_ATTEMPT" >> started
      if [ "$(wc -l < started)" -eq 1 ]; then while [ ! -e free ]; do sleep 0.05; done; fi
      echo "$MILLRACE_ATTEMPT" >> done
      echo "$MILLRACE_ATTEMPT" > "$MILLRACE_OUTPUT"
"""
LARGE_LATER = """
name: large later
modules:
  big:
    run: |
      echo begun >> started
      while [ ! -e go ]; do sleep 0.05; done
      head -c 300000 /dev/urandom | base64 -w0 | sed 's/.*/"&"/' > "$MILLRACE_OUTPUT"
  end: {needs: [big], run: 'wc -c < "$MILLRACE_INPUTS"/big.json >> sizes'}
"""


def takes_work(fleet, name):
    """Whether this worker, and no other, is given a task and ends it."""
    mark = f"{name}-{time.monotonic_ns()}"
    run = fleet.submit(f"name: x\nmodules: {{a: {{requires: {{tags: [{name}]}}, run: 'touch {mark}'}}}}\n")
    assert fleet.wait_run(run)["state"] == "succeeded", run
    assert (fleet.work / mark).exists()


def frozen_beyond_its_lease(fleet, *ways, side_channels=True):
    """w1 has the task and is not heard; w2 does it; what w1 says of it later counts for nothing, and it works again."""
    fleet.start_broker(*QUICK)
    with cuttable(fleet, "w1", "--tag", "w1", "--kill-grace", "200ms") as proxy:
        run = fleet.submit(FIRST_TRY_WAITS)
        wait_for("the first try", lambda: lines(fleet.work / "started"))
        proxy.freeze(*ways, ports=None if side_channels else proxy.ports[:1])
        fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "1")
        row = fleet.wait_run(run)
        assert row["state"] == "succeeded", row
        assert fleet.json("tasks", run)[0]["worker"] == "w2"
        second = lines(fleet.work / "done")[0]
        (fleet.work / "free").touch()
        proxy.thaw()
        takes_work(fleet, "w1")
        assert fleet.ctl("result", "work", "--run", run).stdout.strip() == second
        assert fleet.json("status")["tasks_completed"] == 2
        assert fleet.processes["w1"].poll() is None


def A01_A07_a_half_open_connection_is_a_lost_worker(fleet):
    frozen_beyond_its_lease(fleet, TO_BROKER, TO_WORKER)


def A01_A07_a_worker_that_hears_and_is_not_heard_is_lost(fleet):
    frozen_beyond_its_lease(fleet, TO_BROKER)


def A01_A07_beats_alone_do_not_keep_a_task(fleet):
    frozen_beyond_its_lease(fleet, TO_BROKER, TO_WORKER, side_channels=False)


def A06_a_worker_that_is_heard_and_does_not_hear_gets_its_orders_in_the_end(fleet):
    fleet.start_broker(*QUICK)
    with cuttable(fleet, "w1", "--tag", "w1") as proxy:
        proxy.freeze(TO_WORKER)
        run = fleet.submit(TWELVE)
        (fleet.work / "go").touch()
        fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "2")
        assert fleet.wait_run(run)["state"] == "succeeded"
        proxy.thaw()
        takes_work(fleet, "w1")
    assert sorted(map(int, lines(fleet.work / "done"))) == list(range(1, 13))


def A06_a_worker_that_stands_still_for_less_than_its_lease_keeps_its_attempts(fleet):
    fleet.start_broker("--worker-heartbeat-interval", "200ms", "--worker-heartbeat-timeout", "10s")
    fleet.start_workers("w1", "w2")
    run = fleet.submit(TWELVE)
    wait_for("four tasks to run", lambda: len(lines(fleet.work / "started")) == 4)
    fleet.processes["w1"].send_signal(signal.SIGSTOP)
    (fleet.work / "go").touch()
    wait_for("what w2 did meanwhile", lambda: len(lines(fleet.work / "done")) >= 2)
    fleet.processes["w1"].send_signal(signal.SIGCONT)
    assert fleet.wait_run(run)["state"] == "succeeded"
    assert sorted(int(line.split()[0]) for line in lines(fleet.work / "started")) == list(range(1, 13))  # once each
    assert "was silent" not in fleet.log("broker")


def A12_a_heartbeat_channel_that_is_frozen_is_said_and_no_lease_ends(fleet):
    fleet.start_broker(*QUICK)
    with cuttable(fleet, "w1") as proxy:
        run = fleet.submit(FIRST_TRY_WAITS)
        wait_for("the first try", lambda: lines(fleet.work / "started"))
        proxy.freeze(TO_BROKER, TO_WORKER, ports=proxy.ports[1:])

        def said():
            return any("heartbeat channel of worker w1 is down" in text for text in fleet.json("status")["warnings"])
        wait_for("the warning", said)
        two_leases = time.monotonic() + 4
        wait_for("two leases", lambda: time.monotonic() > two_leases)
        (fleet.work / "free").touch()
        assert fleet.wait_run(run)["state"] == "succeeded"
        proxy.thaw()
        wait_for("the end of the warning", lambda: not said())
    assert len(lines(fleet.work / "started")) == 1 and "was silent" not in fleet.log("broker")


def A48_wrong_bits_on_one_line_are_no_trouble_of_the_others(fleet):
    """Without keys nobody can tell a wrong bit from a right one: the worker behind that line may end, or hang until it
    is started again. The broker and the others go on."""
    broker = fleet.start_broker(*QUICK)
    with cuttable(fleet, "w1", "--tag", "w1") as proxy:
        fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "1", "--tag", "w2")
        proxy.garble(proxy.ports[0], 300)
        begun = proxy.bytes[proxy.ports[0]]
        run = fleet.submit("name: x\nfail_mode: keep-going\nmodules: {a: {matrix: {n: [%s]}, run: 'echo $n >> done'}}\n"
                           % ", ".join(map(str, range(200))))
        worker = fleet.processes["w1"]
        wait_for("wrong bits", lambda: proxy.bytes[proxy.ports[0]] > begun + 3000 or worker.poll() is not None)
        takes_work(fleet, "w2")
        proxy.garble(proxy.ports[0], 0)
        assert broker.poll() is None
    fleet.kill("w1")
    fleet.wait_run(run)  # a result may have become a failure on its way
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "1", "--tag", "w1")
    takes_work(fleet, "w1")
    assert broker.poll() is None


def A43_a_client_that_never_reads_costs_the_broker_little(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    run = fleet.submit("name: x\nmodules: {a: {run: 'touch on; while [ ! -e go ]; do sleep 0.05; done; "
                       "yes 0123456789012345678901234567890123456789 | head -c 20000000'}}\n")
    watcher = fleet.start("watcher", "zmqctl", "logs", "-f", "--run", run)
    wait_for("the task", (fleet.work / "on").exists)
    watcher.send_signal(signal.SIGSTOP)

    def resident():
        status = pathlib.Path(f"/proc/{broker.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])  # KiB
    before = resident()
    (fleet.work / "go").touch()
    assert fleet.wait_run(run)["state"] == "succeeded"
    assert resident() - before < 128 * 1024, (before, resident())
    watcher.send_signal(signal.SIGCONT)


def is_turned_away(port, held):
    """Whether the broker hangs up on one more stranger who speaks as a peer would; if not, it is among the held."""
    stranger = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    try:
        attackers.send(stranger, attackers.GREETING + attackers.ready())
        said = b""
        while heard := stranger.recv(64):
            said += heard
            if b"READY" in said:
                held.append(stranger)
                return False
    except ConnectionError:
        pass
    stranger.close()
    return True


def A48_strangers_cannot_take_the_descriptors_for_results(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    # Its connection for large results is made with the first.
    for step in ("first", "second"):
        (fleet.work / "go").unlink(missing_ok=True)
        run = fleet.submit(LARGE_LATER)
        wait_for("the start", lambda at=step: len(lines(fleet.work / "started")) == 1 + (at == "second"))
        if step == "first":
            (fleet.work / "go").touch()
            assert fleet.wait_run(run)["state"] == "succeeded"
    control = int(fleet.env["ORCHESTRATOR_URL"].rsplit(":", 1)[1])
    held = []
    limits = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        wait_for("strangers to be turned away", lambda: is_turned_away(control, held))
        assert len(held) > 20, len(held)
        (fleet.work / "go").touch()
        wait_for("the large result to be there and read", lambda: len(lines(fleet.work / "sizes")) == 2)
        health = re.search(r"http://\S+", fleet.log("broker")).group()
        with urllib.request.urlopen(health, timeout=PATIENCE) as answer:
            assert json.load(answer)["workers"]["lost"] == 0
        assert is_turned_away(control, held)
        assert "Too many open files" not in fleet.log("broker") + fleet.log("w1")
    finally:
        for stranger in held:
            stranger.close()
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, limits)
    assert fleet.wait_run(run)["state"] == "succeeded"


def A48_a_broker_out_of_descriptors_serves_those_it_has(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    run = fleet.submit(TWELVE)
    wait_for("two tasks to run", lambda: len(lines(fleet.work / "started")) == 2)
    port = int(fleet.env["ORCHESTRATOR_URL"].rsplit(":", 1)[1])
    limits = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
    in_use = len(list(pathlib.Path(f"/proc/{broker.pid}/fd").iterdir()))
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (in_use + 5, limits[1]))
    strangers = []
    try:
        for _ in range(40):
            stranger = socket.create_connection(("127.0.0.1", port))
            strangers.append(stranger)
        (fleet.work / "go").touch()
        wait_for("twelve ends", lambda: len(lines(fleet.work / "done")) == 12)
        before = sum(map(int, pathlib.Path(f"/proc/{broker.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        assert broker.poll() is None
    finally:
        for stranger in strangers:
            stranger.close()
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, limits)
    assert before >= 0
    assert fleet.wait_run(run)["state"] == "succeeded"
    fleet.start_workers("w2")
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
