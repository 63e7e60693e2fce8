// SPDX-License-Identifier: Apache-2.0
// A value that several hold and none changes: copying it copies a reference, and any thread may drop the last one.
#pragma once

#include <memory>
#include <utility>

namespace millrace {

template <class T>
class Shared {
 public:
  using value_type = T;

  Shared() : value_(Default()) {}
  explicit Shared(T value) : value_(std::make_shared<T>(std::move(value))) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  // The value to change it: one's own from here on, copied first when others hold it, too.
  T& Edit() {
    if (value_.use_count() > 1) value_ = std::make_shared<T>(*value_);
    return *value_;
  }

  friend bool operator==(const Shared& a, const Shared& b) { return a.value_ == b.value_ || *a.value_ == *b.value_; }

 private:
  // Held here as well, so that Edit copies it.
  static const std::shared_ptr<T>& Default() {
    static const auto kDefault = std::make_shared<T>();
    return kDefault;
  }

  std::shared_ptr<T> value_;
};

}  // namespace millrace
