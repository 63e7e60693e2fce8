// SPDX-License-Identifier: Apache-2.0
// Whatever a module does, one outcome comes of it.
#include "millrace/api/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <new>
#include <stdexcept>

#include "attempt.h"
#include "millrace/base/status.h"
#include "millrace/wire/lz4.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using testing::AttemptAt;
using testing::AttemptOf;
using testing::Bad;
using testing::Good;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Ran;
using testing::RunAttempt;

struct Info {
  std::string version;
  std::int64_t bytes = 0;
  friend bool operator==(const Info&, const Info&) = default;
};
struct Build {
  static constexpr std::string_view kName = "build";
  std::string configuration = "Release";
  absl::StatusOr<Info> Run(Context& context) const {
    context.Print("building " + configuration);
    return Info{configuration, 42};
  }
};
struct Lint {
  static constexpr std::string_view kName = "lint";
  absl::Status Run() const { return absl::OkStatus(); }
};
struct Ship {
  static constexpr std::string_view kName = "ship";
  std::string Run(From<Build> build, Maybe<Lint> lint) const {
    return build->version + (lint ? "+lint" : lint.absent() ? "" : "!" + std::string(lint.status().message()));
  }
};
struct Join {
  static constexpr std::string_view kName = "join";
  absl::StatusOr<std::string> Run(const FromAll<Build>& builds) const {
    std::string all;
    for (const auto& [module, name, result] : builds) {
      all += name + "(" + module.configuration + ")=" + (result.ok() ? result->version : "?") + ";";
    }
    return all;
  }
};
struct Raw {
  static constexpr std::string_view kName = "raw";
  Value Run() const { return MakeValue(Info{"raw", 1}); }
};
struct TakeRaw {
  static constexpr std::string_view kName = "take_raw";
  absl::StatusOr<std::string> Run(From<Raw> raw) const { return ToJson(raw->encoded); }
};
// Ends the way it is told to.
struct End {
  static constexpr std::string_view kName = "end";
  std::string how;
  absl::StatusOr<std::string> Run(Context& context) const {
    context.Print("about to " + how);
    if (how == "throw") throw std::out_of_range("index 7");
    if (how == "throw int") throw 7;
    if (how == "run out of memory") throw std::bad_alloc();
    if (how == "skip") return Skip("nothing changed");
    if (how == "be unavailable") return absl::UnavailableError("the mirror is down");
    if (how == "fail") return absl::InternalError("it broke");
    if (how == "take a value that is not there")
      return DependencyResult<std::string>("x", Outcome::kFailed, absl::UnknownError("y")).value();
    return std::string(2000, 'z');
  }
};

// Lets its secret out in all ways it has.
struct Leak {
  static constexpr std::string_view kName = "leak";
  std::string how;
  struct Told {
    std::string text;
    Bytes bytes;
    std::map<std::string, std::vector<std::string>> by_name;
    double number = 0.5;
  };
  absl::StatusOr<Told> Run(Context& context) const {
    MILLRACE_ASSIGN_OR_RETURN(const std::string secret, context.Secret("TOKEN"));
    context.Print("it is " + secret.substr(0, 5));
    context.Print(secret);
    if (how == "fail") return absl::InternalError("cannot log in with " + secret);
    if (how == "throw") throw std::runtime_error(secret);
    if (how == "command") {
      MILLRACE_RETURN_IF_ERROR(context.Shell("echo $TOKEN; echo login --token=$TOKEN >&2; exit 3").status());
    }
    // Cut in the middle, as a limit on output does.
    MILLRACE_ASSIGN_OR_RETURN(const CommandResult cut,
                              context.Shell("for i in 1 2 3 4 5 6 7 8 9; do echo $TOKEN; done", {.output_limit = 64}));
    return Told{cut.output, Bytes("x" + secret), {{secret, {"y" + secret}}, {"nobody says it", {"z"}}}};
  }
};

Registry Modules() {
  Registry registry;
  registry.Add<Build>().Add<Lint>().Add<Ship>().Add<Join>().Add<Raw>().Add<TakeRaw>().Add<End>().Add<Leak>();
  return registry;
}
const Registry& All() {
  static const Registry registry = Modules();
  return registry;
}
Ran Ending(std::string how) { return RunAttempt(All(), AttemptAt(End{std::move(how)})); }

