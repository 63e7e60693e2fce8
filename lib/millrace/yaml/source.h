// SPDX-License-Identifier: Apache-2.0
// The text of a YAML file, looked at without a parser: what yaml-cpp 0.7 lets pass or pays too much for, and what its
// errors mean to the author of a file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "millrace/yaml/problems.h"

namespace millrace::yaml {

// False, with a problem, for text that is no UTF-8, holds a NUL byte, or opens so many brackets that the scanner, which
// looks ahead over all of them before it reports the first, would take most of a second.
bool CheckSource(std::string_view text, Problems& problems);

// yaml-cpp ends a quoted text silently at the end of the file. `begin` is where the last quoted or block text (with its
// anchor or tag, if any) begins. False, with a problem, when its closing quote is missing.
bool CheckLastQuoted(std::string_view text, std::optional<std::size_t> begin, Problems& problems);

// A parser's message in the words of a file's author, with what to do.
std::string SyntaxHint(std::string_view parser_message);

}  // namespace millrace::yaml
