#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs the public headers: those of the layers that pipelines are written with, and all that they include.

Usage: tools/install_headers.py --list
   or: run by `meson install`, which sets MESON_INSTALL_DESTDIR_PREFIX; the argument is the include folder below it

The set is found by following includes, so that a header cannot be forgotten and a private one cannot slip in unseen:
`--list` shows it.
"""

import os
import pathlib
import re
import shutil
import sys

LIB = pathlib.Path(__file__).resolve().parents[1] / "lib"
PUBLIC_LAYERS = ("base", "model", "api", "host")
INCLUDE = re.compile(r'^\s*#\s*include\s*"(millrace/[^"]+)"', re.MULTILINE)


def public_headers():
    """Paths below lib, sorted."""
    own = [*LIB.glob("millrace/*.h"), *(path for layer in PUBLIC_LAYERS for path in LIB.glob(f"millrace/{layer}/*.h"))]
    waiting = [path.relative_to(LIB).as_posix() for path in own]
    seen = set()
    while waiting:
        header = waiting.pop()
        if header not in seen:
            seen.add(header)
            waiting += INCLUDE.findall((LIB / header).read_text(encoding="utf-8"))
    return sorted(seen)


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(public_headers()))
        return 0
    prefix = os.environ.get("MESON_INSTALL_DESTDIR_PREFIX")
    if prefix is None or len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    for header in public_headers():
        target = pathlib.Path(prefix, arguments[0], header)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(LIB / header, target)
        target.chmod(0o644)
        if not os.environ.get("MESON_INSTALL_QUIET"):
            print(f"Installing {header} to {target.parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
