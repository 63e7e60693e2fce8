# SPDX-License-Identifier: Apache-2.0
"""make -j2: starts a simple command without a shell."""

from peers.process import first_line, timed

NAME, KIND, INSTALL = "make -j2", "commands", "make"


def version():
    return first_line("make", "--version")


def rate(count, folder):
    names = " ".join(f"t{i}" for i in range(count))
    (folder / "Makefile").write_text(f"all: {names}\n.PHONY: all {names}\n{names}:\n\t@/bin/true\n")
    return count / timed(["make", "-j2", "-s", "-C", folder])
