// SPDX-License-Identifier: Apache-2.0
// How a module says what it depends on: the parameters of its `Run`. `From<M>` takes the result of the one M in the
// pipeline, `FromAll<M>` joins every M there is, `Maybe<M>` takes what became of M whatever it was.
//
// A dependency whose failure is ignored (Policy::ignore_failure) reaches its dependants without a value: ask ok()
// before `*` where that may happen. `*`, `->` and value() of a result that is not there throw NoValue, which the runner
// turns into the dependant's failure; nothing is ever read that does not exist.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "millrace/api/signature.h"
#include "millrace/model/outcome.h"

namespace millrace {

// Thrown by a dependency that has no value when it is asked for one.
class NoValue : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
[[noreturn]] void ThrowNoValue(const std::string& name, const absl::Status& why);
}  // namespace detail

// A result, or why there is none.
template <class R>
class DependencyResult {
 public:
  DependencyResult(std::string name, Outcome outcome, R value)
      : name_(std::move(name)), outcome_(outcome), value_(std::move(value)) {}
  DependencyResult(std::string name, Outcome outcome, absl::Status why)
      : name_(std::move(name)), outcome_(outcome), status_(std::move(why)) {}

  bool ok() const { return value_.has_value(); }
  const absl::Status& status() const { return status_; }  // OK when there is a value
  Outcome outcome() const { return outcome_; }
  const std::string& name() const { return name_; }  // of the task: "build[configuration=Debug]"

  const R& value() const {
    if (!value_) detail::ThrowNoValue(name_, status_);
    return *value_;
  }
  const R& operator*() const { return value(); }
  const R* operator->() const { return &value(); }

 private:
  std::string name_;
  Outcome outcome_ = Outcome::kNone;
  std::optional<R> value_;
  absl::Status status_;
};

// The one M of the pipeline (or the one that the dependant's Takes() leaves).
template <class M>
class From : public DependencyResult<ResultOf<M>> {
 public:
  using Base = DependencyResult<ResultOf<M>>;
  explicit From(Base result) : Base(std::move(result)) {}
};

// One of the joined: the module as it was configured, its task's name and its result.
template <class M>
struct Joined {
  M module;
  std::string name;
  DependencyResult<ResultOf<M>> result;
};

// Every M of the pipeline (or those that Takes() leaves), in the pipeline's order.
template <class M>
class FromAll {
 public:
  explicit FromAll(std::vector<Joined<M>> items) : items_(std::move(items)) {}

  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const Joined<M>& operator[](std::size_t index) const { return items_.at(index); }

 private:
  std::vector<Joined<M>> items_;
};

// M, if it is in the pipeline, and whatever became of it: absent, skipped, failed, or a value.
template <class M>
class Maybe {
 public:
  Maybe() = default;
  explicit Maybe(DependencyResult<ResultOf<M>> result) : result_(std::move(result)) {}

  bool has_value() const { return result_ && result_->ok(); }
  explicit operator bool() const { return has_value(); }
  bool absent() const { return !result_; }
  bool skipped() const { return outcome() == Outcome::kSkipped || outcome() == Outcome::kDependencyFailed; }
  bool failed() const { return result_ && !result_->ok() && !skipped(); }

  Outcome outcome() const { return result_ ? result_->outcome() : Outcome::kNone; }
  absl::Status status() const {
    return result_ ? result_->status() : absl::NotFoundError("the pipeline has no such module");
  }
  std::string name() const { return result_ ? result_->name() : std::string(); }

  const ResultOf<M>& value() const {
    if (!result_) detail::ThrowNoValue("", status());
    return result_->value();
  }
  const ResultOf<M>& operator*() const { return value(); }
  const ResultOf<M>* operator->() const { return &value(); }

 private:
  std::optional<DependencyResult<ResultOf<M>>> result_;
};

}  // namespace millrace
