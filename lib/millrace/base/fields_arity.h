// SPDX-License-Identifier: Apache-2.0
// How many fields an aggregate has, and the fields themselves: the two lists that C++20 cannot write as a pack. Only
// fields.h includes this.
//
// Fields are counted by initialising with `{}` for each: unlike a value of a type that converts to anything, an empty
// pair of braces always stands for exactly one field (no brace elision into arrays and nested aggregates) and is never
// ambiguous for members with greedy constructors such as std::any or std::optional.
#pragma once

#include <cstddef>
#include <type_traits>

namespace millrace::fields_detail {

inline constexpr std::size_t kMostFields = 32;
inline constexpr std::size_t kUncountable = static_cast<std::size_t>(-1);

// Whether T's first N fields can be given as `{}`.
template <class T, std::size_t N>
consteval bool TakesBraces() {
  // clang-format off
  if constexpr (N == 0) return requires { T{}; };
  else if constexpr (N == 1) return requires { T{{}}; };
  else if constexpr (N == 2) return requires { T{{},{}}; };
  else if constexpr (N == 3) return requires { T{{},{},{}}; };
  else if constexpr (N == 4) return requires { T{{},{},{},{}}; };
  else if constexpr (N == 5) return requires { T{{},{},{},{},{}}; };
  else if constexpr (N == 6) return requires { T{{},{},{},{},{},{}}; };
  else if constexpr (N == 7) return requires { T{{},{},{},{},{},{},{}}; };
  else if constexpr (N == 8) return requires { T{{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 9) return requires { T{{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 10) return requires { T{{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 11) return requires { T{{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 12) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 13) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 14) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 15) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 16) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 17) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 18) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 19) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 20) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 21) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 22) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 23) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 24) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 25) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 26) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 27) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 28) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 29) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 30) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 31) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else if constexpr (N == 32) return requires { T{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}; };
  else return false;
  // clang-format on
}

// The largest N for which TakesBraces holds: between Low, which does, and High, which does not.
template <class T, std::size_t Low, std::size_t High>
consteval std::size_t SearchCount() {
  if constexpr (High - Low == 1) {
    return Low;
  } else if constexpr (constexpr std::size_t kMiddle = Low + (High - Low) / 2; TakesBraces<T, kMiddle>()) {
    return SearchCount<T, kMiddle, High>();
  } else {
    return SearchCount<T, Low, kMiddle>();
  }
}

// Calls visit(field, field, ...) with references to all N fields in their order.
template <std::size_t N, class T, class Visit>
constexpr decltype(auto) VisitCounted([[maybe_unused]] T& object, Visit&& visit) {
  // clang-format off
  if constexpr (N == 0) { return visit(); }
  else if constexpr (N == 1) { auto& [f0] = object; return visit(f0); }
  else if constexpr (N == 2) { auto& [f0, f1] = object; return visit(f0, f1); }
  else if constexpr (N == 3) { auto& [f0, f1, f2] = object; return visit(f0, f1, f2); }
  else if constexpr (N == 4) { auto& [f0, f1, f2, f3] = object; return visit(f0, f1, f2, f3); }
  else if constexpr (N == 5) { auto& [f0, f1, f2, f3, f4] = object; return visit(f0, f1, f2, f3, f4); }
  else if constexpr (N == 6) { auto& [f0, f1, f2, f3, f4, f5] = object; return visit(f0, f1, f2, f3, f4, f5); }
  else if constexpr (N == 7) { auto& [f0, f1, f2, f3, f4, f5, f6] = object; return visit(f0, f1, f2, f3, f4, f5, f6); }
    else if constexpr (N == 8) { auto& [f0, f1, f2, f3, f4, f5, f6, f7] = object; return visit(f0, f1, f2, f3, f4, f5,
    f6, f7); }
    else if constexpr (N == 9) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8] = object; return visit(f0, f1, f2, f3, f4,
    f5, f6, f7, f8); }
    else if constexpr (N == 10) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = object; return visit(f0, f1, f2, f3,
    f4, f5, f6, f7, f8, f9); }
    else if constexpr (N == 11) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = object; return visit(f0, f1, f2,
    f3, f4, f5, f6, f7, f8, f9, f10); }
    else if constexpr (N == 12) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = object; return visit(f0,
    f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11); }
    else if constexpr (N == 13) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = object; return
    visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12); }
    else if constexpr (N == 14) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = object; return
    visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13); }
    else if constexpr (N == 15) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = object;
    return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14); }
    else if constexpr (N == 16) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = object;
    return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15); }
    else if constexpr (N == 17) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] =
    object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16); }
    else if constexpr (N == 18) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17]
    = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17); }
    else if constexpr (N == 19) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18); }
    else if constexpr (N == 20) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19); }
    else if constexpr (N == 21) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16,
    f17, f18, f19, f20); }
    else if constexpr (N == 22) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
    f16, f17, f18, f19, f20, f21); }
    else if constexpr (N == 23) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14,
    f15, f16, f17, f18, f19, f20, f21, f22); }
    else if constexpr (N == 24) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13,
    f14, f15, f16, f17, f18, f19, f20, f21, f22, f23); }
    else if constexpr (N == 25) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12,
    f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24); }
    else if constexpr (N == 26) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24, f25] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11,
    f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25); }
    else if constexpr (N == 27) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24, f25, f26] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10,
    f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26); }
    else if constexpr (N == 28) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24, f25, f26, f27] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9,
    f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27); }
    else if constexpr (N == 29) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7, f8,
    f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28); }
    else if constexpr (N == 30) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29] = object; return visit(f0, f1, f2, f3, f4, f5, f6, f7,
    f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29); }
    else if constexpr (N == 31) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30] = object; return visit(f0, f1, f2, f3, f4, f5, f6,
    f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
    f30); }
    else if constexpr (N == 32) { auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
    f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31] = object; return visit(f0, f1, f2, f3, f4, f5,
    f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
    f30, f31); }
  // clang-format on
}

}  // namespace millrace::fields_detail
