// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/mask.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::exec {
namespace {

SecretForms FormsOfAll(const std::vector<std::string>& secrets) {
  SecretForms all;
  for (const std::string& secret : secrets) {
    SecretForms forms = FormsOf(secret);
    std::move(forms.exact.begin(), forms.exact.end(), std::back_inserter(all.exact));
    std::move(forms.base64.begin(), forms.base64.end(), std::back_inserter(all.base64));
  }
  return all;
}

}  // namespace

Masks::Masks(const std::vector<std::string>& secrets) : Masks(FormsOfAll(secrets)) {}

Masks::Masks(const SecretForms& forms) : exact_(forms.exact, false), base64_(forms.base64, true) {}

std::string Masks::Mask(std::string_view text) const {
  MaskStream stream(*this);
  std::string masked = stream.Feed(text);
  return masked += stream.End();
}

std::string MaskStream::Feed(std::string_view chunk) {
  held_.append(chunk);
  found_.clear();
  masks_->exact_.Search(chunk, exact_, found_);
  masks_->base64_.Search(chunk, base64_, found_);
  std::sort(found_.begin(), found_.end(), [](const FoundRange& a, const FoundRange& b) { return a.begin < b.begin; });
  for (const FoundRange& found : found_) Hide(found);
  return Emit(std::min(masks_->exact_.Unfinished(exact_), masks_->base64_.Unfinished(base64_)));
}

std::string MaskStream::End() {
  std::string rest = Emit(begin_ + held_.size());
  *this = MaskStream(*masks_);
  return rest;
}

// Ranges that overlap are one.
void MaskStream::Hide(const FoundRange& found) {
  Hidden one{found.begin, found.end, false};
  // Those that end before it begins; most often all.
  auto first = hidden_.end();
  while (first != hidden_.begin() && std::prev(first)->end > one.begin) --first;
  auto last = first;
  for (; last != hidden_.end() && last->begin < one.end; ++last) {
    one.begin = std::min(one.begin, last->begin);
    one.end = std::max(one.end, last->end);
    one.shown |= last->shown;
  }
  hidden_.insert(hidden_.erase(first, last), one);
}

std::string MaskStream::Emit(std::uint64_t until) {
  std::string out;
  const std::uint64_t begin = begin_;
  const auto show = [&](std::uint64_t end) { out.append(held_, begin_ - begin, end - begin_); };
  std::size_t over = 0;  // of hidden_, which are wholly out
  for (Hidden& hidden : hidden_) {
    if (hidden.begin >= until) break;
    if (hidden.begin > begin_) show(hidden.begin);
    if (!std::exchange(hidden.shown, true)) out += kMasked;
    begin_ = std::min(hidden.end, until);
    over += hidden.end <= until ? 1 : 0;
  }
  hidden_.erase(hidden_.begin(), hidden_.begin() + static_cast<std::ptrdiff_t>(over));
  if (begin_ < until) show(until);
  begin_ = until;
  held_.erase(0, begin_ - begin);
  return out;
}

}  // namespace millrace::exec
