// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/http_parse.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace millrace::serve {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

HttpParsed Refused(int status, std::string why) {
  HttpParsed parsed;
  parsed.refused = status;
  parsed.why = std::move(why);
  return parsed;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool Same(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) { return Lower(a) == b; });
}

std::string_view Stripped(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// What comes before the first `mark`, taken off `text` with it.
std::string_view Before(std::string_view& text, char mark) {
  const std::string_view taken = text.substr(0, text.find(mark));
  text.remove_prefix(std::min(taken.size() + 1, text.size()));
  return taken;
}

bool IsToken(std::string_view text) {
  constexpr std::string_view kOthers = "0123456789!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (Lower(c) >= 'a' && Lower(c) <= 'z') || kOthers.find(c) != std::string_view::npos;
  });
}

bool IsText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

// "GET /api/health?x=1 HTTP/1.1"
HttpParsed ParseLine(std::string_view line) {
  std::string_view version = line;
  const std::string_view method = Before(version, ' ');
  const std::string_view target = Before(version, ' ');
  if (!IsToken(method) || !target.starts_with('/') || !IsText(target) || !version.starts_with("HTTP/") ||
      version.find(' ') != std::string_view::npos) {
    return Refused(400, "this is no request line of HTTP/1.1");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Refused(505, "HTTP/1.1 and 1.0 are spoken here");
  HttpParsed parsed;
  parsed.request.method = std::string(method);
  parsed.request.path = std::string(target.substr(0, target.find('?')));
  parsed.request.keep_alive = version == "HTTP/1.1";
  return parsed;
}

// What has been seen of the fields, beyond what the request keeps.
struct Fields {
  std::size_t count = 0;
  bool host = false;
  bool authorization = false;
  bool length = false;
  bool encoding = false;
  bool body = false;
};

// Twice is refused where two readers could take different ones.
bool Once(bool& seen) { return !std::exchange(seen, true); }

bool TakeField(std::string_view name, std::string_view value, Fields& fields, HttpRequest& request) {
  if (Same(name, "host")) {
    request.host = std::string(value);
    return Once(fields.host);
  }
  if (Same(name, "authorization")) {
    request.authorization = std::string(value);
    return Once(fields.authorization);
  }
  if (Same(name, "content-length")) {
    fields.body = value.find_first_not_of('0') != std::string_view::npos;
    return Once(fields.length) && !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
  }
  if (Same(name, "transfer-encoding")) fields.encoding = true;
  if (Same(name, "connection")) {
    while (!value.empty()) {
      const std::string_view word = Stripped(Before(value, ','));
      if (Same(word, "close")) request.keep_alive = false;
      if (Same(word, "keep-alive")) request.keep_alive = true;
    }
  }
  return true;
}

}  // namespace

HttpParsed ParseHttp(std::string_view bytes) {
  const std::size_t line_end = bytes.substr(0, kMaxHttpLine + kLineEnd.size()).find(kLineEnd);
  if (line_end == std::string_view::npos && bytes.size() >= kMaxHttpLine + kLineEnd.size()) {
    return Refused(414, absl::StrFormat("the request line is longer than %d bytes", kMaxHttpLine));
  }
  const std::size_t end = bytes.substr(0, kMaxHttpHead).find(kHeadEnd);
  if (end == std::string_view::npos) {
    if (bytes.size() < kMaxHttpHead) return {};
    return Refused(431, absl::StrFormat("the head is longer than %d bytes", kMaxHttpHead));
  }
  HttpParsed parsed = ParseLine(bytes.substr(0, line_end));
  if (parsed.refused != 0) return parsed;
  const bool must_say_host = parsed.request.keep_alive;  // HTTP/1.1
  Fields fields;
  const std::string_view head = bytes.substr(0, end);
  for (std::size_t at = line_end; at < head.size();) {
    at += kLineEnd.size();
    const std::size_t next = std::min(head.find(kLineEnd, at), head.size());
    const std::string_view field = head.substr(at, next - at);
    at = next;
    if (++fields.count > kMaxHttpFields) {
      return Refused(431, absl::StrFormat("there are more than %d header fields", kMaxHttpFields));
    }
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || !IsToken(field.substr(0, colon)) || !IsText(field)) {
      return Refused(400, absl::StrFormat("header field %d is none", fields.count));
    }
    const std::string_view value = Stripped(field.substr(colon + 1));
    if (!TakeField(field.substr(0, colon), value, fields, parsed.request)) {
      return Refused(400, absl::StrFormat("header field %s is there twice or wrong", field.substr(0, colon)));
    }
  }
  if (must_say_host && !fields.host) return Refused(400, "the Host is missing");
  // Where a body would end is not to be guessed from two fields, and nothing here takes one.
  if (fields.encoding) return Refused(fields.length ? 400 : 411, "bodies are not taken, least of all encoded ones");
  if (fields.body) return Refused(413, "bodies are not taken: at most 0 bytes");
  parsed.size = end + kHeadEnd.size();
  return parsed;
}

}  // namespace millrace::serve
