# SPDX-License-Identifier: Apache-2.0
"""The cases that bench/run knows: what each is built of, how it is started, and with which sizes."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parents[1]


class Failed(Exception):
    """A case or a peer that gave no figures; says why."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    summary: str
    full: tuple   # arguments for the sizes that targets speak of: the program's own defaults, mostly
    quick: tuple  # for sizes that show that it works, and nothing else
    targets: tuple = ("bench/millrace-bench",)  # to be built
    limit: int = 3600  # seconds


CASES = {case.name: case for case in (
    Case("map", "P1, P2, P3, P15: no-op tasks a second; journalled, isolated, with keys", ("--tasks", "2000000"),
         ("--tasks", "300", "--singles", "3", "--round-trips", "20000"), limit=4 * 3600),
    Case("dag", "P4: a random graph", (), ("--tasks", "300")),
    Case("commands", "P5: /bin/true; peers: make, ninja, xargs, parallel", (), ("--tasks", "20")),
    Case("latency", "P6, P7: one task, a chain of tasks", (), ("--tasks", "30", "--singles", "5")),
    Case("metg", "P8: METG(50 %) of Task Bench's patterns", (), ("--width", "8", "--steps", "3", "--variant", "trivial",
                                                               "--variant", "stencil_1d")),
    Case("memory", "P9: what a waiting task costs", (), ("--tasks", "2000")),
    Case("accept", "P10: a large submission", (), ("--tasks", "2000")),
    Case("bulk", "P11: a large result", (), ("--bytes", "1048576", "--singles", "10")),
    Case("crowd", "P12: 10,000 workers", ("--workers", "10000", "--seconds", "30"),
         ("--workers", "50", "--processes", "1", "--seconds", "1", "--no-kill"),
         ("bench/crowd", "broker/millrace-broker", "tools/zmqctl")),
)}


def run_program(command, limit, **options):
    """What a program says on stdout; Failed with what it says on stderr, or when it takes too long. Nothing stays."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                          start_new_session=True, **options) as process:
        try:
            out, err = process.communicate(timeout=limit)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"not finished after {limit} s") from None
            raise
    if process.returncode != 0:
        said = err.strip().splitlines() or [f"exit code {process.returncode}"]
        raise Failed("\n".join(said[-5:]))
    return out


def _of_crowd(result):
    samples = {"all_there_seconds": result["seconds_until_all_were_there"], "resident_mib": result["resident_mib"],
               "worker_kib": result["kib_per_worker"],
               "beating_percent": result["processor_percent_while_they_beat"]}
    if "seconds_until_all_were_back_after_a_kill" in result:
        samples["all_back_seconds"] = result["seconds_until_all_were_back_after_a_kill"]
    return {"case": "crowd", "parameters": {"workers": result["workers"], "rounds": 1}, "figures": samples,
            "samples": {name: [value] for name, value in samples.items()}}


def measure(case, build, quick, repeat):
    """The report of one case: {case, parameters, figures, samples}."""
    arguments = case.quick if quick else case.full
    if case.name == "crowd":
        command = [sys.executable, BENCH / "crowd.py", build, *arguments, "--json"]
    else:
        command = [build / "bench" / "millrace-bench", case.name, *arguments, "--rounds", str(repeat)]
    out = run_program(list(map(str, command)), case.limit)
    try:
        result = json.loads(out)
    except json.JSONDecodeError as error:
        raise Failed(f"what it printed is no JSON: {error}") from None
    return _of_crowd(result) if case.name == "crowd" else result
