# SPDX-License-Identifier: Apache-2.0
"""What the fuzz targets have been through, in tests/fuzz/executions.json: one line per target, added up over runs.

  executions    of all times
  since_finding of these, after the last finding: what the goal is about
  since_change  of these, with the code that `code` is a digest of: a tenth of the goal at least
  bare          of since_change, those in a build without the address sanitizer
  seconds       spent on executions
  findings      of all times

The code of a target is its own file and all files of this tree that it includes, with their sources: that of the same
name, and in lib those without a header of their own that include it from the same folder. That is rather too much than
too little, so that a count is never claimed for code that was not run. Lines of comment alone do not count.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re

NAME = "tests/fuzz/executions.json"
EMPTY = {"executions": 0, "since_finding": 0, "since_change": 0, "bare": 0, "seconds": 0, "findings": 0, "code": ""}
INCLUDE = re.compile(r'^\s*#include "((?:millrace|tests)/[^"]+)"', re.MULTILINE)
COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)


class Tree:
    """The C++ files of a tree, each read once."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.texts = {}

    def text(self, file):
        if file not in self.texts:
            self.texts[file] = file.read_text() if file.is_file() else None
        return self.texts[file]

    def includes(self, file):
        names = INCLUDE.findall(self.text(file) or "")
        return [self.root / ("lib" if name.startswith("millrace/") else "") / name for name in names]

    def sources_of(self, header):
        if self.root / "lib" not in header.parents:
            return [header.with_suffix(".cc")]
        orphans = [file for file in header.parent.glob("*.cc") if not file.with_suffix(".h").exists()]
        return [header.with_suffix(".cc")] + [file for file in orphans if header in self.includes(file)]

    def code_of(self, target):
        """A digest of everything that this target is made of."""
        seen, left = set(), [self.root / "tests/fuzz" / f"{target}.cc"]
        while left:
            file = left.pop()
            if file in seen or self.text(file) is None:
                continue
            seen.add(file)
            left += self.includes(file)
            if file.suffix == ".h":
                left += self.sources_of(file)
        digest = hashlib.sha256()
        for file in sorted(seen):
            body = COMMENT.sub("", self.texts[file])
            digest.update(f"{file.relative_to(self.root)} {len(body)}\n{body}".encode())
        return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked(root):
    """One at a time in this tree, whichever process."""
    folder = os.open(pathlib.Path(root) / "tests/fuzz", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def read(root):
    file = pathlib.Path(root) / NAME
    rows = json.loads(file.read_text()) if file.exists() else {}
    return {name: EMPTY | row for name, row in rows.items()}


def write(root, rows):
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items())]
    file = pathlib.Path(root) / NAME
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    fresh.replace(file)


def add(root, target, code, executions, seconds, found=False, bare=False):
    """Counts a run that began with `code`. Who changed the code meanwhile began the count anew: then it is old."""
    with locked(root):
        rows = read(root)
        row = rows.setdefault(target, dict(EMPTY))
        row["executions"] += executions
        row["seconds"] += seconds
        row["findings"] += int(found)
        row["since_finding"] = 0 if found else row["since_finding"] + executions
        if code == Tree(root).code_of(target):
            if row["code"] != code:
                row.update(code=code, since_change=0, bare=0)
            row["since_change"] += executions
            row["bare"] += executions if bare else 0
        write(root, rows)


def left(row, goal):
    """Executions until the goal. Those with older code count, as long as enough were made with the code as it is."""
    return max(goal - row["since_finding"], goal // 10 - row["since_change"], 0)


def row_of(rows, tree, target):
    """The row as it is to be shown: what was made with other code counts for nothing now."""
    row = EMPTY | rows.get(target, {})
    return row if row["code"] == tree.code_of(target) else row | {"since_change": 0, "bare": 0}
