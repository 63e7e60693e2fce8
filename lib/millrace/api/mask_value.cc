// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/mask_value.h"

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/wire/reader.h"
#include "millrace/wire/writer.h"

namespace millrace {
namespace {

using wire::Reader;
using wire::Type;
using wire::Writer;

struct Copier {
  Reader& reader;
  Writer& writer;
  const exec::Masks& masks;
  bool changed = false;

  bool Value();
  bool Values(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!Value()) return false;
    }
    reader.Leave();
    return true;
  }
  bool Entries(std::size_t count) {
    std::set<std::string> masked_keys;
    for (std::size_t i = 0; i < count; ++i) {
      if (!(reader.Peek() == Type::kString ? Key(masked_keys) : Value()) || !Value()) return false;
    }
    reader.Leave();
    return true;
  }
  // Two that are the same once they are masked would be one map that nobody reads.
  bool Key(std::set<std::string>& masked_keys) {
    std::string_view text;
    if (!reader.ReadString(text)) return false;
    std::string key = Masked(text);
    if (key != text) {
      for (int n = 2; !masked_keys.insert(key).second; ++n) key = Masked(text) + "-" + std::to_string(n);
    }
    writer.String(key);
    return true;
  }
  std::string Masked(std::string_view text) {
    std::string masked = masks.Mask(text);
    changed |= masked != text;
    return masked;
  }
};

// Copies the next value with all inside it.
bool Copier::Value() {
  switch (reader.Peek()) {
    case Type::kNil: writer.Nil(); return reader.ReadNil();
    case Type::kBool: {
      bool value = false;
      if (!reader.ReadBool(value)) return false;
      writer.Bool(value);
      return true;
    }
    case Type::kInteger: {
      Reader::Integer integer;
      if (!reader.ReadAnyInteger(integer)) return false;
      if (integer.negative) {
        writer.Signed(static_cast<std::int64_t>(integer.bits));
      } else {
        writer.Unsigned(integer.bits);
      }
      return true;
    }
    case Type::kFloat: {
      double value = 0;
      if (!reader.ReadDouble(value)) return false;
      writer.Double(value);
      return true;
    }
    case Type::kString: {
      std::string_view text;
      if (!reader.ReadString(text)) return false;
      writer.String(Masked(text));
      return true;
    }
    case Type::kBinary: {
      std::string_view bytes;
      if (!reader.ReadBinary(bytes)) return false;
      writer.Binary(Masked(bytes));
      return true;
    }
    case Type::kArray: {
      std::size_t count = 0;
      if (!reader.EnterArray(count)) return false;
      writer.ArrayHeader(count);
      return Values(count);
    }
    case Type::kMap: {
      std::size_t count = 0;
      if (!reader.EnterMap(count)) return false;
      writer.MapHeader(count);
      return Entries(count);
    }
    case Type::kNone:
    case Type::kExtension: break;
  }
  return reader.Skip();  // which fails, saying what was found
}

}  // namespace

absl::StatusOr<Bytes> MaskValue(const exec::Masks& masks, const Bytes& value) {
  if (value.empty()) return value;
  // Its size was looked at before: what counts here is only that we do not nest too deep.
  Reader reader(value, {.max_bytes = value.size(), .max_string = value.size(), .max_elements = value.size()});
  std::string out;
  Writer writer(out);
  Copier copier{reader, writer, masks};
  static_cast<void>(copier.Value());  // Finish tells
  MILLRACE_RETURN_IF_ERROR(Annotate(reader.Finish(), "masking the secrets in the result"));
  if (!copier.changed) return value;
  return Bytes(std::move(out));
}

}  // namespace millrace
