// SPDX-License-Identifier: Apache-2.0
// Messages, journal records and slot messages: round trips, golden bytes, other versions' frames, hostile frames.
//
// The golden files hold the bytes of a fully populated sample of each kind. A change of one is a change of the protocol
// or the journal: run with MILLRACE_REWRITE_GOLDEN=1, and review the difference. Fields are only ever added at the end.
#include "millrace/wire/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <tuple>

#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/wire/record_frame.h"
#include "millrace/wire/slot_frame.h"
#include "millrace/wire/writer.h"
#include "tests/unit/wire/allocation.h"
#include "tests/unit/wire/populate.h"

namespace millrace::wire {
namespace {

using ::testing::HasSubstr;

std::string ToHex(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += absl::StrFormat("%02x", static_cast<int>(static_cast<unsigned char>(bytes[i])));
    text += (i + 1) % 32 == 0 || i + 1 == bytes.size() ? "\n" : "";
  }
  return text;
}

std::string FromHex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size();) {
    if (text[i] == '\n') {
      ++i;
      continue;
    }
    bytes.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    i += 2;
  }
  return bytes;
}

// TakeBack -> take_back
std::string Snake(std::string_view name) {
  std::string text(2 * name.size(), '\0');
  text.resize(static_cast<std::size_t>(names_detail::AppendSnake(name, text.data()) - text.data()));
  return text;
}

std::filesystem::path GoldenFile(std::string_view name) {
  return std::filesystem::path(MILLRACE_GOLDEN_DIR) / (std::string(name) + ".hex");
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool Rewriting() { return std::getenv("MILLRACE_REWRITE_GOLDEN") != nullptr; }

void CheckGolden(const std::string& name, const std::string& bytes) {
  const std::filesystem::path path = GoldenFile(name);
  if (Rewriting()) {
    std::ofstream(path) << ToHex(bytes);
    return;
  }
  EXPECT_EQ(ReadFile(path), ToHex(bytes)) << path << ": the bytes of " << name << " have changed";
}

// The three families of tagged structs, each with its functions.
struct Messages {
  using Variant = Message;
  static constexpr std::string_view kName = "message";
  static std::string Encode(const Variant& value) { return EncodeMessage(value); }
  static absl::StatusOr<Variant> Decode(const Bytes& bytes) { return DecodeMessage(bytes); }
};
struct Records {
  using Variant = Record;
  static constexpr std::string_view kName = "record";
  static std::string Encode(const Variant& value) { return EncodeRecord(value); }
  static absl::StatusOr<Variant> Decode(const Bytes& bytes) { return DecodeRecord(bytes); }
};
struct SlotMessages {
  using Variant = SlotMessage;
  static constexpr std::string_view kName = "slot";
  static std::string Encode(const Variant& value) { return EncodeSlotMessage(value); }
  static absl::StatusOr<Variant> Decode(const Bytes& bytes) { return DecodeSlotMessage(bytes); }
};

template <class Family>
class Frame : public ::testing::Test {
 protected:
  using Variant = typename Family::Variant;

  // f(sample) with a fully populated sample of each kind that has a frame: how records of several positions are written
  // is told in record_entries_test.cc.
  template <class F>
  void ForEachKind(F&& f) {
    [&]<class... T>(std::type_identity<std::variant<T...>>) { (ForKind<T>(f), ...); }(std::type_identity<Variant>());
  }

 private:
  template <class T, class F>
  static void ForKind(F&& f) {
    if constexpr (!std::is_same_v<T, TasksAssigned> && !std::is_same_v<T, TasksSucceeded>) f(Populated<T>());
  }
};
using Families = ::testing::Types<Messages, Records, SlotMessages>;
TYPED_TEST_SUITE(Frame, Families);

TYPED_TEST(Frame, A33_EveryKindComesBackAsItWas) {
  this->ForEachKind([]<class T>(const T& full) {
    for (const T& sample : {full, T()}) {
      const std::string bytes = TypeParam::Encode(sample);
      const auto decoded = TypeParam::Decode(Bytes(bytes));
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      ASSERT_TRUE(std::holds_alternative<T>(*decoded));
      EXPECT_EQ(std::get<T>(*decoded), sample) << TypeName<T>();
      EXPECT_EQ(TypeParam::Encode(*decoded), bytes);
    }
    // A sample that left a field at its default would not notice if the codec did too.
    const T untouched_sample;
    ForEachField(full, untouched_sample, [](std::string_view name, const auto& populated, const auto& untouched) {
      EXPECT_FALSE(populated == untouched) << TypeName<T>() << "." << name;
    });
  });
}

TYPED_TEST(Frame, BytesOnTheWireAreAsTheyWere) {
  std::set<std::string> expected;
  this->ForEachKind([&]<class T>(const T& full) {
    std::string name = Snake(ShortTypeName<T>());
    if (const std::string prefix = std::string(TypeParam::kName) + "_"; !name.starts_with(prefix)) name = prefix + name;
    expected.insert(name + ".hex");
    CheckGolden(name, TypeParam::Encode(full));
    const auto decoded = TypeParam::Decode(Bytes(FromHex(ReadFile(GoldenFile(name)))));
    ASSERT_TRUE(decoded.ok()) << name << ": " << decoded.status();
    EXPECT_EQ(std::get<T>(*decoded), full) << name;
  });
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(MILLRACE_GOLDEN_DIR)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(std::string(TypeParam::kName) + "_")) found.insert(name);
  }
  EXPECT_EQ(found, expected) << "a golden file without a struct: was a kind removed?";
}

