// SPDX-License-Identifier: Apache-2.0
#include "millrace/model/packed_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "millrace/wire/codec.h"
#include "millrace/wire/frame.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TaskSpec Task(std::string name, std::uint32_t module = 0, std::uint32_t policy = 0) {
  TaskSpec task;
  task.name = std::move(name);
  task.module = module;
  task.policy = policy;
  return task;
}

// One with everything that some tasks have and others have not, in every order.
JobSpec Mixed() {
  JobSpec job;
  job.name = "mixed";
  job.fail_mode = FailMode::kKeepGoing;
  job.modules.resize(2);
  job.requirements.resize(1);
  job.policies.resize(2);
  job.tasks = {Task("plain"), Task("needs", 1),      Task("none"),  Task("typed", 1, 1),
               Task("maybe"), Task("surrounded", 0), Task("large"), Task("last", 1, 1)};
  job.tasks[1].needs = {{.task = 0}};
  job.tasks[3].needs = {{.task = 1, .kind = DependencyKind::kRequired, .parameter = 2}, {.task = 0}};
  job.tasks[4].needs = {{.task = 3, .kind = DependencyKind::kOptional, .parameter = -1}};
  job.tasks[5].env = {{"A", "1"}, {"B", ""}};
  job.tasks[6].inputs = Bytes(std::string(3u << 20, 'x'));  // more than a chunk
  job.tasks[7].inputs = Bytes(std::string("\x81\xa1i\x07"));
  return job;
}

TEST(PackedJobTest, WhatIsPackedIsUnpackedAsItWas) {
  const JobSpec job = Mixed();
  const PackedJob packed = Pack(job);
  EXPECT_EQ(Unpack(packed), job);
  EXPECT_EQ(Unpack(Pack(JobSpec())), JobSpec());
  EXPECT_EQ(packed.tasks.needs(), 4u);
  EXPECT_THAT(packed.tasks.NeedsOf(0), IsEmpty());
  EXPECT_THAT(packed.tasks.NeedsOf(3), SizeIs(2));
  EXPECT_EQ(packed.tasks.NeedsOf(3)[0].parameter, 2);
  EXPECT_EQ(packed.tasks.NeedsOf(4)[0].kind, DependencyKind::kOptional);
}