TEST(RunnerTest, InputsGoInAndTheResultComesOut) {
  const Ran ran = RunAttempt(All(), AttemptAt(Build{"Debug"}));
  EXPECT_EQ(ran.done.outcome, Outcome::kSucceeded);
  EXPECT_EQ(ran.done.attempt, AttemptOf("build").attempt);
  EXPECT_EQ(ran.ResultAs<Info>(), (Info{"Debug", 42}));
  EXPECT_EQ(ran.done.result.size, ran.done.result.bytes.size());
  EXPECT_GT(ran.done.execution.count(), 0);
  EXPECT_EQ(ran.out, "building Debug\n");
}

TEST(RunnerTest, A41_NoSecretGetsOut) {
  const std::string secret = "correct-horse-battery";
  for (const char* how : {"succeed", "fail", "throw", "command"}) {
    SlotExecute execute = AttemptAt(Leak{how});
    execute.work_dir = ".";
    execute.secrets = {{"TOKEN", secret}, {"OTHER", "nobody says it"}};
    const Ran ran = RunAttempt(All(), execute);
    const Failure& failure = ran.done.failure;
    for (const std::string& text : {ran.out, ran.err, failure.message, failure.exception, failure.output,
                                    wire::UnpackInputs(ran.done.result.bytes, 1 << 20).value_or(Bytes()).str()}) {
      EXPECT_THAT(text, Not(HasSubstr("horse-battery"))) << how;
      EXPECT_THAT(text, Not(HasSubstr("correct-horse"))) << how;
    }
    EXPECT_THAT(ran.out, HasSubstr("it is corre\n***\n")) << how;
    if (how == std::string_view("succeed")) {
      ASSERT_EQ(ran.done.outcome, Outcome::kSucceeded) << failure.message;
      const auto told = ran.ResultAs<Leak::Told>();
      EXPECT_THAT(told.text, AllOf(HasSubstr("***\n"), HasSubstr("***")));
      EXPECT_EQ(told.bytes.view(), "x***");
      EXPECT_EQ(told.by_name.at("***").at(0), "y***");
      EXPECT_EQ(told.by_name.at("***-2").at(0), "z");
      EXPECT_EQ(told.number, 0.5);
    } else {
      EXPECT_THAT(failure.message + failure.output, HasSubstr("***")) << how;
    }
  }
}

// What a thread or a child of the module prints behind its end.
TEST(RunnerTest, A41_WhatIsPrintedAfterTheEndIsMaskedToo) {
  SlotExecute execute = AttemptAt(Leak{"fail"});
  execute.secrets = {{"TOKEN", "correct-horse-battery"}};
  std::string printed;
  TaskOutput output([&](std::string_view text, bool) { printed += text; });
  RunSlot(All(), execute, {}, output);
  printed.clear();
  output.Write("late: correct-horse-", false);
  output.Write("battery, correct", false);
  output.End();
  EXPECT_EQ(printed, "late: ***, correct");
}

TEST(RunnerTest, ASecretThatIsNotNamedIsNotThere) {
  SlotExecute execute = AttemptAt(Leak{"succeed"});
  execute.secrets = {{"TOKENS", "12345"}};
  EXPECT_EQ(RunAttempt(All(), execute).done.failure.message,
            "the task names no secret 'TOKEN' in its policy; did you mean 'TOKENS'?");
}

TEST(RunnerTest, NoInputsAreTheDefaults) {
  EXPECT_EQ(RunAttempt(All(), AttemptOf("build")).ResultAs<Info>().version, "Release");
}

TEST(RunnerTest, AModuleWithoutAResultHasNoBytes) {
  const Ran ran = RunAttempt(All(), AttemptOf("lint"));
  EXPECT_EQ(ran.done.outcome, Outcome::kSucceeded);
  EXPECT_TRUE(ran.done.result.bytes.empty());
}

