#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The style of the project as a test: one pass over the tracked files, findings as `path:line: rule: message`.

Usage: tests/style/check.py [ROOT]      (the git checkout to look at; default: the one this file is in)

RULES below names every rule. What a rule forbids with few exceptions has them in ALLOWED, each with its reason.
Exits 0 without findings, else 1.
"""

import bisect
import collections
import os
import pathlib
import posixpath
import re
import subprocess
import sys

Finding = collections.namedtuple("Finding", "path line rule message")

RULES = {
    "spdx": "sources, scripts and build files begin with their licence (second line after #!)",
    "purpose": "a header says what it is for right after its licence",
    "pragma-once": "a header is guarded by #pragma once",
    "layer": "a layer includes only the layers below it (docs/architecture.md)",
    "library": "each third-party library is included in one layer only (docs/dependencies.md)",
    "pure": "sched and agent know no clock, thread, file, stream or environment",
    "file-length": "files have at most 500 lines",
    "columns": "lines have at most 120 columns, unless an address needs more",
    "function-length": "functions have at most 70 lines",
    "banned-call": "no std::rand, system(), sleeping",
    "console": "libraries do not write to the console",
    "using-namespace": "no using namespace std",
    "unfinished": "no notes about work that is left to do",
    "tab": "no tabs",
    "trailing-blank": "no blanks at the end of a line",
    "final-newline": "files end with one line break",
    "ascii": "C++ is ASCII outside of string literals",
    "unbuilt": "every C++ source is named in a meson.build",
    "link": "links between documents lead somewhere",
}

# What a layer of lib/millrace may include besides itself; `None` = every layer before it in this table.
LAYERS = {
    "base": [],
    "model": ["base"],
    "keys": ["base", "model"],
    "wire": ["base", "model"],
    "sched": ["base", "model"],
    "agent": ["base", "model"],
    "log": ["base"],
    "yaml": ["base", "model", "wire"],
    "store": ["base", "model", "wire"],
    "report": ["base", "model", "wire"],
    "content": ["base", "model", "wire"],
    "replay": ["base", "model", "sched", "report"],
    "exec": ["base"],
    "api": ["base", "model", "wire", "exec"],
    "net": ["base", "model", "keys", "wire"],
    "client": ["base", "model", "wire", "api", "net"],
    "serve": None,
    "host": None,
}
# Folders outside of lib that are held to a part of it.
FOLDER_LAYERS = {"modules": ["base", "api"]}

# Header -> where it may be included in what is shipped (lib, modules and the programs). Tests and bench may use all.
LIBRARIES = [
    (re.compile(r"zmq(_addon|_utils)?\.h(pp)?$"), ["lib/millrace/net"]),
    (re.compile(r"msgpack(\.h|\.hpp|/)"), ["lib/millrace/wire"]),
    (re.compile(r"lz4(frame|hc)?\.h$"), ["lib/millrace/wire"]),
    (re.compile(r"yaml-cpp/"), ["lib/millrace/yaml"]),
    (re.compile(r"sqlite3(ext)?\.h$"), ["lib/millrace/store"]),
    (re.compile(r"(glog|gflags)/"), ["lib/millrace/log"]),
    (re.compile(r"CLI/"), ["lib/millrace/host", "broker", "worker", "tools"]),
    (re.compile(r"openssl/"), ["lib/millrace/base"]),
    (re.compile(r"xx(hash|h3)\.h$"), ["lib/millrace/net"]),
]

IMPURE_INCLUDES = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "iostream", "fstream", "ctime",
                   "time.h", "sys/time.h", "unistd.h", "filesystem", "absl/time/clock.h",
                   "absl/synchronization/mutex.h"}
IMPURE_WORDS = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|random_device|getenv"
                          r"|EntropyFromSystem|FailPoint)\b|::now\s*\("
                          r"|\b(?:clock_gettime|gettimeofday|time)\s*\(\s*(?:nullptr|NULL|0|CLOCK_)")

BANNED_CALLS = [
    (re.compile(r"(?<![\w.>])(?:std::|::)?s?rand\s*\("), "use millrace::Random, which is seeded"),
    (re.compile(r"(?<![\w.>:])(?:std::|::)?(?:system|popen)\s*\("), "use millrace/exec: no shell in between"),
    (re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\s*\("), "wait on a condition, a poller or a timer"),
    (re.compile(r"(?<![\w.>:])(?:::)?sleep\s*\("), "wait on a condition, a poller or a timer"),
]
CONSOLE = re.compile(r"\bstd::(?:cout|cerr|clog)\b"
                     r"|(?<![\w.>])(?:std::|::)?(?:[fv]|vf)?printf\s*\(|\bputs\s*\(|\bperror\s*\(")

# (rule, path prefix): why.
ALLOWED = {
    ("console", "lib/millrace/api/host.cc"): "a module host that cannot start has no other way to say why",
    ("console", "lib/millrace/api/standard_streams.cc"): "flushes what modules printed to std::cout",
    ("banned-call", "lib/millrace/exec/leftovers.cc"): "there is nothing to wait on but other people's processes",
    ("banned-call", "lib/millrace/exec/spawn.cc"): "a busy program file becomes free by itself",
    ("console", "lib/millrace/exec/supervisor.cc"): "a supervisor has nobody to tell but whoever reads standard error",
    ("console", "lib/millrace/host/"): "the console is what host is for",
    ("console", "lib/millrace/log/"): "the log's sink is standard error",
    ("columns", "lib/millrace/base/fields_arity.h"): "a table, one row per number of fields",
    ("unbuilt", "tests/compile_fail/cases/"): "found by check.py, and most do not compile",
    ("unfinished", "tests/style/"): "names the words it looks for",
}

CXX = {".h", ".cc", ".cpp", ".hpp"}
SPDX_SUFFIXES = CXX | {".c", ".py", ".sh", ".js", ".mjs", ".ts", ".tsx", ".css", ".sql"}
SPDX_NAMES = {"meson.build", "meson.options", "meson_options.txt", "Dockerfile"}
SHIPPED = ("lib/", "modules/", "broker/", "worker/", "tools/")
MEASURED = SHIPPED + ("bench/",)
FREE_OF_BLANK_RULES = (".patch", ".diff", ".svg", "LICENSE")
GIVEN_DATA = re.compile(r"(^|/)(corpus|testdata)/")  # inputs of tests: rubbish on purpose
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 120

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"'
                   r"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'", re.DOTALL)
INCLUDE = re.compile(r'^[ ]*#[ ]*include[ ]*[<"]([^>"\n]+)[>"]', re.MULTILINE)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
CONTROL = re.compile(r"\b(if|for|while|switch|catch|do|else|namespace|class|struct|union|enum|extern)\b")
MARKDOWN_LINK = re.compile(r"\[[^\]\[]*\]\(<?([^)\s>]+)>?[^)]*\)")


class File:
    """One tracked file: its text, and for C++ the same text with comments and literals blanked, line by line alike."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.suffix = posixpath.splitext(path)[1]
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.is_cxx = self.suffix in CXX
        self.code = TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text) if self.is_cxx else text

    def line_of(self, offset):
        return bisect.bisect_right(self.starts, offset)

    def under(self, *prefixes):
        return self.path.startswith(prefixes)


