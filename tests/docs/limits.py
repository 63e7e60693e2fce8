#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds docs/limits.md to the source: every limit has a row, its value is the one of the source, and its test exists.

usage: tests/docs/limits.py [ROOT]      (default: the tree this file is in)

A limit is a constant of lib, modules or tools with a name such as kMax..., kMost..., kLongest... or kHighest...; a
field of the structs in STRUCTS; an entry of TASK_LIMITS. What has such a name and bounds nothing from outside is in
OTHERS, with the reason. Rows about other constants are welcome, and checked as well. Prints findings; exits 0 without
any.
"""

import collections
import fractions
import pathlib
import re
import sys

Limit = collections.namedtuple("Limit", "file name expression")
Row = collections.namedtuple("Row", "line name value file test")

DOCUMENT = "docs/limits.md"
FOLDERS = ["lib/millrace", "modules", "tools"]
LIMIT_NAME = re.compile(r"k(Max|Most|Longest|Highest|Largest|Latest|Least)(\w*)$|kLimitBytes$")
CONSTANT = re.compile(r"constexpr\s+[\w:]+\s+(k\w+)\s*(?:=|(?=\{))\s*([^;]*);")
# Of these, every field that has a number: (file, struct): names of fields that are no limits.
STRUCTS = {
    ("wire/limits.h", "Limits"): [],
    ("wire/limits.h", "kFrameLimits"): [],
    ("yaml/document.h", "Limits"): [],
    ("yaml/pipeline.h", "ParseOptions"): [],
    ("serve/http_front.h", "HttpLimits"): [],
    ("serve/audit_log.h", "Options"): [],
}
# Of these, one field.
FIELDS = [("serve/broker.h", "BrokerOptions", "log_limit"), ("host/options.h", "Options", "max_payload_size")]
TASK_LIMITS = "exec/confinement.cc"

# What is called like a limit, and is none of what comes from outside.
OTHERS = {
    "agent/slots.cc:kMostCpus": "of our own options, before they are checked",
    "api/output_stream.h:kLargestChunk": "where our own output is cut into messages",
    "api/output_stream.h:kLongestWait": "a pause of ours",
    "api/pipeline.cc:kLongestShownValue": "for the eye",
    "api/registry.cc:kMostListed": "for the eye",
    "base/fields_arity.h:kMostFields": "of types, when they are compiled",
    "base/names.h:kMostEnumerators": "of types, when they are compiled",
    "base/size.cc:kLargest": "the range of a type",
    "base/suggest.cc:kLongestName": "longer names get no suggestion, that is all",
    "base/time.cc:kLongest": "the range of a type",
    "exec/command.cc:kLongestDrain": "a wait of ours",
    "exec/command.cc:kLongestDying": "a wait of ours",
    "exec/confinement.cc:kMostBytes": "of the rows about kKinds",
    "exec/memory.h:kLongestPause": "a pause of ours",
    "exec/secret_forms.cc:kMostLeftOut": "of the forms of a secret that are looked for",
    "host/options_rows.cc:kLongestText": "a range of settings",
    "host/options_rows.cc:kMostOfAResource": "a range of settings",
    "host/options_table.cc:kHighestPort": "a range of settings",
    "host/options_table.cc:kLongest": "a range of settings",
    "modules/command.cc:kLongestFileName": "of file names that we make",
    "net/dealer.cc:kLongestReconnectMs": "a pause of ours",
    "net/dealer.cc:kMostEvents": "news of our own connection",
    "net/pubsub.cc:kLongestReconnectMs": "a pause of ours",
    "net/router.cc:kLongestFarewell": "a wait of ours",
    "net/router.cc:kLongestProbePause": "a pause of ours",
    "net/router.cc:kLongestRetry": "a pause of ours",
    "net/zap.cc:kMostFrames": "what ZeroMQ itself says, in this process",
    "report/why.cc:kMostStragglers": "for the eye",
    "serve/view_json.cc:kMostOfAResult": "of a result that was accepted already",
    "sched/queries.cc:kMaxRows": "of work: an answer is full before",
    "store/cache.h:kLimitBytes": "what this machine keeps of its own results",
    "store/epoch.cc:kLongest": "a file of our own",
    "tools/zmqctl/chaos_nemesis.cc:kMostNotes": "for the eye",
    "tools/zmqctl/chaos_oracle.cc:kMostTexts": "for the eye",
    "tools/zmqctl/chaos_settings.cc:kMostFaults": "a range of settings",
    "tools/zmqctl/chaos_settings.cc:kMostSlots": "a range of settings",
    "tools/zmqctl/chaos_settings.cc:kMostWorkers": "a range of settings",
    "tools/zmqctl/simulate.cc:kMostSlots": "a range of options",
    "tools/zmqctl/simulate.cc:kMostWorkers": "a range of options",
    "tools/zmqctl/chaos_wires.cc:kMostHeld": "of a rehearsal with our own fleet",
    "wire/record_entries.cc:kMaxStretch": "where our own records are cut into rows",
    "wire/record_entries.cc:kMaxStretchBytes": "where our own records are cut into rows",
    "wire/record_entries.cc:kMaxWorkers": "where our own records are cut into rows",
}

SECONDS = {"milliseconds": "1/1000", "seconds": "1", "minutes": "60", "hours": "3600"}
UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
         "EiB": 1 << 60, "ms": fractions.Fraction(1, 1000), "s": 1, "min": 60, "h": 3600, "d": 24 * 3600}


def read(root, file):
    return (root / file).read_text(encoding="utf-8")


def short(file):
    """A file as the table names it: below lib/millrace, or from the root."""
    return file.removeprefix("lib/millrace/")


def number_of(text):
    """"16 MiB" as a number; None when it is none."""
    match = re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d+)(?: (\w+))?", text)
    if match is None or (match[2] or "") not in UNITS:
        return None
    return int(match[1].replace(",", "")) * UNITS[match[2] or ""]


def value_of(expression, constants):
    """The value of an expression of C++, in bytes, seconds or what it counts; None when it is not understood."""
    text = re.sub(r"\bk[A-Z]\w*", lambda m: f"({constants.get(m[0], m[0])})", expression)
    text = re.sub(r"sizeof\(sockaddr_un\{\}\.sun_path\)", "108", text)
    text = re.sub(r"(?<=\d)'(?=\d)", "", text)
    text = re.sub(r"\b(\d+)(?:[uU]?[lL]{0,2}|[lL]{1,2}[uU])\b", r"\1", text)
    text = re.sub(rf"(?:std::chrono::)?\b({'|'.join(SECONDS)})(?=\()", lambda m: f"({SECONDS[m[1]]})*", text)
    text = re.sub(r"\bstd::u?(?:int\d+_t|size_t)\b|\bstd::size_t\b", "", text).replace("{", "(").replace("}", ")")
    if not re.fullmatch(r"[\d\s+\-*/()<>]+", text):
        return None
    text = re.sub(r"\d+", lambda m: m[0] if "<<" in text else f"fractions.Fraction({m[0]})", text)
    return eval(text, {"fractions": fractions})  # pylint: disable=eval-used  # digits and operators only


def body_of(text, name):
    """What stands in the braces after the struct, or constant, of this name."""
    match = re.search(rf"\bstruct {name} \{{\n(.*?)\n *\}};|\b{name} = \{{(.*?)\}};", text, re.DOTALL)
    return (match[1] or match[2]) if match else ""


def fields_of(text, name):
    """Those with a number, and its expression."""
    body = re.sub(r"//[^\n]*", "", body_of(text, name))
    for field, expression in re.findall(r"[\w:.]*?(\w+) = ([^;]+?)(?:;|,\s*(?=\.)|$)", body):
        if re.match(r"[\w:]*[\d(]", expression.strip()) or "{" in expression:
            yield field, expression.strip()


def constants_in(text):
    return {name: expression for name, expression in CONSTANT.findall(text)}


def limits(root):
    """Every limit of the source."""
    for folder in FOLDERS:
        for file in sorted(path for path in (root / folder).rglob("*") if path.suffix in (".h", ".cc")):
            where = short(file.relative_to(root).as_posix())
            for name, expression in constants_in(file.read_text(encoding="utf-8")).items():
                yield Limit(where, name, expression)
    for (where, struct), others in STRUCTS.items():
        for field, expression in fields_of(read(root / "lib/millrace", where), struct):
            if field not in others:
                yield Limit(where, f"{struct}.{field}", expression)
    for where, struct, field in FIELDS:
        for name, expression in fields_of(read(root / "lib/millrace", where), struct):
            if name == field:
                yield Limit(where, f"{struct}.{field}", expression)
    for name, high in re.findall(r'\{"([\w-]+)", RLIMIT_\w+, Unit::\w+, [^,]+, ([^}]+)\}',
                                 read(root / "lib/millrace", TASK_LIMITS)):
        yield Limit(TASK_LIMITS, f"kKinds.{name}", high)


def must_have_a_row(limit):
    if f"{limit.file}:{limit.name}" in OTHERS:
        return False
    return "." in limit.name or LIMIT_NAME.match(limit.name) is not None


def rows(text):
    for number, line in enumerate(text.split("\n"), 1):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 6 and cells[0].startswith("`"):
            yield Row(number, cells[0].strip("`"), cells[1], cells[3].strip("`"), cells[5].strip("`"))


def tests_in(root):
    """Names of all tests, in C++ as Suite.Name, and the end-to-end ones."""
    names = set()
    for file in sorted((root / "tests").rglob("*")):
        if file.suffix == ".cc":
            names.update(f"{suite}.{name}" for suite, name in
                         re.findall(r"^(?:TYPED_)?TEST(?:_F|_P)?\((\w+), (\w+)\)", file.read_text(encoding="utf-8"),
                                    re.MULTILINE))
        elif file.suffix == ".py":
            names.update(re.findall(r"^def (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    return names


def check(root):
    """Findings, as text."""
    known = {(limit.file, limit.name): limit for limit in limits(root)}
    table = list(rows(read(root, DOCUMENT)))
    rowed = {(row.file, row.name) for row in table}
    tests = tests_in(root)
    for key, limit in sorted(known.items()):
        if must_have_a_row(limit) and key not in rowed:
            yield f"{limit.file}: {limit.name} has no row in {DOCUMENT}"
    for row in table:
        where = f"{DOCUMENT}:{row.line}"
        limit = known.get((row.file, row.name))
        if row.test not in tests:
            yield f"{where}: no test is named {row.test}"
        if limit is None:
            yield f"{where}: {row.file} has no {row.name}"
            continue
        folder = root if (root / row.file).exists() else root / "lib/millrace"
        value = value_of(limit.expression, constants_in(read(folder, row.file)))
        if value is None or value != number_of(row.value):
            yield f"{where}: {row.name} is {limit.expression} in {row.file}, not {row.value}"
    for other in OTHERS:
        if tuple(other.split(":")) not in known:
            yield f"tests/docs/limits.py: there is no {other} any more"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    findings = list(check(root))
    print("\n".join(findings) or f"{len(list(rows(read(root, DOCUMENT))))} limits are as {DOCUMENT} says")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
