// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/inputs.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "millrace/wire/writer.h"

namespace millrace::yaml {
namespace {

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// JSON's number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?
enum class Number { kNone, kInteger, kFraction };
Number NumberKind(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t begin = i;
    while (i < text.size() && IsDigit(text[i])) ++i;
    return i - begin;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const std::size_t first = i;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return Number::kNone;
  if (i == text.size()) return Number::kInteger;
  if (text[i] == '.') {
    ++i;
    if (digits() == 0) return Number::kNone;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return Number::kNone;
  }
  return i == text.size() ? Number::kFraction : Number::kNone;
}

// False when the text is no number that survives as one.
bool WriteNumber(std::string_view text, wire::Writer& writer) {
  const char* const end = text.data() + text.size();
  const Number kind = NumberKind(text);
  if (kind == Number::kInteger) {
    std::int64_t value = 0;
    std::uint64_t large = 0;
    if (std::from_chars(text.data(), end, value).ec == std::errc()) {
      writer.Signed(value);
      return true;
    }
    if (std::from_chars(text.data(), end, large).ec == std::errc()) {
      writer.Unsigned(large);
      return true;
    }
    return false;  // beyond 64 bits: as text nothing is lost
  }
  double value = 0;
  if (kind == Number::kNone || std::from_chars(text.data(), end, value).ec != std::errc()) return false;
  writer.Double(value);
  return true;
}

void WritePlain(std::string_view text, wire::Writer& writer) {
  if (text == "true" || text == "false") {
    writer.Bool(text == "true");
  } else if (!WriteNumber(text, writer)) {
    writer.String(text);
  }
}

void WriteNode(const Node& node, const Variables& variables, wire::Writer& writer) {
  switch (node.kind) {
    case Node::Kind::kNull: writer.Nil(); return;
    case Node::Kind::kScalar: {
      const std::string text = Substitute(node.text, variables);
      if (node.plain) {
        WritePlain(text, writer);
      } else {
        writer.String(text);
      }
      return;
    }
    case Node::Kind::kList:
      writer.ArrayHeader(node.items.size());
      for (const Node& item : node.items) WriteNode(item, variables, writer);
      return;
    case Node::Kind::kMap:
      writer.MapHeader(node.entries.size());
      for (const Entry& entry : node.entries) {
        writer.String(entry.key);
        WriteNode(entry.value, variables, writer);
      }
      return;
  }
}

}  // namespace

Bytes EncodeInputs(const Step& step, const Variables& variables) {
  if (step.inputs == nullptr) return {};
  std::string out;
  wire::Writer writer(out);
  switch (step.kind) {
    case Step::Kind::kShell:
      writer.MapHeader(1);
      writer.String("shell");
      writer.String(step.inputs->text);
      break;
    case Step::Kind::kArgv:
      writer.MapHeader(1);
      writer.String("argv");
      writer.ArrayHeader(step.inputs->items.size());
      for (const Node& item : step.inputs->items) writer.String(Substitute(item.text, variables));
      break;
    case Step::Kind::kModule: WriteNode(*step.inputs, variables, writer); break;
  }
  return Bytes(std::move(out));
}

}  // namespace millrace::yaml
