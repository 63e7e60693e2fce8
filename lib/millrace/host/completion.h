// SPDX-License-Identifier: Apache-2.0
// Completion scripts for shells, from the same tree of commands that is parsed.
#pragma once

#include <string>
#include <string_view>

namespace millrace::host {

class Command;

// The script to source for `shell`: bash, zsh or fish; "" for any other. Completes commands, long options, the values
// of options with choices, and files.
std::string CompletionScript(std::string_view shell, const std::string& program, const Command& root);

}  // namespace millrace::host
