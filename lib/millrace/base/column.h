// SPDX-License-Identifier: Apache-2.0
// Columns whose memory is zero from the start, so that a table of ten million rows costs nothing until its rows are
// touched: the system gives out pages of zeros only where somebody writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "millrace/base/time.h"

namespace millrace {

// A fixed number of T, all of them zero bytes at first, which must mean something for a T.
template <class T>
class ZeroColumn {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  using value_type = T;
  using const_iterator = const T*;

  ZeroColumn() = default;
  explicit ZeroColumn(std::size_t size) : size_(size) {
    if (size == 0) return;
    values_.reset(static_cast<T*>(std::calloc(size, sizeof(T))));
    if (values_ == nullptr) throw std::bad_alloc();
  }
  ZeroColumn(ZeroColumn&& other) noexcept : values_(std::move(other.values_)), size_(std::exchange(other.size_, 0)) {}
  ZeroColumn& operator=(ZeroColumn&& other) noexcept {
    values_ = std::move(other.values_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t row) { return values_.get()[row]; }
  const T& operator[](std::size_t row) const { return values_.get()[row]; }
  const T* begin() const { return values_.get(); }
  const T* end() const { return values_.get() + size_; }

 private:
  struct Free {
    void operator()(T* values) const { std::free(values); }
  };
  std::unique_ptr<T, Free> values_;
  std::size_t size_ = 0;
};

// A number that begins as -1 (which of an unsigned one is its largest value) while its memory is zero.
template <class T>
class FromMinusOne {
 public:
  constexpr operator T() const { return static_cast<T>(raw_ - 1); }
  constexpr FromMinusOne& operator=(T value) {
    raw_ = static_cast<T>(value + 1);
    return *this;
  }

 private:
  T raw_;
};

template <>
class FromMinusOne<Duration> {
 public:
  constexpr operator Duration() const { return Duration(raw_ - 1); }
  constexpr FromMinusOne& operator=(Duration value) {
    raw_ = value.count() + 1;
    return *this;
  }

 private:
  Duration::rep raw_;
};

}  // namespace millrace
