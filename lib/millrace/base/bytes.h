// SPDX-License-Identifier: Apache-2.0
// An immutable, reference-counted run of bytes: copying it copies no payload, and any thread may drop the last
// reference.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string text) {
    if (text.empty()) return;
    auto owner = std::make_shared<const std::string>(std::move(text));
    view_ = *owner;
    owner_ = std::move(owner);
  }
  // Bytes that live inside `owner`, such as a frame of a received message.
  Bytes(std::shared_ptr<const void> owner, std::string_view view) : owner_(std::move(owner)), view_(view) {}
  static Bytes Copy(std::string_view view) { return Bytes(std::string(view)); }

  const char* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  std::string_view view() const { return view_; }
  std::string str() const { return std::string(view_); }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  // A part of the same storage. Clamps to what is there.
  Bytes Slice(std::size_t offset, std::size_t length) const {
    if (offset >= view_.size()) return {};
    return {owner_, view_.substr(offset, length)};
  }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view_ == b.view_; }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

}  // namespace millrace