def layer_of(path):
    parts = path.split("/")
    return parts[2] if path.startswith("lib/millrace/") and len(parts) > 3 else None


def check_head(file):
    first = file.lines[0]
    script = first.startswith("#!")
    spdx_line = 1 if script else 0
    needs = file.suffix in SPDX_SUFFIXES or posixpath.basename(file.path) in SPDX_NAMES or script
    if not needs:
        return
    if len(file.lines) <= spdx_line or "SPDX-License-Identifier: Apache-2.0" not in file.lines[spdx_line]:
        yield spdx_line + 1, "spdx", "expected `SPDX-License-Identifier: Apache-2.0` in a comment here"
    if file.suffix in (".h", ".hpp"):
        if not re.match(r"(//|/\*)\s*\S+(\s+\S+){3}", file.lines[1] if len(file.lines) > 1 else ""):
            yield 2, "purpose", "expected a comment here that says what the header is for"
        if not re.search(r"^#pragma once$", file.text, re.MULTILINE):
            yield 1, "pragma-once", "has no #pragma once"


def check_includes(file):
    layer = layer_of(file.path)
    top = file.path.split("/")[0]
    if layer in LAYERS:
        allowed = LAYERS[layer]
        if allowed is None:
            allowed = list(LAYERS)[: list(LAYERS).index(layer)]
        allowed = [layer, *allowed]
    else:
        allowed = FOLDER_LAYERS.get(top)
    for match in INCLUDE.finditer(file.text):
        if file.code[match.start():match.end()].lstrip()[:1] != "#":
            continue  # commented out
        line, header = file.line_of(match.end()), match[1]
        target = header.split("/")[1] if header.startswith("millrace/") and header.count("/") > 1 else None
        if allowed is not None and target is not None and target not in allowed:
            who = layer or top
            yield line, "layer", f"{who} may not include {header}; it may include: {', '.join(allowed) or 'nothing'}"
        if file.under(*SHIPPED):
            for pattern, places in LIBRARIES:
                if pattern.match(header) and not file.under(*(place + "/" for place in places)):
                    yield line, "library", f"{header} may be included only in {', '.join(places)}"
        if layer in ("sched", "agent") and header in IMPURE_INCLUDES:
            yield line, "pure", f"{layer} may not include <{header}>: events in, actions out"


