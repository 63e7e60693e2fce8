# SPDX-License-Identifier: Apache-2.0
"""A second judge of chaos runs, which shares nothing with the one inside of zmqctl: it reads what `zmqctl journal dump`
prints and what the tasks have written, and knows the generator's graph.
"""

import collections
import json

GOOD = {"succeeded", "cached"}


def judge_journal(lines):
    """(findings, task name -> attempt that succeeded, task name -> its row of the submission, cpus, whether once)."""
    findings, job = [], None
    outcomes, committed = collections.defaultdict(list), {}
    for line in map(json.loads, lines):
        kind, record = line["kind"], line["record"]
        if kind == "RunAccepted":
            if job is not None:
                findings.append("accepted twice")
            job = record["job"]
            continue
        if "task" not in record:
            continue
        task = job["tasks"][record["task"]["index"]]
        if outcomes[task["name"]]:
            findings.append(f"{kind} of {task['name']} after its end, at {line['position']}")
        if kind == "TaskAssigned":
            for need in task["needs"]:
                above = job["tasks"][need["task"]]
                ignored = need["kind"] == "optional" or job["policies"][above["policy"]]["ignore_failure"]
                ended = outcomes[above["name"]]
                if not ended or not (ignored or ended[0] in GOOD):
                    findings.append(f"{task['name']} was assigned while {above['name']} was {ended}")
        elif kind == "TaskEnded":
            outcomes[task["name"]].append(record["outcome"])
            if record["outcome"] == "succeeded":
                committed[task["name"]] = record["attempt"]
    if job is None:
        return ["nothing was accepted"], {}, {}
    tasks = {task["name"]: {**task, "cpus": job["requirements"][task["requirements"]]["cpus"],
                            "once": not job["policies"][task["policy"]]["idempotent"]} for task in job["tasks"]}
    findings += [f"{name} has {len(outcomes[name])} outcomes" for name in tasks if len(outcomes[name]) != 1]
    for name, task in tasks.items():
        outcome, ignored = outcomes[name][:1], job["policies"][task["policy"]]["ignore_failure"]
        if outcome == ["failed"] and not ignored and name != "poison":
            findings.append(f"{name} failed")
    return findings, committed, tasks


def judge_steps(lines, committed, tasks, slots):
    """Findings in what the tasks have written: their order, and how many were at once in one worker process."""
    findings, ended, begun, running = [], set(), collections.Counter(), collections.defaultdict(dict)
    index = list(tasks.values())
    for line in lines:
        word, name, attempt, slot = line.split()
        worker = slot.rpartition("-")[0]
        if word == "end":
            ended.add((name, int(attempt)))
            if running[worker].pop(slot, None) != (name, attempt):
                findings.append(f"{name} was not alone in its slot")
            continue
        running[worker][slot] = (name, attempt)
        begun[name] += 1
        if begun[name] > 1 and tasks[name]["once"]:
            findings.append(f"{name} began again, which must not be done twice")
        in_use = sum(tasks[one]["cpus"] for one, _ in running[worker].values())
        if in_use > slots:
            findings.append(f"{in_use} slots in use on a worker of {slots}")
        for need in tasks[name]["needs"]:
            above = index[need["task"]]["name"]
            if above in committed and (above, committed[above]) not in ended:
                findings.append(f"{name} began before {above} had ended")
    findings += [f"{name} succeeded without an end" for name in committed if (name, committed[name]) not in ended]
    return findings
