// SPDX-License-Identifier: Apache-2.0
// Secrets, a text in which they may stand in any of their forms, and where it is cut.
#include "millrace/exec/mask.h"

#include "millrace/exec/secret_forms.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  std::vector<std::string> secrets;
  std::vector<std::string> forms;
  for (std::size_t count = 1 + choices.Below(3); count > 0; --count) {
    std::string secret(choices.Take(4 + choices.Below(32)));
    if (secret.size() < 4) break;
    const exec::SecretForms all = exec::FormsOf(secret);
    forms.insert(forms.end(), all.exact.begin(), all.exact.end());
    forms.insert(forms.end(), all.base64.begin(), all.base64.end());
    secrets.push_back(std::move(secret));
  }
  for (const std::string& form : forms) fuzz::Require(form.size() >= 4, "a form is too short to be masked");
  const exec::Masks masks(secrets);
  exec::MaskStream stream(masks);
  std::string text;
  std::string shown;
  while (!choices.empty() && text.size() < 4096) {
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
  for (const std::string& form : forms) {
    if (form.find('*') == std::string::npos) {
      fuzz::Require(shown.find(form) == std::string::npos, "a form of a secret is shown", form);
    }
  }
  return 0;
}
