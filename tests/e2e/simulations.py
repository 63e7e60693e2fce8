# SPDX-License-Identifier: Apache-2.0
"""What a recorded run would have taken on other workers, held against those workers."""

import json

from fleet import wait_for

# Two waves of tasks that wait, of very different lengths: a schedule that is not the real one takes another time.
LENGTHS = (300, 50, 250, 100, 200, 150, 300, 50, 250, 100, 200, 150)
RUN = "    module: sleep\n    requires: {cpus: 1}\n"


def pipeline():
    text = "name: naps\nmodules:\n"
    for n, length in enumerate(LENGTHS):
        text += f"  first{n}:\n{RUN}    with: {{duration: {length}ms}}\n"
    for n, length in enumerate(LENGTHS):
        text += f"  second{n}:\n{RUN}    with: {{duration: {length}ms}}\n    needs: [first{n}, first{(n + 5) % 12}]\n"
    return text


def warm_up(fleet, slots):
    """Hosts of slots are started by the first task that comes there; that is not what is compared."""
    text = "name: warm\nmodules:\n" + "".join(
        f"  w{n}:\n{RUN}    with: {{duration: 100ms}}\n" for n in range(2 * slots))
    assert fleet.wait_run(fleet.submit(text))["state"] == "succeeded"


def record(fleet):
    """Runs it on whoever is there; its id and what it took."""
    run = fleet.submit(pipeline())
    row = fleet.wait_run(run)
    assert row["state"] == "succeeded", row
    return run, row["elapsed_s"]


def simulate(fleet, run, *args):
    where = ("--data-dir", str(fleet.dir / "data"))
    wait_for("the run in the history", lambda: fleet.ctl("report", run, *where, code=None).returncode == 0)
    return json.loads(fleet.ctl("simulate", run, *args, *where, "--json").stdout)


def A42_a_simulation_is_within_5_percent_of_a_real_rerun(fleet):
    fleet.start_broker()
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "1")
    fleet.wait_workers(1)
    warm_up(fleet, 1)
    run, took = record(fleet)
    told = simulate(fleet, run, "--workers", "2", "--slots", "2")
    again = told["as_it_was"]["makespan_s"]
    assert abs(again - took) <= 0.05 * took, (took, told)
    w1 = fleet.processes.pop("w1")
    w1.terminate()
    w1.wait()
    fleet.start_workers("w2", "w3")  # of two slots
    warm_up(fleet, 4)
    # Others on this machine can only lengthen a run, so that the best of three is what it takes.
    simulated = told["simulated"][0]["makespan_s"]
    real = []
    while len(real) < 3 and not any(abs(simulated - one) <= 0.05 * one for one in real):
        real.append(record(fleet)[1])
    assert abs(simulated - min(real)) <= 0.05 * min(real), (simulated, real, told)
    assert told["simulated"][0]["slots"] == 4 and told["simulated"][0]["lower_bound_s"] <= simulated, told
    text = fleet.ctl("simulate", run, "--workers", "1,2,4", "--data-dir", str(fleet.dir / "data")).stdout
    assert "as it was" in text and "critical path" in text and "efficiency" in text, text
    refused = fleet.ctl("simulate", run, "--workers", "none", "--data-dir", str(fleet.dir / "data"), code=65).stderr
    assert "'none' is no number" in refused, refused
