#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the parts of the report's page into a C++ source. usage: embed.py OUTPUT STYLE BODY SCRIPT"""

import pathlib
import sys

CHUNK = 8000  # characters: compilers may refuse longer literals


def literal(text):
    pieces = [text[i:i + CHUNK] for i in range(0, len(text), CHUNK)]
    return "\n".join(f'R"page({piece})page"' for piece in pieces)


def main(output, *parts):
    lines = ['#include "millrace/report/page.h"', "namespace millrace::report {"]
    for name, file in zip(("PageStyle", "PageBody", "PageScript"), parts):
        text = pathlib.Path(file).read_text(encoding="utf-8")
        for forbidden in (')page"', "</script", "</style", "\r"):
            if forbidden in text:
                sys.exit(f"{file}: has {forbidden!r}, which would end it")
        lines.append(f"std::string_view {name}() {{\n  static constexpr char kText[] =\n{literal(text)};\n"
                     "  return {kText, sizeof kText - 1};\n}")
    lines.append("}  // namespace millrace::report\n")
    pathlib.Path(output).write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
