# SPDX-License-Identifier: Apache-2.0
"""`zmqctl chaos` as a person uses it: it judges, says how to see the same again, and leaves nothing behind."""

import json
import pathlib
import signal
import subprocess

from fleet import PATIENCE, wait_for

SIXTEEN = """
name: sixteen
modules:
  work: {matrix: {n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]}, run: "sleep 1"}
  end: {needs: [work], run: "true"}
"""
BROKEN = "name: broken\nfail_mode: keep-going\nmodules: {bad: {run: exit 3}, after: {needs: [bad], run: 'true'}}\n"
ENDLESS = "name: endless\nmodules: {nap: {matrix: {n: [1, 2, 3, 4]}, run: sleep 1000}}\n"


def start(fleet, *args):
    """A chaos run that makes its folder in one of ours; what it says goes to files."""
    scratch = fleet.dir / "scratch"
    scratch.mkdir(exist_ok=True)
    with open(fleet.dir / "card", "wb") as out, open(fleet.dir / "chaos.log", "wb") as log:
        process = subprocess.Popen([fleet.program("zmqctl"), "chaos", *args], stdout=out, stderr=log, cwd=fleet.work,
                                   stdin=subprocess.DEVNULL, env={**fleet.env, "TMPDIR": str(scratch)})
    fleet.processes["chaos"] = process
    return process


def run(fleet, *args):
    return start(fleet, *args).wait(timeout=2 * PATIENCE)


def card(fleet):
    return json.loads((fleet.dir / "card").read_text())


def left_behind(fleet):
    """Processes and folders of a chaos run."""
    found = [path.name for path in (fleet.dir / "scratch").iterdir()]
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{fleet.dir}/scratch".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def A51_chaos_with_kills_ends_with_a_clean_card_and_leaves_nothing(fleet):
    code = run(fleet, fleet.pipeline(SIXTEEN), "--duration", "3s", "--kill-workers", "120", "--kill-broker", "40",
               "--seed", "1", "--json")
    assert code == 0, fleet.log("chaos")
    score = card(fleet)
    assert score["clean"] and score["tasks"] == 16 and score["lost"] == score["committed_twice"] == 0, score
    assert score["faults"]["kill_worker"] > 0 and score["faults"]["pause"] == 0, score
    assert "kill -9 w" in fleet.log("chaos")
    wait_for("nothing to be left", lambda: not left_behind(fleet))


def A51_chaos_says_how_to_see_a_failure_again(fleet):
    pipeline = fleet.pipeline(BROKEN)
    args = ("--workers", "1", "--duration", "1s", "--cut", "10", "--json")
    assert run(fleet, pipeline, *args, "--seed", "4711") == 1
    assert not card(fleet)["clean"]
    assert "task 'bad' ended as failed" in card(fleet)["broken"], card(fleet)
    log = fleet.log("chaos")
    assert f"zmqctl chaos '{pipeline}' --seed 4711 --workers 1 " in log, log
    folder = pathlib.Path(log.split("journal and logs: ")[1].splitlines()[0])
    for file in ("broker.log", "w1.log", "data/journal.sqlite"):
        assert (folder / file).exists(), file
    # The same, where it is known that it fails anyway.
    assert run(fleet, pipeline, *args, "--expect-failure", "bad") == 0, fleet.log("chaos")


def a_chaos_run_that_is_interrupted_leaves_nothing(fleet):
    process = start(fleet, fleet.pipeline(ENDLESS), "--pause", "60", "--lease", "1s")
    wait_for("a pause", lambda: "pause w" in fleet.log("chaos"))
    assert left_behind(fleet)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 130, fleet.log("chaos")
    wait_for("nothing to be left", lambda: not left_behind(fleet))


def a_chaos_run_that_makes_no_sense_is_refused(fleet):
    pipeline = fleet.pipeline(SIXTEEN)
    assert run(fleet, pipeline, "--workers", "0") == 64
    assert "--workers 0: allowed are 1 to 50" in fleet.log("chaos")
    assert run(fleet, pipeline, "--kill-workers", "often") == 64
    assert run(fleet, "nowhere.yaml") == 66
    assert run(fleet, fleet.pipeline("modules: []\n")) == 65
    assert not left_behind(fleet)
