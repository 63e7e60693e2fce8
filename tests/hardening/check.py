#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The built programs are hardened as meson.build says: looks at them with readelf. Prints TAP.

usage: check.py fortified|plain|sanitized PROGRAM...

Of every program: position-independent, no executable stack, no segment that is both writable and executable. Unless it
is sanitized: relocations read-only after the start (RELRO, with all symbols bound by then), stack protector. Optimised
builds: fortified calls of the C library. Each rule is also seen to fail, on a description with one thing wrong.
"""

import os
import re
import shutil
import subprocess
import sys

SEGMENT = re.compile(r"^\s+(\w+)\s+0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([R ][W ][E ])", re.M)


def segments(text, name):
    return [flags for kind, flags in SEGMENT.findall(text) if kind == name]


RULES = {
    # name: (kinds of build, whether it holds for what readelf says, (what to replace, by what) that must break it)
    "is position-independent": ("fortified plain sanitized", lambda text: re.search(r"Flags:.*\bPIE\b", text),
                                (r"\bPIE\b", "")),
    "has no executable stack": ("fortified plain sanitized", lambda text: segments(text, "GNU_STACK") == ["RW "],
                                (r"(GNU_STACK.*)RW ", r"\1RWE")),
    "has nothing writable and executable": ("fortified plain sanitized",
                                            lambda text: segments(text, "LOAD") and "RWE" not in segments(text, "LOAD"),
                                            (r"(LOAD.*)R E", r"\1RWE")),
    "has read-only relocations": ("fortified plain", lambda text: segments(text, "GNU_RELRO"), ("GNU_RELRO", "NOTE")),
    "binds everything at its start": ("fortified plain", lambda text: re.search(r"Flags:.*\bNOW\b", text),
                                      (r"\bNOW\b", "")),
    "guards its stack": ("fortified plain", lambda text: "__stack_chk_fail@" in text, ("__stack_chk_fail", "other")),
    "calls checked functions": ("fortified", lambda text: re.search(r" __(?!stack)\w+_chk@", text), ("_chk@", "@")),
}


def describe(program):
    done = subprocess.run(["readelf", "--program-headers", "--dynamic", "--dyn-syms", "--wide", program],
                          capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        raise SystemExit(f"readelf {program}: {done.stderr.strip()}")
    return done.stdout


def main():
    kind, programs = sys.argv[1], sys.argv[2:]
    rules = {name: rule for name, rule in RULES.items() if kind in rule[0].split()}
    if not rules or not programs:
        raise SystemExit(__doc__)
    if shutil.which("readelf") is None:
        print("1..0 # SKIP there is no readelf (binutils)")
        return 0
    print(f"1..{len(programs) * len(rules)}")
    failed = number = 0
    for program in programs:
        text = describe(program)
        for name, (_, holds, (broken, by)) in rules.items():
            number += 1
            good = bool(holds(text))
            blind = good and bool(holds(re.sub(broken, by, text)))
            failed += not good or blind
            why = "" if good else f"\n# this build is '{kind}': see meson.build, and your CXXFLAGS and LDFLAGS"
            why += "\n# the rule did not notice a program without it" if blind else ""
            print(f"{'ok' if good and not blind else 'not ok'} {number} - {os.path.basename(program)} {name}{why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
