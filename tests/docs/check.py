#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documents say, as a test: their C++ compiles, their YAML is a pipeline, the options and variables they name
exist. Prints TAP.

usage: check.py BUILD_DIR [SOURCE_DIR]

Fenced blocks of README.md and docs/*.md are whole programs (```cpp) and whole pipelines (```yaml). One that is a part
on purpose says so, and why, in the line above it:  <!-- partial: the struct of the example above -->
"""

import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

Block = collections.namedtuple("Block", "file line language partial text")

COMPILERS = [["g++"], ["clang++", "clang++-14"]]  # the names of each, the first that is there is taken
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"]
PROGRAMS = ["broker/millrace-broker", "worker/millrace-worker", "tools/zmqctl", "examples/cpp/example-release",
            "tests/sim/millrace-sim", "bench/makespan", "bench/content"]
SCRIPTS = ["tools/setup", "tools/quickstart", "tools/self", "tools/check", "tools/format", "tools/fuzz", "tools/tidy",
           "tools/tally", "tests/style/check.py", "tests/chaos/run", "bench/run",
           "tools/bench-check"]
# Files whose options must exist, besides the documents.
RECIPES = ["Dockerfile", "docker-compose.yml", ".github/workflows/ci.yml", "examples/self/self.yaml"]
# Options of the programs of others.
FOREIGN = set("""--buildtype --wrap-mode --suite --no-suite --print-errorlogs --num-processes --logbase --no-rebuild
                 --list --reconfigure --strip --quiet --from --prefix --tags --build --test-dir --config --target
                 --create-home --no-install-recommends --gtest_filter --gtest_repeat --repeat --gdb""".split())
# What a step finds in its environment, and what tests look for in theirs.
VARIABLES = set("""MILLRACE_INPUTS MILLRACE_OUTPUT MILLRACE_TASK MILLRACE_RUN MILLRACE_ATTEMPT MILLRACE_TRY
                   MILLRACE_SLOT MILLRACE_IDEMPOTENCY_KEY MILLRACE_REWRITE_TRANSCRIPTS
                   MILLRACE_REWRITE_GOLDEN MILLRACE_FAIL_POINT""".split())


def documents(root):
    return [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md"))]


def blocks_of(file, root):
    """The fenced blocks of a document; an unclosed one ends with it."""
    lines = file.read_text(encoding="utf-8").split("\n")
    number = 0
    while number < len(lines):
        fence = re.match(r"```(\w[\w+]*)\s*$", lines[number])
        if fence:
            end = next((n for n in range(number + 1, len(lines)) if lines[n].startswith("```")), len(lines))
            partial = re.match(r"<!-- partial: \S.* -->$", lines[number - 1]) if number > 0 else None
            yield Block(file.relative_to(root).as_posix(), number + 1, fence[1], bool(partial),
                        "\n".join(lines[number + 1:end]) + "\n")
            number = end
        number += 1


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def check_cxx(block, compiler, root, scratch):
    file = scratch / "block.cc"
    file.write_text(f'#line {block.line + 1} "{block.file}"\n{block.text}')
    code, said = run([compiler, *FLAGS, "-I", str(root / "lib"), str(file)])
    return None if code == 0 else said


def check_yaml(block, zmqctl, builtins, scratch):
    # Every line keeps its number, so that what is said leads to the document.
    file = scratch / pathlib.Path(block.file).name
    file.write_text("\n" * block.line + block.text)
    code, said = run([zmqctl, "plan", str(file)])
    if code != 0:
        return said
    # `plan` asks no worker; every worker has the built-in modules.
    unknown = set(re.findall(r"\bmodule: *([\w-]+)", block.text)) - builtins
    return f"no worker has {', '.join(unknown)}" if unknown else None


def help_of(command):
    """What a command says of itself, and what each of its commands does: they stand in a list, indented by two."""
    code, said = run([*command, "--help"])
    assert code == 0, f"{' '.join(command)} --help gave {code}"
    if "Subcommands:" not in said:
        return said
    names = re.findall(r"^  ([a-z]+) {2,}", said.split("Subcommands:")[-1], re.MULTILINE)
    return said + "".join(help_of([*command, name]) for name in names)


def helps(build, root):
    """Everything that programs and scripts say of themselves."""
    return "".join(help_of([str(build / program)]) for program in PROGRAMS) + "".join(
        run([str(root / script), "--help"])[1] for script in SCRIPTS)


def check_names(file, known, root):
    """Options and variables in a document that nothing knows of."""
    problems = []
    for number, line in enumerate((root / file).read_text(encoding="utf-8").split("\n"), 1):
        if line.lstrip().startswith(("meson wrap", "<!--")):
            continue
        for name in re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]+|\bMILLRACE_[A-Z_]*[A-Z]\b", line):
            if name not in known:
                problems.append(f"{file}:{number}: nothing knows {name}")
    return "\n".join(problems) or None


def check_faults(root):
    """Tests that docs/faults.md names and that are nowhere."""
    text = "".join(file.read_text(encoding="utf-8") for folder in ("unit", "conformance", "e2e", "chaos")
                   for file in sorted((root / "tests" / folder).rglob("*")) if file.suffix in (".cc", ".py"))
    rows = [line for line in (root / "docs/faults.md").read_text(encoding="utf-8").split("\n") if line.count("|") == 4]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[3])]
    assert len(names) > 40, names
    return "\n".join(f"docs/faults.md: no test is named {name}" for name in names
                     if not re.search(rf"\b{name}\b", text)) or None


def cases(build, root, scratch):
    """(name, problem or None, why skipped or None), one after another."""
    zmqctl = str(build / "tools/zmqctl")
    builtins = {name for header in root.glob("modules/*.h")
                for name in re.findall(r'kName = "([\w-]+)"', header.read_text(encoding="utf-8"))}
    compilers = [next(filter(shutil.which, names), None) for names in COMPILERS]
    blocks = [block for file in documents(root) for block in blocks_of(file, root)]
    for language, least in (("cpp", 1), ("yaml", 5)):
        count = sum(block.language == language and not block.partial for block in blocks)
        yield f"there are {language} blocks", None if count >= least else f"{count} of at least {least}", None
    yield "docs/faults.md names tests", check_faults(root), None
    for block in blocks:
        where = f"{block.file}:{block.line}"
        skipped = "a part" if block.partial else None
        if block.language == "cpp":
            for compiler in compilers:
                reason = skipped or (None if compiler else "no such compiler")
                yield (f"{where} with {compiler or 'the other compiler'}",
                       None if reason else check_cxx(block, compiler, root, scratch), reason)
        elif block.language == "yaml":
            yield where, None if skipped else check_yaml(block, zmqctl, builtins, scratch), skipped
    for file in sorted([*root.glob("examples/*/*.yaml"), *root.glob(".github/*.yaml")]):
        if "modules:" in file.read_text(encoding="utf-8"):
            code, said = run([zmqctl, "plan", str(file)])
            yield file.relative_to(root).as_posix(), None if code == 0 else said, None
    said = helps(build, root)
    known = set(re.findall(r"--[a-z][a-z0-9_-]+|\bMILLRACE_[A-Z_]*[A-Z]\b", said)) | FOREIGN | VARIABLES
    for file in [path.relative_to(root).as_posix() for path in documents(root)] + RECIPES:
        yield f"names in {file}", check_names(file, known, root), None


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[2]).resolve()
    count = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for count, (name, problem, skipped) in enumerate(cases(build, root, pathlib.Path(scratch)), 1):
            end = f" # SKIP {skipped}" if skipped else ""
            print(f"{'not ok' if problem else 'ok'} {count} - {name}{end}", flush=True)
            failed += bool(problem)
            for line in (problem or "").splitlines():
                print(f"# {line}")
    print(f"1..{count}")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
