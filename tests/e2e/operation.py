# SPDX-License-Identifier: Apache-2.0
"""Fleets as they are operated: joining, draining, settings, strangers, health, and what idling costs."""

import os
import pathlib
import re
import socket
import time
import urllib.request

from fleet import lines, wait_for
from samples import ONE, TWELVE


def A28_a_draining_worker_finishes_its_own_and_exits_0(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    run = fleet.submit(TWELVE)
    wait_for("two tasks to run", lambda: len(lines(fleet.work / "started")) >= 2)
    worker = fleet.processes["w1"]
    worker.terminate()
    wait_for("the drain", lambda: any(row["state"] == "draining" for row in fleet.json("workers")))
    fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "2")
    (fleet.work / "go").touch()
    wait_for("w1 to end", lambda: worker.poll() is not None)
    assert worker.returncode == 0, fleet.log("w1")
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    assert sorted(lines(fleet.work / "done"), key=int) == [str(n) for n in range(1, 13)]  # once each


def A43_health_answers_over_http(fleet):
    fleet.start_broker("--expect-workers", "2")
    fleet.start_workers("w1")
    url = fleet.log("broker").split("health on ")[1].split()[0]

    def health():
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
            return answer.read().decode()

    # The snapshot behind it is published a moment after the broker has changed.
    wait_for("the worker in the health", lambda: '"idle": 1' in health())
    assert '"status": "degraded"' in health(), health()
    assert fleet.ctl("health", code=1).stdout.startswith("degraded")


def A45_bad_settings_are_refused_with_their_range(fleet):
    for args, env, said in ((("--port", "99999"), {}, "99999"),
                            ((), {"ORCHESTRATOR_PORT": "many"}, "ORCHESTRATOR_PORT"),
                            (("--bind", "0.0.0.0", "--port", "0"), {}, "--insecure-allow-plaintext-on")):
        process = fleet.start("refused", "millrace-broker", "--data-dir", str(fleet.dir / "x"), *args, env=env)
        wait_for("the refusal", lambda one=process: one.poll() is not None)
        assert process.returncode == 78, (args, env, process.returncode, fleet.log("refused"))
        assert said in fleet.log("refused"), fleet.log("refused")


def A45_children_do_not_inherit_settings(fleet):
    fleet.start_broker()
    fleet.env["MILLRACE_SECRET_THING"] = "no"
    fleet.env["FOREIGN"] = "no"
    fleet.start_workers("w1")
    run = fleet.submit("name: x\nmodules: {a: {run: 'env > environment', env: {MINE: 'yes'}}}\n")
    assert fleet.wait_run(run)["state"] == "succeeded"
    names = {line.split("=")[0] for line in lines(fleet.work / "environment")}
    assert "MINE" in names and "PATH" in names
    assert not names & {"MILLRACE_SECRET_THING", "FOREIGN", "ORCHESTRATOR_URL", "WORKER_ID"}, names


CONFINED = """
name: confined
modules:
  look:
    isolation: %s
    run: |
      grep NoNewPrivs /proc/self/status | tr -d '[:space:]' > seen; echo >> seen
      echo core $(ulimit -S -c) >> seen
      echo files $(ulimit -n) >> seen
      echo descriptors $(ls /proc/self/fd | wc -l) >> seen
      read -r pid name state parent group rest < /proc/self/stat
      [ "$group" = "$pid" ] || [ "$group" = $$ ] && echo group of its own >> seen
"""