TEST(PackedJobTest, A33_HasTheBytesOfTheJobAndIsReadFromThem) {
  const JobSpec job = Mixed();
  EXPECT_EQ(wire::EncodeJob(Pack(job)), wire::EncodeJob(job));
  const auto read = wire::DecodeJob(Bytes(wire::EncodeJob(job)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Pack(job));
  EXPECT_EQ(Unpack(*read), job);
}

TEST(PackedJobTest, IsEqualToTheSameOnly) {
  const PackedJob packed = Pack(Mixed());
  EXPECT_EQ(packed, Pack(Mixed()));
  for (const auto change :
       {+[](JobSpec& job) { job.tasks[7].name = "lost"; }, +[](JobSpec& job) { job.tasks[2].policy = 1; },
        +[](JobSpec& job) { job.tasks[2].module = 1; }, +[](JobSpec& job) { job.tasks[2].requirements = 1; },
        +[](JobSpec& job) { job.tasks[0].inputs = Bytes(std::string("\x80")); },
        +[](JobSpec& job) { job.tasks[5].env["B"] = "2"; }, +[](JobSpec& job) { job.tasks[1].needs[0].task = 2; },
        +[](JobSpec& job) { job.tasks[1].needs[0].parameter = 0; },
        +[](JobSpec& job) { job.tasks[4].needs[0].kind = DependencyKind::kRequired; },
        +[](JobSpec& job) { std::swap(job.tasks[1].needs, job.tasks[2].needs); },
        +[](JobSpec& job) { job.tasks.pop_back(); }, +[](JobSpec& job) { job.name = "other"; }}) {
    JobSpec job = Mixed();
    change(job);
    EXPECT_FALSE(Pack(job) == packed);
  }
}

TEST(PackedJobTest, TasksOfOneShapeAreCounted) {
  const PackedJob packed = Pack(Mixed());
  std::vector<std::array<std::uint32_t, 4>> shapes;
  for (const PackedTasks::Shape& shape : packed.tasks.shapes()) {
    shapes.push_back({shape.module, shape.policy, shape.first, shape.tasks});
  }
  using Row = std::array<std::uint32_t, 4>;
  EXPECT_THAT(shapes, ElementsAre(Row{0, 0, 0, 5}, Row{1, 0, 1, 1}, Row{1, 1, 3, 2}));
  EXPECT_EQ(packed.tasks.ShapeIndexOf(7), 2u);
}

TEST(PackedJobTest, InputsLiveAsLongAsSomebodyHoldsThemAndACopyGrowsByItself) {
  Bytes inputs;
  {
    PackedJob packed = Pack(Mixed());
    inputs = packed.tasks.SharedInputsOf(7);
    PackedJob copy = packed;
    copy.tasks.Add("more", 0, 0, 0, "inputs", {});
    packed.tasks.Add("else", 0, 0, 0, "others", {});
    EXPECT_EQ(copy.tasks.NameOf(8), "more");
    EXPECT_EQ(packed.tasks.NameOf(8), "else");
    EXPECT_EQ(packed.tasks.InputsOf(8), "others");
  }
  EXPECT_EQ(inputs.view(), "\x81\xa1i\x07");
}

// A peer of another version: shorter and longer rows, as of any struct.
TEST(PackedJobTest, RowsOfOlderAndNewerPeersAreRead) {
  std::string bytes;
  wire::Writer writer(bytes);
  writer.ArrayHeader(7);
  for (const char* text : {"job"}) writer.String(text);
  writer.Unsigned(0);
  writer.Bool(true);
  for (int i = 0; i < 3; ++i) writer.ArrayHeader(0);
  writer.ArrayHeader(3);
  writer.ArrayHeader(0);  // a task of which nothing is said
  writer.ArrayHeader(2);
  writer.String("short");
  writer.Unsigned(5);
  writer.ArrayHeader(8);
  writer.String("long");
  for (int i = 0; i < 3; ++i) writer.Unsigned(1);
  writer.Binary("in");
  writer.MapHeader(0);
  writer.ArrayHeader(2);
  writer.ArrayHeader(0);
  writer.ArrayHeader(4);
  writer.Unsigned(1);
  writer.Unsigned(1);
  writer.Signed(7);
  writer.String("new");
  writer.String("new, too");
  const auto read = wire::DecodeJob(Bytes(bytes));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->tasks.size(), 3u);
  EXPECT_EQ(read->tasks.NameOf(0), "");
  EXPECT_EQ(read->tasks.NameOf(1), "short");
  EXPECT_EQ(read->tasks.ShapeOf(1).module, 5u);
  EXPECT_EQ(read->tasks.InputsOf(2), "in");
  ASSERT_EQ(read->tasks.NeedsOf(2).size(), 2u);
  EXPECT_EQ(read->tasks.NeedsOf(2)[0], Dependency{});
  EXPECT_EQ(read->tasks.NeedsOf(2)[1], (Dependency{1, DependencyKind::kOptional, 7}));
}

TEST(PackedJobTest, A48_WhatIsWrongIsNamedWithItsPlace) {
  JobSpec job = Mixed();
  std::string bytes = wire::EncodeJob(job);
  const std::size_t at = bytes.find("maybe");
  bytes[at - 1] = '\xc2';  // a boolean where the name is to be
  EXPECT_THAT(std::string(wire::DecodeJob(Bytes(bytes)).status().message()),
              AllOf(HasSubstr("tasks[4].name"), HasSubstr("expected a string")));
  job.tasks[4].needs[0].kind = static_cast<DependencyKind>(9);
  EXPECT_THAT(std::string(wire::DecodeJob(Bytes(wire::EncodeJob(job))).status().message()),
              HasSubstr("tasks[4].needs[0]"));
}

}  // namespace
}  // namespace millrace