def check_calls(file):
    layer = layer_of(file.path)
    if layer in ("sched", "agent"):
        for match in IMPURE_WORDS.finditer(file.code):
            yield file.line_of(match.start()), "pure", f"{layer} may not use `{match[0].strip()}`: it must be handed in"
    if file.under(*SHIPPED):
        for pattern, instead in BANNED_CALLS:
            for match in pattern.finditer(file.code):
                yield file.line_of(match.start()), "banned-call", f"`{match[0].strip()}`: {instead}"
    if file.under("lib/"):
        for match in CONSOLE.finditer(file.code):
            yield file.line_of(match.start()), "console", f"`{match[0].strip()}`: return a Status, or log"
    for match in re.finditer(r"\busing\s+namespace\s+std\s*;", file.code):
        yield file.line_of(match.start()), "using-namespace", "name what you use"


def check_function_lengths(file):
    """Braces are matched on blanked code; what stands before an opening one tells a function from the rest."""
    stack, head = [], 0
    for match in re.finditer(r"[{};]", file.code):
        if match[0] == "{":
            before = file.code[head:match.start()]
            is_function = ")" in before and not CONTROL.search(before) and "=" not in before.split("(")[0]
            stack.append(file.line_of(match.start()) if is_function else None)
        elif match[0] == "}" and stack:
            start = stack.pop()
            if start is not None and file.line_of(match.start()) - start + 1 > MAX_FUNCTION_LINES:
                length = file.line_of(match.start()) - start + 1
                yield start, "function-length", f"a function of {length} lines; at most {MAX_FUNCTION_LINES}"
        head = match.end()


