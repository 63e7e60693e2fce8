// SPDX-License-Identifier: Apache-2.0
// Texts of others made safe for the languages that reports are written in.
#pragma once

#include <string>
#include <string_view>

namespace millrace::report {

// What is not UTF-8 becomes U+FFFD.
std::string CleanUtf8(std::string_view text);
// For quoted attributes of XML and HTML, and for text. Characters that XML 1.0 does not know become U+FFFD.
std::string EscapeXml(std::string_view text);
// For text between elements only: line breaks stay as they are.
std::string EscapeXmlText(std::string_view text);
// One line: control characters become spaces, and a long one is cut.
std::string OneLine(std::string_view text, std::size_t most = 200);
// For a label of mermaid in double quotes: all that it might read as its own or as HTML, by number.
std::string EscapeMermaid(std::string_view text);
// For a string of DOT in double quotes.
std::string EscapeDot(std::string_view text);

}  // namespace millrace::report
