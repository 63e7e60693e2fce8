// SPDX-License-Identifier: Apache-2.0
// The parts of the page that are the same for every run; built from the folder page by embed.py.
#pragma once

#include <string_view>

namespace millrace::report {

std::string_view PageStyle();
std::string_view PageBody();  // from <body> on, without its end
std::string_view PageScript();

}  // namespace millrace::report
