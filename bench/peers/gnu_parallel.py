# SPDX-License-Identifier: Apache-2.0
"""GNU parallel -j2: keeps the output of each command apart, in files."""

from peers.process import first_line, timed

NAME, KIND, INSTALL = "GNU parallel -j2", "commands", "parallel"


def version():
    said = first_line("parallel", "--version")
    return said if said and said.startswith("GNU") else None  # another program has that name as well


def rate(count, folder):
    (folder / "list").write_text("".join(f"{i}\n" for i in range(count)))
    return count / timed(["parallel", "--will-cite", "-j2", "/bin/true", "::::", folder / "list"])
