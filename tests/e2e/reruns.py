# SPDX-License-Identifier: Apache-2.0
"""What is said of a task that failed, and that the command which it names runs the task again."""

import json
import re
import shlex

from fleet import wait_for

# `bad` fails for each of two shards until somebody makes `fixed`, and says what it was given.
STORY = """
name: story
fail_mode: keep-going
modules:
  give: {run: 'echo "{\\"answer\\": 42}" > "$MILLRACE_OUTPUT"'}
  bad:
    needs: [give]
    matrix: {n: [1, 2]}
    env: {COLOUR: blue}
    run: 'cat "$MILLRACE_INPUTS/give.json"; echo "n=$n $COLOUR"; test -e fixed || exit 7'
  killed: {run: 'kill -9 $$'}
  after: {needs: [bad], run: 'true'}
"""


def tell(fleet):
    """Runs STORY to its end; its id, and the summary."""
    fleet.start_broker()
    fleet.start_workers("w1")
    done = fleet.ctl("submit", fleet.pipeline(STORY), "--wait", code=1)
    run = re.search(r"story: run (\S+)", done.stderr)[1]
    wait_for("the history", lambda: fleet.ctl("report", run, *where(fleet), code=None).returncode == 0)
    return run, done.stderr


def where(fleet):
    return ("--data-dir", str(fleet.dir / "data"))


def blocks(text):
    """The block of each failed task, by name."""
    return {block.split(":")[0]: block for block in re.split(r"^FAILED ", text, flags=re.MULTILINE)[1:]}


def check_card(fleet, text, task, *words):
    """Its block has these words; gives the command in it that runs the task again."""
    block = blocks(text)[task]
    for word in words:
        assert word in block, (word, block)
    return shlex.split(re.search(r"again: zmqctl (.*)", block)[1])


def A37_a_failed_task_is_run_again_here_by_the_command_that_its_card_says(fleet):
    run, summary = tell(fleet)
    again = check_card(fleet, summary, "bad[n=2]", "exit code: 7", "worker w1 on host", "2 others failed on",
                       "n=2 blue")
    check_card(fleet, summary, "killed", "signal: 9 (SIGKILL)")
    assert again[:4] == ["rerun", "bad[n=2]", "--run", run] and "--local" in again, again
    failed = fleet.ctl(*again, code=1)
    assert '"answer": 42' in failed.stdout.replace('":42', '": 42') and "n=2 blue" in failed.stdout, failed.stdout
    assert "exit code: 7" in failed.stderr, failed.stderr
    (fleet.work / "fixed").write_text("")
    assert "succeeded" in fleet.ctl(*again).stderr
    # The broker knows of none of it.
    assert [row["state"] for row in fleet.json("runs")] == ["failed"]
    # The same card wherever somebody asks.
    check_card(fleet, fleet.ctl("result", "bad[n=1]", "--run", run, code=None).stderr, "bad[n=1]", "exit code: 7",
               "2 others failed on")
    check_card(fleet, fleet.ctl("history", run, "bad[n=1]").stdout, "bad[n=1]", "exit code: 7", "2 others failed on")
    again = check_card(fleet, fleet.ctl("report", run, *where(fleet)).stdout, "bad[n=1]", "exit code: 7",
                       "2 others failed on")
    told = json.loads(fleet.ctl("report", run, "--json", *where(fleet)).stdout)
    cards = {task["name"]: task["failure"] for task in told["tasks"] if task["failure"]}
    assert cards["killed"]["signal_name"] == "SIGKILL" and cards["killed"]["other_failures_on_host"] == 2, cards
    assert shlex.split(cards["bad[n=1]"]["again"])[1:] == again, cards
    fleet.kill("broker")
    assert "n=1 blue" in fleet.ctl(*again).stdout, "without a broker, too"


def a_rerun_shows_what_it_would_be_and_says_why_it_cannot_be(fleet):
    run, _ = tell(fleet)
    shown = json.loads(fleet.ctl("rerun", "bad[n=2]", "--run", run, "--dry-run", "--json", *where(fleet)).stdout)
    assert shown["module"] == "command" and "exit 7" in shown["inputs"]["shell"], shown
    assert shown["env"] == {"n": "2", "COLOUR": "blue"} and shown["work_dir"] == str(fleet.work), shown
    assert [(need["name"], need["result"]) for need in shown["needs"]] == [("give", {"answer": 42})], shown
    text = fleet.ctl("rerun", "bad[n=2]", "--dry-run", *where(fleet)).stdout
    assert "COLOUR=blue" in text and "needs    give (succeeded)" in text, text
    told = json.loads(fleet.ctl("rerun", "give", "--run", run, "--local", "--json", *where(fleet)).stdout)
    assert told["outcome"] == "succeeded" and told["result"] == {"answer": 42}, told
    for args, code, words in ((("bad[n=3]", "--local"), 66, "did you mean 'bad[n="), (("give",), 65, "say --local"),
                              (("give", "--local", "--run", run + "1"), 66, run)):
        refused = fleet.ctl("rerun", *args, *where(fleet), code=code).stderr
        assert words in refused, (args, refused)