TEST(RunnerTest, A33_DependenciesArriveByParameter) {
  SlotExecute execute = AttemptOf("ship");
  execute.needs = {Good("build[configuration=Debug]", "build", 0, Info{"1.2", 3})};
  EXPECT_EQ(RunAttempt(All(), execute).ResultAs<std::string>(), "1.2") << "lint is absent";
  execute.needs.push_back(Good("lint", "lint", 1, NoResult{}));
  EXPECT_EQ(RunAttempt(All(), execute).ResultAs<std::string>(), "1.2+lint");
  execute.needs[1] = Bad("lint", "lint", 1, Outcome::kFailed, "two warnings");
  EXPECT_EQ(RunAttempt(All(), execute).ResultAs<std::string>(), "1.2!failed: two warnings");
}

TEST(RunnerTest, DependenciesOfADataPipelineAreBoundByModule) {
  SlotExecute execute = AttemptOf("ship");
  execute.needs = {Good("compile", "build", -1, Info{"1.2", 3}), Good("other", "raw", -1, Info{})};
  EXPECT_EQ(RunAttempt(All(), execute).ResultAs<std::string>(), "1.2");

  execute.needs = {Good("other", "raw", -1, Info{})};
  const Ran unbound = RunAttempt(All(), execute);
  EXPECT_EQ(unbound.done.outcome, Outcome::kFailed);
  EXPECT_EQ(unbound.done.failure.message, "it takes one 'build', and none of its dependencies is one");

  execute.needs = {Good("a", "build", -1, Info{}), Good("b", "build", -1, Info{})};
  EXPECT_EQ(RunAttempt(All(), execute).done.failure.message,
            "it takes one 'build', and 2 of its dependencies are (a, b)");
}

TEST(RunnerTest, A23_AJoinReadsAllWithTheirInputs) {
  SlotExecute execute = AttemptOf("join");
  execute.needs = {Good("build", "build", 0, Info{"r", 1}),
                   Good("build[configuration=Debug]", "build", 0, Info{"d", 1}),
                   Bad("build[configuration=Odd]", "build", 0, Outcome::kFailed, "no")};
  execute.needs[1].inputs.bytes = EncodeValue(Build{"Debug"});
  execute.needs[2].inputs.bytes = EncodeValue(Build{"Odd"});
  EXPECT_EQ(RunAttempt(All(), execute).ResultAs<std::string>(),
            "build(Release)=r;build[configuration=Debug](Debug)=d;build[configuration=Odd](Odd)=?;");
}

TEST(RunnerTest, AValueIsPassedOnUnopened) {
  EXPECT_EQ(RunAttempt(All(), AttemptOf("raw")).ResultAs<Info>().version, "raw");
  SlotExecute execute = AttemptOf("take_raw");
  execute.needs = {Good("raw", "raw", 0, Info{"7", 7})};
  EXPECT_EQ(RunAttempt(All(), execute).ResultAs<std::string>(), R"({"version":"7","bytes":7})");
}

TEST(RunnerTest, A04_AnUnknownModuleFailsAndSaysWhatThereIs) {
  const Ran ran = RunAttempt(All(), AttemptOf("biuld"));
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
  EXPECT_THAT(ran.done.failure.message, HasSubstr("no module named 'biuld'"));
  EXPECT_THAT(ran.done.failure.message, HasSubstr("it has: build, end, join"));
}

TEST(RunnerTest, A34_PackedInputsAreOpenedHere) {
  const Build build{.configuration = std::string(5000, 'x')};
  const Bytes packed = wire::PackInputs(EncodeValue(build));
  ASSERT_LT(packed.size(), 1000u);
  const auto result_of = [](const Bytes& inputs) {
    return RunAttempt(All(), AttemptOf("build", inputs)).ResultAs<Info>();
  };
  EXPECT_EQ(result_of(packed).version, result_of(EncodeValue(build)).version);

  SlotExecute execute = AttemptOf("join");
  execute.needs = {Good("build", "build", 0, Info{"r", 1})};
  execute.needs[0].inputs.bytes = packed;
  EXPECT_THAT(RunAttempt(All(), execute).ResultAs<std::string>(), HasSubstr(build.configuration));

  execute = AttemptOf("build", packed);
  execute.max_payload = 4000;
  const Ran over = RunAttempt(All(), execute);
  EXPECT_EQ(over.done.outcome, Outcome::kFailed);
  EXPECT_THAT(over.done.failure.message, HasSubstr("max_payload_size 4000"));
}

