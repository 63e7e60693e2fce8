# SPDX-License-Identifier: Apache-2.0
"""xargs -P2: starts each command by itself, and looks at nothing but its exit code."""

from peers.process import first_line, timed

NAME, KIND, INSTALL = "xargs -P2", "commands", "findutils"


def version():
    return first_line("xargs", "--version")


def rate(count, folder):
    (folder / "list").write_text("".join(f"{i}\n" for i in range(count)))
    return count / timed(["xargs", "-P2", "-n1", "-a", folder / "list", "/bin/true"])
