# SPDX-License-Identifier: Apache-2.0
"""ninja -j2: starts each command through /bin/sh."""

from peers.process import first_line, timed

NAME, KIND, INSTALL = "ninja -j2", "commands", "ninja-build"


def version():
    said = first_line("ninja", "--version")
    return said and f"ninja {said}"


def rate(count, folder):
    edges = "".join(f"build t{i}: true\n" for i in range(count))
    (folder / "build.ninja").write_text(f"rule true\n  command = /bin/true\n{edges}")
    return count / timed(["ninja", "-j2", "--quiet", "-C", folder])
