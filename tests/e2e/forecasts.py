# SPDX-License-Identifier: Apache-2.0
"""What the history of a pipeline says of its next run: how much longer it takes, and what was different this time."""

import json

from fleet import PATIENCE, wait_for

PIPELINE = """
name: forecast
modules:
  nap: {module: sleep, requires: {cpus: 1}, with: {duration: 100ms}}
  gate: {needs: [nap], run: 'while [ ! -e go ]; do sleep 0.02; done'}
  end: {needs: [gate], matrix: {n: [1, 2]}, run: 'true'}
"""


def A42_a_run_is_foreseen_from_those_before_it(fleet):
    where = ("--data-dir", str(fleet.dir / "data"))
    fleet.start_broker()
    fleet.start_workers("w1")
    (fleet.work / "go").write_text("")
    for count in (1, 2):
        first = fleet.ctl("submit", fleet.pipeline(PIPELINE), "--wait", "--json")
        assert ("medians_s" in json.loads(first.stdout)) == (count > 1), first.stdout
        wait_for("it in the history", lambda many=count: len(fleet.json("history", *where)) == many)
    (fleet.work / "go").unlink()
    run = fleet.submit(PIPELINE)
    other = fleet.submit(PIPELINE.replace("name: forecast", "name: stranger"))

    def rows():
        return {row["run"]: row for row in fleet.json("runs")}

    def foretold(rows):
        return {row["run"]: row["eta_p50_s"] is not None for row in rows if row["state"] == "running"}

    # The history is asked for half a second at most.
    wait_for("a forecast", lambda: foretold(fleet.json("runs")) == {run: True, other: False})
    wait_for("the gate", lambda: rows()[run]["running"] == 1 and rows()[run]["succeeded"] == 1)
    wait_for("one in the status", lambda: foretold(fleet.json("status")["runs"]) == {run: True, other: False})
    seen = wait_for("both times", lambda: (now := rows()[run])["eta_p50_s"] is not None and now)
    assert 0 <= seen["eta_p50_s"] <= seen["eta_p90_s"], seen
    wait_for("words", lambda: " left" in fleet.ctl("status").stdout and " left" in fleet.ctl("runs").stdout)
    follower = fleet.start("follower", "zmqctl", "watch", run)
    wait_for("a forecast in its progress", lambda: "earlier runs: 2" in fleet.log("follower"))
    (fleet.work / "go").write_text("")
    assert follower.wait(timeout=PATIENCE) == 0 and f"forecast: run {run} succeeded" in fleet.log("follower")
    last = fleet.ctl("submit", fleet.pipeline(PIPELINE), "--wait").stderr
    heading = next(line for line in last.splitlines() if line.startswith("module"))
    assert heading.split()[-1] == "\u0394", last
    assert all(line.split()[-1][0] in "+-" for line in last.splitlines() if line.startswith("end[n=")), last
    fleet.wait_run(other)
    wait_for("all in the history", lambda: len(fleet.json("history", *where)) == 5)
    for args in ((), where):
        told = {one["pipeline"]: one for one in json.loads(fleet.ctl("history", "--estimates", "--json", *args).stdout)}
        modules = {row["module"]: row for row in told["forecast"]["modules"]}
        assert modules["nap"]["n"] == 4 and modules["end"]["n"] == 8 and told["forecast"]["runs"] == 4, told
        assert 0.1 <= modules["nap"]["p50_s"] <= modules["nap"]["p90_s"], modules
        assert modules["nap"]["version"] == "", "a pipeline in YAML says none"
        foreseen = told["forecast"]["foreseen"]
        assert foreseen["runs"] == 3 and foreseen["within_p50"] <= foreseen["within_p90"] <= 3, foreseen
        assert told["stranger"]["foreseen"]["runs"] == 0, told
    text = fleet.ctl("history", "--estimates", "--name", "forecast").stdout
    assert "within their p90" in text and "stranger" not in text, text
