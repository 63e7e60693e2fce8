# SPDX-License-Identifier: Apache-2.0
"""What the performance of Millrace is held to, and whether a report holds it."""

import dataclasses

from harness.figures import median, numbers, spread

LEAST_ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class Target:
    name: str
    what: str
    case: str
    series: str
    at_least: float = None
    at_most: float = None
    size: tuple = ()  # (parameter, least value) with which the case must have been run

    @property
    def bound(self):
        return self.at_least if self.at_most is None else self.at_most

    def holds(self, value):
        return value >= self.at_least if self.at_most is None else value <= self.at_most


TARGETS = (
    Target("P1", "no-op tasks a second, submitted one by one, to bare ROUTER-DEALER round trips", "map",
           "in_process_to_bare_ratio", at_least=0.7, size=("tasks", 2_000_000)),
    Target("P1a", "the same, submitted as one array", "map", "array_to_bare_ratio", at_least=1,
           size=("tasks", 2_000_000)),
    Target("P2", "with a synced journal, to without", "map", "sync_to_in_process_ratio", at_least=0.5,
           size=("tasks", 2_000_000)),
    Target("P3", "in a child process for each slot, to in-process", "map", "isolated_to_in_process_ratio",
           at_least=0.3, size=("tasks", 2_000_000)),
    Target("P3", "one task in a child process, to one in-process (p50)", "map",
           "isolated_single_to_in_process_latency_ratio", at_most=1.5, size=("tasks", 2_000_000)),
    Target("P4", "random graph, three dependencies a task, to as many independent tasks", "dag", "graph_to_flat_ratio",
           at_least=0.5, size=("tasks", 1_000_000)),
    Target("P5", "/bin/true a second on two slots, to a bare posix_spawn loop", "commands", "commands_to_bare_ratio",
           at_least=0.85, size=("commands", 5000)),
    Target("P5", "the same, to that loop below our supervisors", "commands", "commands_to_supervised_ratio",
           at_least=0.95, size=("commands", 5000)),
    Target("P6", "one task, client to result (p50), to two bare round trips", "latency",
           "single_to_bare_latency_ratio", at_most=1.3, size=("singles", 200)),
    Target("P7", "a hop of a chain of 1,000 tasks, to one bare round trip", "latency",
           "chain_hop_to_bare_latency_ratio", at_most=1.3, size=("chain", 1000)),
    Target("P8", "METG(50 %) of stencil_1d, microseconds", "metg", "stencil_1d_us", at_most=20, size=("width", 1024)),
    Target("P8", "METG(50 %) of trivial, microseconds", "metg", "trivial_us", at_most=10, size=("width", 1024)),
    Target("P9", "bytes of the broker for a waiting task of a graph", "memory", "task_bytes", at_most=200,
           size=("tasks", 1_000_000)),
    Target("P10", "seconds until a million tasks are accepted", "accept", "accepted_seconds", at_most=1,
           size=("tasks", 1_000_000)),
    Target("P10", "longest answer to another client meanwhile, milliseconds", "accept", "status_longest_ms",
           at_most=100, size=("tasks", 1_000_000)),
    Target("P11", "a result of 64 MiB over one hop, to a bare message", "bulk", "result_to_bare_ratio", at_least=0.7,
           size=("bytes", 64 << 20)),
    Target("P11", "control latency meanwhile, to idle (p99)", "bulk", "control_meanwhile_to_idle_latency_ratio",
           at_most=3, size=("bytes", 64 << 20)),
    Target("P12", "seconds until 10,000 workers that came at once are there", "crowd", "all_there_seconds", at_most=10,
           size=("workers", 10_000)),
    Target("P12", "memory of the broker for each of them, KiB", "crowd", "worker_kib", at_most=112,
           size=("workers", 10_000)),
    Target("P12", "percent of a core of the broker while they beat", "crowd", "beating_percent", at_most=5,
           size=("workers", 10_000)),
    Target("P15", "no-op tasks a second with keys, to without", "map", "keys_to_in_process_ratio", at_least=0.5,
           size=("tasks", 2_000_000)),
)


def judge(target, report):
    """A row of the table: {name, what, bound, measured, spread, verdict}, the verdict met, missed, or why neither."""
    row = {"name": target.name, "what": target.what,
           "bound": f"{'≥' if target.at_most is None else '≤'} {target.bound:g}", "measured": None, "spread": None}
    case = report["cases"].get(target.case)
    if case is None:
        return row | {"verdict": "not run"}
    if "error" in case:
        return row | {"verdict": "failed"}
    samples = numbers(case["samples"].get(target.series))
    if not samples:
        return row | {"verdict": "not measured"}
    row |= {"measured": median(samples), "spread": spread(samples)}
    parameter, least = target.size
    if case["parameters"].get(parameter, 0) < least:
        return row | {"verdict": f"not judged: {parameter} {case['parameters'].get(parameter, 0):,} of {least:,}"}
    if len(samples) < LEAST_ROUNDS and target.case != "crowd":
        return row | {"verdict": f"not judged: {len(samples)} rounds of {LEAST_ROUNDS}"}
    said = "met" if target.holds(row["measured"]) else "missed"
    if len({target.holds(sample) for sample in samples}) > 1:
        said += ", within the noise"
    return row | {"verdict": said}


def judge_all(report):
    return [judge(target, report) for target in TARGETS]
