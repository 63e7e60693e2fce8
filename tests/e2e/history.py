# SPDX-License-Identifier: Apache-2.0
"""What is known of runs that have ended: after restarts, after kills, within limits, with and without a broker."""

import json
import sqlite3

from fleet import wait_for
from samples import ONE

# `flaky` fails at its first try, `bad` at its only one.
STORY = """
name: story
modules:
  answer: {run: 'echo "{\\"answer\\": 42}" > "$MILLRACE_OUTPUT"'}
  flaky: {needs: [answer], retries: 1, backoff: 10ms, run: 'test -e tried || { touch tried; echo once more; exit 3; }'}
  bad: {needs: [flaky], run: 'echo all is lost >&2; exit 7'}
  after: {needs: [bad], run: 'true'}
"""


def tell(fleet, *args):
    """Runs STORY to its end, and gives its id and what the broker says of it."""
    fleet.start_broker(*args)
    fleet.start_workers("w1")
    run = fleet.submit(STORY)
    row = fleet.wait_run(run)
    assert row["state"] == "failed", row
    return run, row


def restart(fleet, *args):
    fleet.kill("broker")
    fleet.start_broker(*args)


def assert_whole(fleet, run, row, *where):
    past = json.loads(fleet.ctl("history", run, "--json", *where).stdout)
    assert past["run"] == run and past["name"] == "story" and past["state"] == "failed", past
    assert past["submitted_unix_ms"] == row["submitted_unix_ms"] and past["ended_unix_ms"] >= row["submitted_unix_ms"]
    assert abs(past["elapsed_s"] - row["elapsed_s"]) < 0.01, (past, row)
    assert past["root_cause"] == row["root_cause"] and past["failed"] == 1 and past["skipped"] == 1, past
    tasks = {task["name"]: task for task in past["tasks"]}
    assert list(tasks) == ["answer", "flaky", "bad", "after"], tasks
    assert tasks["answer"]["result"] == {"answer": 42}, tasks["answer"]
    assert [task["worker"] for task in past["tasks"]] == ["w1", "w1", "w1", ""], tasks
    assert [task["try"] for task in past["tasks"]] == [1, 2, 1, 0], tasks
    assert tasks["bad"]["failure"]["exit_code"] == 7 and "all is lost" in tasks["bad"]["failure"]["output"]
    first, second = tasks["flaky"]["attempts"]
    assert (first["outcome"], second["outcome"]) == ("failed", "succeeded"), tasks["flaky"]
    assert "3" in first["message"] and first["worker"] == "w1", first
    for attempt in (first, second, *tasks["answer"]["attempts"]):
        assert 0 <= attempt["assigned_s"] <= attempt["started_s"] <= attempt["ended_s"] <= past["elapsed_s"], attempt
    assert first["ended_s"] <= second["assigned_s"], (first, second)
    assert tasks["after"]["attempts"] == [] and "bad" in tasks["after"]["reason"], tasks["after"]


def a_run_is_told_in_full_after_the_broker_has_forgotten_it(fleet):
    run, row = tell(fleet)
    assert_whole(fleet, run, row)
    restart(fleet, "--run-retention", "0s")
    assert fleet.json("runs") == []
    assert_whole(fleet, run, row)
    text = fleet.ctl("history", run).stdout
    assert "flaky" in text and "exit" in text and "w1" in text and "dependency" in text, text
    assert run in fleet.ctl("history").stdout
    # What other commands are asked about it, they find there.
    assert json.loads(fleet.ctl("result", "answer", "--run", run).stdout) == {"answer": 42}
    assert "did not succeed" in fleet.ctl("result", "bad", "--run", run, code=None).stderr
    assert [task["name"] for task in fleet.json("tasks", run)] == ["answer", "flaky", "bad", "after"]
    unknown = fleet.ctl("history", run + "1", code=None).stderr
    assert "1 runs" in unknown and "10000 at most" in unknown, unknown