TYPED_TEST(Frame, OlderAndNewerMinorVersionsAreRead) {
  this->ForEachKind([]<class T>(const T& full) {
    // Older: only the kind is there.
    std::string oldest;
    Writer writer(oldest);
    writer.ArrayHeader(1);
    writer.Unsigned(T::kKind);
    const auto old = TypeParam::Decode(Bytes(oldest));
    ASSERT_TRUE(old.ok()) << old.status();
    EXPECT_EQ(std::get<T>(*old), T());
    // Newer: two more elements follow.
    std::string newer;
    Writer newer_writer(newer);
    newer_writer.ArrayHeader(kFieldCount<T> + 3);
    const std::string bytes = TypeParam::Encode(full);
    const std::size_t header = kFieldCount<T> + 1 < 16 ? 1 : 3;
    newer += bytes.substr(header);
    newer_writer.String("a field of the future");
    newer_writer.MapHeader(1);
    newer_writer.String("nested");
    newer_writer.ArrayHeader(0);
    const auto read = TypeParam::Decode(Bytes(newer));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(std::get<T>(*read), full);
  });
}

TYPED_TEST(Frame, A48_EveryTruncationIsRefused) {
  this->ForEachKind([]<class T>(const T& full) {
    const std::string bytes = TypeParam::Encode(full);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto decoded = TypeParam::Decode(Bytes(bytes.substr(0, size)));
      ASSERT_FALSE(decoded.ok()) << TypeName<T>() << " cut to " << size;
      ASSERT_THAT(TextOf(decoded.status()), HasSubstr("byte ")) << decoded.status();
    }
    EXPECT_THAT(TextOf(TypeParam::Decode(Bytes(bytes + "\x01")).status()), HasSubstr("1 bytes follow the value"));
  });
}

TYPED_TEST(Frame, A48_MutatedBytesAreReadOrRefused) {
  Random random(48);
  this->ForEachKind([&]<class T>(const T& full) {
    const std::string bytes = TypeParam::Encode(full);
    for (int i = 0; i < 3000; ++i) {
      std::string mutated = bytes;
      for (std::uint64_t changes = 1 + random.Below(3); changes > 0; --changes) {
        mutated[random.Below(mutated.size())] = static_cast<char>(random.Next());
      }
      const Bytes frame(mutated);
      AllocatedBytes() = 0;
      const auto decoded = TypeParam::Decode(frame);
      ASSERT_LE(AllocatedBytes(), 2 * (Limits().max_growth * mutated.size() + (1U << 20)));
      // What is read can be written and read again: nothing half-valid gets through.
      if (!decoded.ok()) continue;
      const auto again = TypeParam::Decode(Bytes(TypeParam::Encode(*decoded)));
      ASSERT_TRUE(again.ok()) << again.status();
      ASSERT_EQ(*again, *decoded);
    }
  });
}

TYPED_TEST(Frame, AnUnknownKindIsUnimplementedAndNamed) {
  const auto unknown = TypeParam::Decode(Bytes(std::string("\x92\xcc\xfa\x01")));
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(TextOf(unknown.status()), HasSubstr("kind 250 is not known"));
  EXPECT_EQ(TypeParam::Decode(Bytes(std::string("\x91\xce\x00\x01\x00\x01", 6))).status().code(),
            absl::StatusCode::kUnimplemented)
      << "a kind does not wrap around";
  EXPECT_EQ(TypeParam::Decode(Bytes(std::string("\x90"))).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TypeParam::Decode(Bytes(std::string("\x91\xff"))).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TypeParam::Decode(Bytes()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(MessageFrame, ErrorsNameTheMessageAndTheField) {
  std::string bytes = EncodeMessage(Ping{.nonce = 1});
  bytes.back() = '\xc0';
  EXPECT_EQ(TextOf(DecodeMessage(Bytes(bytes)).status()),
            "message: Ping.nonce at byte 2: expected an integer, found nil");
}

TEST(MessageFrame, A48_FramesOverTheLimitAreRefusedBeforeTheyAreRead) {
  Report report;
  report.reports.resize(1);
  report.reports[0].result.bytes = Bytes(std::string(kFrameLimits.max_bytes, 'x'));
  const auto refused = DecodeMessage(Bytes(EncodeMessage(report)));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(refused.status()), HasSubstr("is over max_bytes 4194304"));
}

TEST(MessageFrame, PayloadsShareTheFrame) {
  Report report;
  report.reports.resize(1);
  report.reports[0].result.bytes = Bytes(std::string(100'000, 'x'));
  const Bytes frame(EncodeMessage(report));
  const auto decoded = DecodeMessage(frame);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<Report>(*decoded).reports[0].result.bytes.owner(), frame.owner());
}

TEST(MessageFrame, AppendsToWhatIsThere) {
  std::string out = "head";
  EncodeMessageTo(out, Ping{.nonce = 5});
  EXPECT_EQ(out, "head" + EncodeMessage(Ping{.nonce = 5}));
}

TEST(JobFrame, A33_JobsComeBackAsTheyWere) {
  const JobSpec job = Populated<JobSpec>();
  const auto decoded = DecodeJob(Bytes(EncodeJob(job)));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(Unpack(*decoded), job);
  EXPECT_EQ(EncodeJob(*decoded), EncodeJob(job));
  CheckGolden("job", EncodeJob(job));
}

}  // namespace
}  // namespace millrace::wire
