// SPDX-License-Identifier: Apache-2.0
// The HTTP plane of a broker with keys: whatever is asked, nothing is told to who has no token. However the bytes come,
// they are understood in the same way.
#include <algorithm>

#include "millrace/serve/http.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

constexpr std::string_view kSecret = "what-only-a-caller-with-a-token-may-see";
constexpr std::string_view kToken = "good";

serve::Snapshot Secrets() {
  serve::Snapshot snapshot;
  snapshot.taken = Duration::max() / 2;  // it is never stalled: the answers do not depend on the time
  snapshot.workers.resize(1);
  snapshot.workers[0].name = kSecret;
  snapshot.runs.resize(1);
  snapshot.runs[0].name = kSecret;
  return snapshot;
}

std::shared_ptr<const Caller> Bearer(std::string_view bearer) {
  if (bearer != kToken) return nullptr;
  return std::make_shared<const Caller>(Caller{.standing = Standing::kClient, .name = {}, .key = {}, .tags = {}});
}

bool Same(const serve::HttpParsed& a, const serve::HttpParsed& b) {
  return a.size == b.size && a.refused == b.refused && a.request.method == b.request.method &&
         a.request.path == b.request.path && a.request.host == b.request.host &&
         a.request.authorization == b.request.authorization && a.request.keep_alive == b.request.keep_alive;
}

// What is refused or understood early is not understood otherwise with more of it.
void RequireOneMeaning(std::string_view bytes, const serve::HttpParsed& whole) {
  const std::size_t first = std::min<std::size_t>(bytes.size(), bytes.empty() ? 0 : bytes.back());
  const serve::HttpParsed part = serve::ParseHttp(bytes.substr(0, first));
  if (part.size != 0 || part.refused != 0) fuzz::Require(Same(part, whole), "more bytes change what was said");
  if (whole.size != 0) {
    fuzz::Require(Same(serve::ParseHttp(bytes.substr(0, whole.size)), whole), "what follows changes what was said");
    fuzz::Require(serve::ParseHttp(bytes.substr(0, whole.size - 1)).size == 0, "half a head is taken for one");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const serve::Snapshot snapshot = Secrets();
  std::string_view bytes = fuzz::TextOf(data, size);
  for (int requests = 0; requests < 100; ++requests) {
    const serve::HttpParsed parsed = serve::ParseHttp(bytes);
    fuzz::Require(parsed.size == 0 || parsed.refused == 0, "it is taken and refused");
    fuzz::Require(parsed.size <= std::min(bytes.size(), serve::kMaxHttpHead), "it is longer than it can be");
    RequireOneMeaning(bytes, parsed);
    if (parsed.size == 0) return 0;
    const serve::HttpResponse response = serve::AnswerTo(parsed.request, snapshot, Bearer, "127.0.0.1");
    const bool may = parsed.request.authorization == "Bearer good" && parsed.request.host != "evil";
    fuzz::Require(may || response.body.find(kSecret) == std::string::npos, "somebody without a token was told",
                  response.body);
    fuzz::Require(response.status >= 200 && response.status < 600, "that is no status");
    bytes.remove_prefix(parsed.size);
  }
  return 0;
}
