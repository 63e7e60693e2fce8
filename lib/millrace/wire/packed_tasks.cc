// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/packed_tasks.h"

#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "millrace/wire/codec.h"

namespace millrace::wire {
namespace {

constexpr std::size_t kTaskFields = kFieldCount<TaskSpec>;
constexpr std::size_t kNeedFields = kFieldCount<Dependency>;
// Of memory, for the budget.
constexpr std::size_t kBytesPerTask = 24;
constexpr std::size_t kBytesPerNeed = 9;

using Env = std::map<std::string, std::string>;

// Fields that a newer peer has added.
bool LeaveBehind(Reader& reader, std::size_t fields) {
  for (; fields > 0; --fields) {
    if (!reader.Skip()) return false;
  }
  reader.Leave();
  return true;
}

bool ReadNeed(Reader& reader, Dependency& need) {
  std::size_t count = 0;
  if (!reader.EnterArray(count)) return false;
  if (count > 0 && !reader.ReadInteger(need.task)) return false;
  if (count > 1 && !codec::ReadEnum<Layout::kPositional>(reader, need.kind)) return false;
  if (count > 2 && !reader.ReadInteger(need.parameter)) return false;
  return LeaveBehind(reader, count > kNeedFields ? count - kNeedFields : 0);
}

bool ReadNeeds(Reader& reader, PackedTasks& tasks) {
  std::size_t count = 0;
  if (!reader.EnterArray(count) || !reader.Charge(count * kBytesPerNeed)) return false;
  for (std::size_t i = 0; i < count; ++i) {
    Dependency need;
    if (!ReadNeed(reader, need)) {
      reader.Within("[" + std::to_string(i) + "]");
      return false;
    }
    tasks.AddNeed(need);
  }
  reader.Leave();
  return true;
}

// The fields before `needs`; `at` is the one that is being read.
struct Row {
  std::string_view name;
  std::array<std::uint32_t, 3> indexes{};  // module, requirements, policy
  std::string_view inputs;
  Env env;

  bool Read(Reader& reader, std::size_t count, std::size_t& at) {
    if (count > at && !reader.ReadString(name)) return false;
    for (std::uint32_t& index : indexes) {
      if (count > ++at && !reader.ReadInteger(index)) return false;
    }
    if (count > ++at && !reader.ReadBinary(inputs)) return false;
    if (!reader.Charge(name.size() + inputs.size())) return false;
    return count <= ++at || codec::Read<Layout::kPositional>(reader, env);
  }
};

bool ReadTask(Reader& reader, PackedTasks& tasks) {
  std::size_t count = 0;
  if (!reader.EnterArray(count)) return false;
  Row row;
  std::size_t at = 0;
  bool read = row.Read(reader, count, at);
  if (read) {
    tasks.Add(row.name, row.indexes[0], row.indexes[1], row.indexes[2], row.inputs, std::move(row.env));
    read = count <= ++at || ReadNeeds(reader, tasks);
  }
  if (!read) {
    reader.Within(FieldNames<TaskSpec>()[at]);
    return false;
  }
  return LeaveBehind(reader, count > kTaskFields ? count - kTaskFields : 0);
}

void WriteNeeds(Writer& writer, const PackedTasks::Needs& needs) {
  writer.ArrayHeader(needs.size());
  for (const Dependency& need : needs) codec::Write<Layout::kPositional>(writer, need);
}

}  // namespace

// Fields at the end that have their defaults are left off, as of every struct.
void WriteOwnForm(Writer& writer, const PackedTasks& tasks) {
  writer.ArrayHeader(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::string_view name = tasks.NameOf(i);
    const PackedTasks::Shape& shape = tasks.ShapeOf(i);
    const std::string_view inputs = tasks.InputsOf(i);
    const Env& env = tasks.EnvOf(i);
    const PackedTasks::Needs needs = tasks.NeedsOf(i);
    const bool said[kTaskFields] = {!name.empty(),   shape.module != 0, shape.requirements != 0, shape.policy != 0,
                                    !inputs.empty(), !env.empty(),      !needs.empty()};
    std::size_t count = kTaskFields;
    while (count > 0 && !said[count - 1]) --count;
    writer.ArrayHeader(count);
    if (count > 0) writer.String(name);
    if (count > 1) writer.Unsigned(shape.module);
    if (count > 2) writer.Unsigned(shape.requirements);
    if (count > 3) writer.Unsigned(shape.policy);
    if (count > 4) writer.Binary(inputs);
    if (count > 5) codec::Write<Layout::kPositional>(writer, env);
    if (count > 6) WriteNeeds(writer, needs);
  }
}

bool ReadOwnForm(Reader& reader, PackedTasks& tasks) {
  std::size_t count = 0;
  if (!reader.EnterArray(count) || !reader.Charge(count * kBytesPerTask)) return false;
  tasks = {};
  tasks.Reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (ReadTask(reader, tasks)) continue;
    reader.Within("[" + std::to_string(i) + "]");
    return false;
  }
  reader.Leave();
  tasks.ShrinkToFit();
  return true;
}

}  // namespace millrace::wire