def check_text(file):
    code = file.is_cxx or file.suffix in SPDX_SUFFIXES
    count = len(file.lines) - (file.lines[-1] == "")
    if count > MAX_FILE_LINES and code and file.under(*MEASURED):
        yield MAX_FILE_LINES + 1, "file-length", f"{count} lines; at most {MAX_FILE_LINES}"
    if code or posixpath.basename(file.path) in SPDX_NAMES or file.lines[0].startswith("#!"):
        for number, line in enumerate(file.lines, 1):
            if len(line) > MAX_COLUMNS and "://" not in line:
                yield number, "columns", f"{len(line)} columns; at most {MAX_COLUMNS}"
    for match in UNFINISHED.finditer(file.text):
        yield file.line_of(match.start()), "unfinished", f"`{match[0]}`: do it, or open an issue"
    if file.path.endswith(FREE_OF_BLANK_RULES) or GIVEN_DATA.search(file.path):
        return
    if file.text and (not file.text.endswith("\n") or file.text.endswith("\n\n")):
        yield len(file.lines), "final-newline", "expected one line break at the end"
    for number, line in enumerate(file.lines, 1):
        if "\t" in line and file.suffix not in (".go", ".mk") and posixpath.basename(file.path) != "Makefile":
            yield number, "tab", "use spaces"
        if line != line.rstrip():
            yield number, "trailing-blank", "remove the blanks at the end"


def check_ascii(file):
    for number, line in enumerate(file.lines, 1):
        if line.isascii():
            continue
        # Literals are blanked in `code`, comments too: look at what is left when only literals are taken out.
        start = file.starts[number - 1]
        literals = [m for m in TOKEN.finditer(file.text) if not m[0].startswith("/")]
        for offset, char in enumerate(line, start):
            if ord(char) > 127 and not any(m.start() <= offset < m.end() for m in literals):
                yield number, "ascii", f"{char!r} (U+{ord(char):04X}) outside of a string literal"
                break


def check_links(file, exists):
    fenced = False
    for number, line in enumerate(file.lines, 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if fenced:
            continue
        for match in MARKDOWN_LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            target = match[1].split("#")[0]
            if not target or re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), target))
            if not exists(path):
                yield number, "link", f"{match[1]} does not exist"


def check_built(file, build_files):
    """A source that no build file of its folder, or of one above, names is dead."""
    stem = posixpath.splitext(posixpath.basename(file.path))[0]
    folder = posixpath.dirname(file.path)
    while True:
        if re.search(rf"\b{re.escape(stem)}\b", build_files.get(posixpath.join(folder, "meson.build"), "")):
            return
        if not folder:
            yield 1, "unbuilt", "no meson.build names this file"
            return
        folder = posixpath.dirname(folder)


def check_tree(root, paths):
    """Every finding in the files `paths` (relative, slashes) of the tree at `root`, in order."""
    files = []
    for path in paths:
        full = pathlib.Path(root, path)
        if full.is_symlink() or not full.is_file():
            continue
        data = full.read_bytes()
        if b"\0" not in data[:8192]:
            files.append(File(path, data.decode("utf-8", errors="replace")))
    build_files = {f.path: f.text for f in files if posixpath.basename(f.path) == "meson.build"}
    findings = []
    for file in files:
        found = [*check_head(file), *check_text(file)]
        if file.is_cxx:
            found += [*check_includes(file), *check_calls(file), *check_ascii(file)]
            if file.under(*MEASURED):
                found += check_function_lengths(file)
        if file.suffix in (".cc", ".cpp") and build_files:
            found += check_built(file, build_files)
        if file.suffix == ".md":
            found += check_links(file, lambda path: os.path.exists(os.path.join(root, path)))
        for line, rule, message in found:
            if not any(rule == allowed and file.path.startswith(prefix) for allowed, prefix in ALLOWED):
                findings.append(Finding(file.path, line, rule, message))
    return sorted(findings)


def tracked_files(root):
    """What git tracks, or in an unpacked release every file that is not under a hidden or a build folder."""
    # The checkout may belong to someone else than who runs this, as it does in containers.
    command = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return sorted(listed.stdout.decode("utf-8", errors="replace").rstrip("\0").split("\0"))
    paths = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".", "build")) and f != "node_modules"]
        paths += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(paths)


def main(arguments):
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__)
        print("\n".join(f"  {rule:16} {meaning}" for rule, meaning in RULES.items()))
        return 0
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).resolve().parents[2])
    paths = tracked_files(root)
    findings = check_tree(root, paths)
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.rule}: {finding.message}")
    print(f"style: {len(paths)} files, {len(findings)} findings")
    return 1 if findings or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