def a_broker_that_was_killed_shows_the_true_times_of_what_had_ended(fleet):
    run, row = tell(fleet)
    tasks = fleet.json("tasks", run)
    restart(fleet)
    again = fleet.json("runs")[0]
    assert abs(again["elapsed_s"] - row["elapsed_s"]) < 0.002, (again, row)
    for before, after in zip(tasks, fleet.json("tasks", run)):
        for key in ("name", "outcome", "try", "worker", "execution_s"):
            assert before[key] == after[key], (key, before, after)
        for key in ("started_s", "ended_s"):
            same = before[key] == after[key] if before[key] is None else abs(before[key] - after[key]) < 0.002
            assert same, (key, before, after)


def the_runs(fleet, *args):
    return [row["run"] for row in fleet.json("history", *args)]


def a_run_that_ended_just_before_its_broker_was_killed_is_filled_in_once(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    first = fleet.submit(ONE)
    fleet.wait_run(first)
    assert the_runs(fleet) == [first]
    # While somebody else holds the file, runs end and the history cannot follow.
    other = sqlite3.connect(fleet.dir / "data" / "history.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    second = fleet.submit(ONE)
    assert fleet.wait_run(second)["state"] == "succeeded"
    wait_for("the trouble to be said", lambda: "history" in fleet.ctl("health", code=None).stdout)
    assert the_runs(fleet) == [first]
    fleet.kill("broker")
    other.execute("COMMIT")
    other.close()
    for _ in range(2):
        fleet.start_broker()
        assert the_runs(fleet) == [second, first]
        fleet.kill("broker")


def a_history_that_is_lost_or_damaged_gets_what_the_journal_still_has(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    run = fleet.submit(ONE)
    fleet.wait_run(run)
    fleet.kill("broker")
    file = fleet.dir / "data" / "history.sqlite"
    for beside in fleet.dir.glob("data/history.sqlite-*"):
        beside.unlink()
    file.write_bytes(b"x" * 8192)
    fleet.start_broker()
    assert the_runs(fleet) == [run]
    assert "history.sqlite.damaged" in fleet.log("broker") and (fleet.dir / "data" / "history.sqlite.damaged").exists()
    fleet.kill("broker")
    for lost in fleet.dir.glob("data/history.sqlite*"):
        lost.unlink()
    fleet.start_broker()
    assert the_runs(fleet) == [run]


def a_history_keeps_what_its_limits_allow_also_after_a_restart(fleet):
    fleet.start_broker("--durability", "off")
    fleet.start_workers("w1")
    runs = []
    for n in range(6):
        runs.insert(0, fleet.submit(ONE.replace("one", "even") if n % 2 else ONE))
        fleet.wait_run(runs[0])
    wait_for("six runs", lambda: the_runs(fleet) == runs)
    assert the_runs(fleet, "--last", "2") == runs[:2]
    assert the_runs(fleet, "--name", "even") == runs[0::2]
    assert the_runs(fleet, "--state", "failed") == []
    assert the_runs(fleet, "--since", "1h", "--state", "succeeded") == runs
    assert "succeeded" in fleet.ctl("history", "--state", "well", code=None).stderr
    restart(fleet, "--durability", "off", "--history-runs", "3")
    wait_for("three runs", lambda: the_runs(fleet) == runs[:3])
    restart(fleet, "--durability", "off", "--history-age", "1ms")
    wait_for("none", lambda: the_runs(fleet) == [])
    restart(fleet, "--no-history")
    assert "--no-history" in fleet.ctl("history", code=None).stderr


def a_history_is_read_from_its_data_directory_beside_a_broker_and_without(fleet):
    run, row = tell(fleet)
    data = str(fleet.dir / "data")
    # It is written after all that cannot wait.
    wait_for("the run to be written", lambda: the_runs(fleet, "--data-dir", data) == [run])
    broker = fleet.processes["broker"]
    broker.terminate()
    wait_for("the end of the broker", lambda: broker.poll() is not None)
    assert_whole(fleet, run, row, "--data-dir", data)
    assert run in fleet.ctl("history", "--data-dir", data).stdout
    assert "no history" in fleet.ctl("history", "--data-dir", str(fleet.dir), code=None).stderr
