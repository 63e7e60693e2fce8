// SPDX-License-Identifier: Apache-2.0
// Secrets, a text in which they may stand in any of their forms, and where it is cut.
#include "millrace/exec/mask.h"

#include <bitset>
#include <map>
#include <utility>
#include <vector>

#include "millrace/exec/secret_forms.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

constexpr std::size_t kLongestText = 1024;  // some forms, each over again
constexpr std::size_t kKept = 256;

struct Case {
  std::vector<std::string> forms;
  exec::Masks masks;
};

const exec::SecretForms& FormsOf(const std::string& secret) {
  static std::map<std::string, exec::SecretForms> known;
  if (known.size() == kKept && !known.contains(secret)) known.clear();
  const auto [at, fresh] = known.try_emplace(secret);
  if (fresh) at->second = exec::FormsOf(secret);
  return at->second;
}

Case Made(const std::vector<std::string>& secrets) {
  exec::SecretForms all;
  for (const std::string& secret : secrets) {
    const exec::SecretForms& forms = FormsOf(secret);
    all.exact.insert(all.exact.end(), forms.exact.begin(), forms.exact.end());
    all.base64.insert(all.base64.end(), forms.base64.begin(), forms.base64.end());
  }
  Case made{.forms = all.exact, .masks = exec::Masks(all)};
  made.forms.insert(made.forms.end(), all.base64.begin(), all.base64.end());
  for (const std::string& form : made.forms) fuzz::Require(form.size() >= 4, "a form is too short to be masked");
  return made;
}

// What follows from the secrets takes most of the time: what was made for a while serves other texts, too.
const Case& CaseOf(const std::vector<std::string>& secrets) {
  static std::map<std::vector<std::string>, Case> cases;
  if (const auto known = cases.find(secrets); known != cases.end()) return known->second;
  if (cases.size() == kKept) cases.clear();
  return cases.emplace(secrets, Made(secrets)).first->second;
}

// Whether four bytes may stand in a text: no form needs to be looked for that begins with others.
class Quads {
 public:
  explicit Quads(std::string_view text) {
    for (std::size_t i = 0; i + 4 <= text.size(); ++i) bits_.set(Hash(text.substr(i, 4)));
  }
  bool MayBegin(std::string_view form) const { return bits_.test(Hash(form)); }

 private:
  static std::size_t Hash(std::string_view quad) {
    std::uint32_t hash = 0;
    for (std::size_t i = 0; i < 4; ++i) hash = hash * 257 + static_cast<unsigned char>(quad[i]);
    return (hash * 2654435761u) >> 18;
  }
  std::bitset<std::size_t{1} << 14> bits_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  std::vector<std::string> secrets;
  for (std::size_t count = 1 + choices.Below(3); count > 0; --count) {
    std::string secret(choices.Take(4 + choices.Below(32)));
    if (secret.size() < 4) break;
    secrets.push_back(std::move(secret));
  }
  const auto& [forms, masks] = CaseOf(secrets);
  exec::MaskStream stream(masks);
  std::string text;
  std::string shown;
  while (!choices.empty() && text.size() < kLongestText) {
    std::string chunk;
    if (!forms.empty() && choices.OneIn(3)) {
      chunk = forms[choices.Word() % forms.size()];
      if (choices.OneIn(3)) chunk.resize(choices.Below(256) % (chunk.size() + 1));
    } else {
      chunk = choices.Take(choices.Below(16));
    }
    text += chunk;
    shown += stream.Feed(chunk);
    fuzz::Require(shown.size() <= text.size() + 3 * (text.size() / 4 + 1), "more was shown than there is");
  }
  shown += stream.End();
  fuzz::Require(shown == masks.Mask(text), "where it was cut makes a difference", shown);
  // A secret made of stars, or one that the masks of others complete, may stand in what is shown.
  const Quads quads(shown);
  for (const std::string& form : forms) {
    if (quads.MayBegin(form) && form.find('*') == std::string::npos) {
      fuzz::Require(shown.find(form) == std::string::npos, "a form of a secret is shown", form);
    }
  }
  return 0;
}
