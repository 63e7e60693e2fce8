#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes one copy of the brains in which every mistake of a list can be switched on at run time.

Usage: make_mutants.py LIST LIB_DIR OUT_DIR SOURCE...      (a SOURCE is e.g. sched/apply.cc, under LIB_DIR)

Each SOURCE becomes OUT_DIR/FOLDER_NAME.cc; OUT_DIR/mutants.cc holds the table of mutants. A mutant is written as

    ## name                     what it is called
    file: sched/reports.cc      where it is
    seeds: 200                  within how many seeds the simulator must notice it
    faults: loss,pause          optional: play only these classes of faults
    ----
    the original text           must occur exactly once in the file, and in no other mutant's
    ====
    what is there instead
    ----

A text that ends in `;` or `}` is a statement and becomes `if (this mutant) {...} else {...}`; any other one is an
expression and becomes `(this mutant ? (...) : (...))`. An original that does not occur any more is an error: the list
has to follow the code.
"""

import pathlib
import re
import sys

SWITCH = "(::millrace::sim::active_mutant == %d)"


class Mutant:
    def __init__(self, number, name, line):
        self.number, self.name, self.line = number, name, line
        self.fields = {}
        self.original = self.replacement = ""


def parse(path):
    mutants, mutant, part, text = [], None, "fields", []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            mutant = Mutant(len(mutants) + 1, line[3:].strip(), number)
            mutants.append(mutant)
            part = "fields"
        elif mutant is None or (part == "done" and not line.strip()):
            continue
        elif line == "----" and part == "fields":
            part, text = "original", []
        elif line == "====" and part == "original":
            mutant.original = "\n".join(text)
            part, text = "replacement", []
        elif line == "----" and part == "replacement":
            mutant.replacement = "\n".join(text)
            part = "done"
        elif part in ("original", "replacement"):
            text.append(line)
        elif part == "fields" and ":" in line:
            key, value = line.split(":", 1)
            mutant.fields[key.strip()] = value.strip()
        else:
            sys.exit("%s:%d: cannot be read: %r" % (path, number, line))
    for mutant in mutants:
        if not mutant.original.strip() or "file" not in mutant.fields or "seeds" not in mutant.fields:
            sys.exit("%s:%d: mutant '%s' is not complete" % (path, mutant.line, mutant.name))
    return mutants


def switched(mutant):
    on = SWITCH % mutant.number
    original, replacement = mutant.original, mutant.replacement
    if re.search(r"[;}]\s*$", original):
        return "if %s {\n%s\n} else {\n%s\n}" % (on, replacement, original)
    return "(%s ? (%s) : (%s))" % (on, replacement, original)


def rewrite(source, text, mutants, path):
    spots = []
    for mutant in mutants:
        count = text.count(mutant.original)
        if count != 1:
            sys.exit("%s:%d: the original of '%s' occurs %d times in %s: the list has to follow the code"
                     % (path, mutant.line, mutant.name, count, source))
        start = text.index(mutant.original)
        spots.append((start, start + len(mutant.original), mutant))
    spots.sort(key=lambda spot: spot[0])
    for before, after in zip(spots, spots[1:]):
        if after[0] < before[1]:
            sys.exit("%s:%d: '%s' overlaps '%s'" % (path, after[2].line, after[2].name, before[2].name))
    for start, end, mutant in reversed(spots):
        text = text[:start] + switched(mutant) + text[end:]
    return "namespace millrace::sim {\nextern int active_mutant;\n}\n" + text


def main():
    listing, lib, out = (pathlib.Path(argument) for argument in sys.argv[1:4])
    sources = sys.argv[4:]
    mutants = parse(listing)
    for mutant in mutants:
        if mutant.fields["file"] not in sources:
            sys.exit("%s:%d: %s is not among the sources" % (listing, mutant.line, mutant.fields["file"]))
    for source in sources:
        here = [mutant for mutant in mutants if mutant.fields["file"] == source]
        text = rewrite(source, (lib / source).read_text(), here, listing)
        (out / source.replace("/", "_")).write_text(text)
    rows = "".join('    {"%s", %s, "%s"},\n' % (m.name, m.fields["seeds"], m.fields.get("faults", "all"))
                   for m in mutants)
    (out / "mutants.cc").write_text(
        '#include "tests/sim/mutants.h"\n\nnamespace millrace::sim {\n\nint active_mutant = 0;\n'
        "const std::vector<Mutant> kMutants = {\n%s};\n\n}  // namespace millrace::sim\n" % rows)


if __name__ == "__main__":
    main()
