# SPDX-License-Identifier: Apache-2.0
"""Samples to figures: medians, how much they spread, and what has moved between two reports.

A series has one value for each round. Its name ends in its unit, and that says which way is better.
"""

import dataclasses
import math

LOWER_IS_BETTER = ("_latency_ratio", "_us", "_ms", "_seconds", "_bytes", "_mib", "_percent", "_kib")
NOTHING_TO_JUDGE = ("iterations_per_us",)  # of the machine
ALIKE = 0.03  # what differs by less has not moved, however still the machine was


def numbers(samples):
    """The samples that are numbers: a round in which nothing could be found has none."""
    return [value for value in samples or () if value is not None and not math.isnan(value)]


def median(samples):
    """Of an even number of samples the mean of the middle two; None of none."""
    values = sorted(numbers(samples))
    if not values:
        return None
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def spread(samples):
    """Half the distance from the least to the largest sample, as a part of the median; None of fewer than 2."""
    values = numbers(samples)
    middle = median(values)
    if len(values) < 2 or not middle:
        return None
    return (max(values) - min(values)) / 2 / abs(middle)


def lower_is_better(series):
    return series.endswith(LOWER_IS_BETTER)


@dataclasses.dataclass
class Move:
    """What became of one series from an older report (`before`) to a newer one (`after`): their medians."""
    case: str
    series: str
    before: float
    after: float
    verdict: str  # better, worse, or alike: within the noise

    @property
    def change(self):
        return self.after / self.before - 1


def verdict(series, before, after):
    """Moved: no sample of the one lies among those of the other, and the medians differ by more than ALIKE.

    Of five rounds each that happens by chance once in 126 times.
    """
    older, newer = numbers(before), numbers(after)
    apart = min(newer) > max(older) or max(newer) < min(older)
    if not apart or min(len(older), len(newer)) < 2:
        return "alike"
    change = median(newer) / median(older) - 1 if median(older) else math.inf
    if abs(change) <= ALIKE:
        return "alike"
    return "better" if (change < 0) == lower_is_better(series) else "worse"


def same_machine(before, after):
    keys = ("processor", "processors", "memory_mib")
    return all(before.get("machine", {}).get(key) == after.get("machine", {}).get(key) for key in keys)


def compare(before, after):
    """Moves of all series that both reports have, and notes on what cannot be compared."""
    moves, notes = [], []
    ratios_only = not same_machine(before, after)
    if ratios_only:
        notes.append("the reports are of different machines: only ratios are compared")
    for name, case in after["cases"].items():
        other = before["cases"].get(name)
        if "samples" not in case or not other or "samples" not in other:
            notes.append(f"{name}: not in both reports")
            continue
        different = [key for key in case["parameters"] if case["parameters"][key] != other["parameters"].get(key)
                     and key != "rounds"]
        if different:
            notes.append(f"{name}: not compared, since it was run with another value of {', '.join(different)}")
            continue
        for series, samples in case["samples"].items():
            older = other["samples"].get(series)
            if not numbers(samples) or not numbers(older) or series.endswith(NOTHING_TO_JUDGE):
                continue
            if ratios_only and not series.endswith("_ratio"):
                continue
            moves.append(Move(name, series, median(older), median(samples), verdict(series, older, samples)))
    return moves, notes