TEST(RunnerTest, A04_UndecodableInputsFail) {
  const Ran rubbish = RunAttempt(All(), AttemptOf("build", Bytes("\xc1")));
  EXPECT_EQ(rubbish.done.outcome, Outcome::kFailed);
  EXPECT_THAT(rubbish.done.failure.message, HasSubstr("its inputs do not decode"));
  const Ran wrong = RunAttempt(All(), AttemptOf("build", FromJson(R"({"configuration":[1]})").value()));
  EXPECT_THAT(wrong.done.failure.message, HasSubstr("configuration"));
}

TEST(RunnerTest, A04_AnUndecodableDependencyFailsAndIsNamed) {
  SlotExecute execute = AttemptOf("ship");
  execute.needs = {Good("build", "build", 0, std::string("not an Info"))};
  EXPECT_THAT(RunAttempt(All(), execute).done.failure.message, HasSubstr("the result of 'build' does not decode"));
  execute.needs[0].result.bytes = Bytes("\x07garbage");
  EXPECT_THAT(RunAttempt(All(), execute).done.failure.message, HasSubstr("the result of 'build' cannot be unpacked"));
}

TEST(RunnerTest, A37_AnExceptionIsAFailureWithItsTypeAndTheLastOutput) {
  const Ran ran = Ending("throw");
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
  EXPECT_EQ(ran.done.failure.exception, "std::out_of_range");
  EXPECT_EQ(ran.done.failure.message, "std::out_of_range: index 7");
  EXPECT_EQ(ran.done.failure.output, "about to throw");
  EXPECT_FALSE(ran.done.failure.transient);
  EXPECT_EQ(Ending("throw int").done.failure.message, "threw int");
  EXPECT_FALSE(ran.done.failure.out_of_memory);
  const Failure starved = Ending("run out of memory").done.failure;
  EXPECT_EQ(starved.exception, "std::bad_alloc");
  EXPECT_TRUE(starved.out_of_memory);
}

TEST(RunnerTest, TakingAValueThatIsNotThereFails) {
  const Ran ran = Ending("take a value that is not there");
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
  EXPECT_THAT(ran.done.failure.message, HasSubstr("'x' has no value (y)"));
}

TEST(RunnerTest, A08_WhatIsWorthAnotherTryIsMarked) {
  EXPECT_TRUE(Ending("be unavailable").done.failure.transient);
  EXPECT_FALSE(Ending("fail").done.failure.transient);
  EXPECT_EQ(Ending("fail").done.failure.message, "it broke");
}

TEST(RunnerTest, A15_ASkipHasItsReason) {
  const Ran ran = Ending("skip");
  EXPECT_EQ(ran.done.outcome, Outcome::kSkipped);
  EXPECT_EQ(ran.done.failure.message, "nothing changed");
}

TEST(RunnerTest, A20_ABadEndAfterAStopIsACancel) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(RunAttempt(All(), AttemptAt(End{"fail"}), stop.get_token()).done.outcome, Outcome::kCancelled);
  EXPECT_EQ(RunAttempt(All(), AttemptAt(Build{}), stop.get_token()).done.outcome, Outcome::kSucceeded)
      << "it was done before it noticed";
}

TEST(RunnerTest, A34_AResultOverTheLimitFailsWithBothSizes) {
  SlotExecute execute = AttemptAt(End{"end"});
  execute.max_payload = 1000;
  const Ran ran = RunAttempt(All(), execute);
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
  EXPECT_THAT(ran.done.failure.message, HasSubstr("2003"));
  EXPECT_THAT(ran.done.failure.message, HasSubstr("1000"));
  EXPECT_TRUE(ran.done.result.bytes.empty());
}

TEST(RunnerTest, A34_ResultsAreCompressedWhereAllowed) {
  SlotExecute execute = AttemptAt(End{"end"});
  EXPECT_LT(RunAttempt(All(), execute).done.result.bytes.size(), 200U);
  EXPECT_EQ(RunAttempt(All(), execute).ResultAs<std::string>(), std::string(2000, 'z'));
  execute.compression = false;
  EXPECT_GT(RunAttempt(All(), execute).done.result.bytes.size(), 2000U);
}

}  // namespace
}  // namespace millrace
