// SPDX-License-Identifier: Apache-2.0
// Reads the head of an HTTP/1.x request (RFC 9112) that came from anybody: GET and HEAD without a body are all that is
// served, and what is ambiguous is refused. Pure: bytes in, a request or a status out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::serve {

inline constexpr std::size_t kMaxHttpHead = 8u << 10;  // bytes, with the empty line at its end
inline constexpr std::size_t kMaxHttpLine = 2u << 10;  // bytes of the request line
inline constexpr std::size_t kMaxHttpFields = 64;      // header fields

struct HttpRequest {
  std::string method;
  std::string path;           // without a query
  std::string host;           // as it was said; "" only from HTTP/1.0
  std::string authorization;  // the value of the field, or ""
  bool keep_alive = true;
};

struct HttpParsed {
  std::size_t size = 0;  // of the head; 0 = more must come
  int refused = 0;       // or the status to say; nothing that follows can be understood then
  std::string why;       // for people, with limit and value
  HttpRequest request;
};

HttpParsed ParseHttp(std::string_view bytes);

}  // namespace millrace::serve
