# SPDX-License-Identifier: Apache-2.0
"""What a report says of the machine that it was made on, and of how much of it others used meanwhile."""

import os
import pathlib
import platform


def _first(file, field):
    for line in pathlib.Path(file).read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def describe():
    system = {}
    if pathlib.Path("/etc/os-release").exists():
        for line in pathlib.Path("/etc/os-release").read_text().splitlines():
            name, _, value = line.partition("=")
            system[name] = value.strip('"')
    return {"processor": _first("/proc/cpuinfo", "model name"), "processors": os.cpu_count(),
            "memory_mib": int(_first("/proc/meminfo", "MemTotal").split()[0]) // 1024,
            "kernel": platform.release(), "system": system.get("PRETTY_NAME", platform.system()),
            "load_before": round(os.getloadavg()[0], 2)}


def _ticks():
    """Of all processors since the boot: busy, stolen by other machines, all."""
    fields = list(map(int, pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
    user, nice, system, idle, wait, interrupt, soft, steal = fields
    busy = user + nice + system + interrupt + soft
    return busy, steal, busy + steal + idle + wait


def _children_ticks():
    return sum(os.times()[2:4]) * os.sysconf("SC_CLK_TCK")


class Neighbours:
    """Which part of the machine's time others have used since this was made: other processes, and other machines."""

    def __init__(self):
        self.busy, self.steal, self.all = _ticks()
        self.ours = _children_ticks()

    def percent(self):
        busy, steal, everything = _ticks()
        total = max(1, everything - self.all)
        others = busy - self.busy - (_children_ticks() - self.ours)
        return {"others_percent": round(max(0.0, 100 * others / total), 1),
                "stolen_percent": round(100 * (steal - self.steal) / total, 1)}
