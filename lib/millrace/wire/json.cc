// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/json.h"

#include <cmath>
#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/wire/base64.h"
#include "millrace/wire/reader.h"
#include "millrace/wire/writer.h"

namespace millrace::wire {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kIndent = 2;

// Writes JSON while it reads msgpack: no tree, so the memory is the text's.
class Printer {
 public:
  Printer(Reader& reader, JsonStyle style, std::string& out) : reader_(reader), style_(style), out_(out) {}

  bool Value() {
    switch (reader_.Peek()) {
      case Type::kNil: out_ += "null"; return reader_.ReadNil();
      case Type::kBool: {
        bool value = false;
        if (!reader_.ReadBool(value)) return false;
        out_ += value ? "true" : "false";
        return true;
      }
      case Type::kInteger: return Integer();
      case Type::kFloat: {
        double value = 0;
        if (!reader_.ReadDouble(value)) return false;
        out_ += std::isfinite(value) ? Json(value).dump() : "null";
        return true;
      }
      case Type::kString: {
        std::string_view text;
        if (!reader_.ReadString(text)) return false;
        out_ += JsonQuote(text);
        return true;
      }
      case Type::kBinary: {
        std::string_view bytes;
        if (!reader_.ReadBinary(bytes)) return false;
        out_ += '"' + EncodeBase64(bytes) + '"';
        return true;
      }
      case Type::kArray: return Array();
      case Type::kMap: return Map();
      case Type::kNone:
      case Type::kExtension: break;
    }
    return reader_.Skip();  // which fails, saying what was found
  }

 private:
  bool Integer() {
    Reader::Integer integer;
    if (!reader_.ReadAnyInteger(integer)) return false;
    out_ += integer.negative ? std::to_string(static_cast<std::int64_t>(integer.bits)) : std::to_string(integer.bits);
    return true;
  }

  bool Array() {
    std::size_t count = 0;
    if (!reader_.EnterArray(count)) return false;
    out_ += '[';
    ++depth_;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += ',';
      NewLine();
      if (!Value()) return false;
    }
    --depth_;
    if (count > 0) NewLine();
    out_ += ']';
    reader_.Leave();
    return true;
  }

  bool Map() {
    std::size_t count = 0;
    if (!reader_.EnterMap(count)) return false;
    std::unordered_set<std::string> seen;
    out_ += '{';
    ++depth_;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += ',';
      NewLine();
      std::string key;
      if (!Key(key)) return false;
      out_ += key;
      out_ += style_ == JsonStyle::kIndented ? ": " : ":";
      if (!seen.insert(std::move(key)).second) return reader_.Fail("this key is in the map already");
      if (!Value()) return false;
    }
    --depth_;
    if (count > 0) NewLine();
    out_ += '}';
    reader_.Leave();
    return true;
  }

  bool Key(std::string& key) {
    if (reader_.Peek() == Type::kInteger) {
      Printer digits(reader_, style_, key);
      if (!digits.Integer()) return false;
      key = '"' + key + '"';
      return true;
    }
    std::string_view text;
    if (!reader_.ReadString(text) || !reader_.Charge(text.size() + 64)) return false;
    key = JsonQuote(text);
    return true;
  }

  void NewLine() {
    if (style_ == JsonStyle::kCompact) return;
    out_ += '\n';
    out_.append(depth_ * kIndent, ' ');
  }

  Reader& reader_;
  JsonStyle style_;
  std::string& out_;
  std::size_t depth_ = 0;
};

// nlohmann's parser grows its tree as deep as the text goes; this looks first.
absl::Status CheckDepth(std::string_view json, std::uint32_t max_depth) {
  std::uint32_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) {
        return InvalidArgument("JSON nests deeper than %d levels at byte %d", max_depth, i);
      }
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return absl::OkStatus();
}

void Write(Writer& writer, const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean: writer.Bool(value.get<bool>()); return;
    case Json::value_t::number_integer: writer.Signed(value.get<std::int64_t>()); return;
    case Json::value_t::number_unsigned: writer.Unsigned(value.get<std::uint64_t>()); return;
    case Json::value_t::number_float: writer.Double(value.get<double>()); return;
    case Json::value_t::string: writer.String(value.get_ref<const std::string&>()); return;
    case Json::value_t::array:
      writer.ArrayHeader(value.size());
      for (const Json& element : value) Write(writer, element);
      return;
    case Json::value_t::object:
      writer.MapHeader(value.size());
      for (const auto& [key, element] : value.items()) {
        writer.String(key);
        Write(writer, element);
      }
      return;
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded: writer.Nil(); return;
  }
}

// nlohmann keeps the last of two equal keys; a typed reader would never know that one was lost.
class DuplicateKeys {
 public:
  bool operator()(int /*depth*/, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == Json::parse_event_t::object_end && !open_.empty()) {
      open_.pop_back();
    } else if (event == Json::parse_event_t::key && !open_.empty()) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_.back().insert(key).second && first_.empty()) first_ = key;
    }
    return true;
  }
  const std::string& first() const { return first_; }

 private:
  std::vector<std::unordered_set<std::string>> open_;
  std::string first_;
};

}  // namespace

std::string JsonQuote(std::string_view text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

absl::StatusOr<std::string> MsgpackToJson(std::string_view msgpack, JsonStyle style, const Limits& limits) {
  Reader reader(msgpack, limits);
  std::string out;
  static_cast<void>(Printer(reader, style, out).Value());  // Finish tells
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return out;
}

absl::StatusOr<std::string> JsonToMsgpack(std::string_view json, const Limits& limits) {
  if (json.size() > limits.max_bytes) {
    return ResourceExhausted("JSON of %d bytes is over max_bytes %d", json.size(), limits.max_bytes);
  }
  MILLRACE_RETURN_IF_ERROR(CheckDepth(json, limits.max_depth));
  try {
    DuplicateKeys duplicates;
    const Json value = Json::parse(json, std::ref(duplicates));
    if (!duplicates.first().empty()) return InvalidArgument("JSON has the key '%s' twice", duplicates.first());
    std::string out;
    Writer writer(out);
    Write(writer, value);
    return out;
  } catch (const std::exception& error) {
    return InvalidArgument("not valid JSON: %s", error.what());
  }
}

}  // namespace millrace::wire