def A45_children_are_confined(fleet):
    """No new privileges, no core files, no descriptors of ours, a process group of their own, and the limits given."""
    fleet.start_broker()
    fleet.start_workers("w1", args=("--task-limit", "files=77", "--task-limit", "memory=64GiB"))
    for isolation in ("process", "in-process"):  # a pipeline cannot get round the limits
        assert fleet.wait_run(fleet.submit(CONFINED % isolation))["state"] == "succeeded"
        seen = lines(fleet.work / "seen")
        # The descriptors: three, and the one with which `ls` reads the folder.
        assert seen == ["NoNewPrivs:1", "core 0", "files 77", "descriptors 4", "group of its own"], seen
    fleet.processes["w1"].terminate()
    fleet.processes["w1"].wait(timeout=60)
    fleet.start("w2", "millrace-worker", "--worker-id", "w2", "--slots", "1", "--new-privileges")
    assert fleet.wait_run(fleet.submit(CONFINED % "process"))["state"] == "succeeded"
    # What we have lost ourselves, perhaps as a task of Millrace, nobody gives back.
    ours = re.search(r"NoNewPrivs:\s(\d)", pathlib.Path("/proc/self/status").read_text()).group(1)
    assert f"NoNewPrivs:{ours}" in lines(fleet.work / "seen"), lines(fleet.work / "seen")
    for limit, said in (("memroy=1GiB", "did you mean 'memory'"), ("files=1e9", "files=32 to 1048576")):
        refused = fleet.start("refused", "millrace-worker", "--task-limit", limit)
        wait_for("the refusal", lambda one=refused: one.poll() is not None)
        assert refused.returncode == 78 and said in fleet.log("refused"), fleet.log("refused")


def A46_a_second_broker_on_one_data_directory_is_refused(fleet):
    fleet.start_broker()
    second = fleet.start("second", "millrace-broker", "--port", "0", "--data-dir", str(fleet.dir / "data"))
    wait_for("the refusal", lambda: second.poll() is not None)
    assert second.returncode != 0 and str(fleet.processes["broker"].pid) in fleet.log("second"), fleet.log("second")


def A48_rubbish_at_the_port_changes_nothing(fleet):
    broker = fleet.start_broker()
    fleet.start_workers("w1")
    host, port = fleet.env["ORCHESTRATOR_URL"].removeprefix("tcp://").split(":")
    rubbish = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n\x01\x00hello",
               os.urandom(65536), b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f" + b"\x03\x00NULL" + bytes(100), b""]
    for plane in range(2):
        for data in rubbish * 5:
            with socket.create_connection((host, int(port)), timeout=10) as peer:
                try:
                    peer.sendall(data)
                except OSError:
                    pass  # it may hang up first
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    assert broker.poll() is None


def A49_a_duplicate_worker_id_is_refused_and_a_restarted_one_is_welcome(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    second = fleet.start("second", "millrace-worker", "--worker-id", "w1", "--slots", "1")
    wait_for("the refusal", lambda: second.poll() is not None)
    assert second.returncode == 78 and "w1" in fleet.log("second"), (second.returncode, fleet.log("second"))
    fleet.kill("w1")
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "2")
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"


def cpu_seconds(pid):
    """What the process has used, its children not."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def A50_idle_workers_cost_nothing(fleet):
    count, window = 100, 10
    fleet.start_broker()
    for number in range(count):
        fleet.start(f"w{number}", "millrace-worker", "--worker-id", f"w{number}", "--slots", "1", "--no-detect-tools")
    fleet.wait_workers(count)
    begun = time.monotonic()
    before = {key: cpu_seconds(process.pid) for key, process in fleet.processes.items()}
    # Processor time, not the clock: what others do on this machine does not count.
    wait_for("the end of the window", lambda: time.monotonic() > begun + window)
    used = {key: cpu_seconds(process.pid) - before[key] for key, process in fleet.processes.items()}
    elapsed = time.monotonic() - begun
    worst = max(value for key, value in used.items() if key != "broker") / elapsed
    print(f"# A50: broker {used['broker'] / elapsed:.2%} of a core, the busiest worker {worst:.2%}", flush=True)
    assert used["broker"] < 0.1 * elapsed and worst < 0.1, used  # ten times what is promised
    assert fleet.json("status")["workers"] == count


A50_idle_workers_cost_nothing.alone = True
