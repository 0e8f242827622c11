// What loops over floats need to become vector instructions, for the .cpp files of this folder.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

// One copy of a loop for each family of processors, chosen at start. Sanitizers cannot run before
// that choice, so they get the plain one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RAPPORT_VECTORISED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RAPPORT_VECTORISED
#endif
#define RAPPORT_INLINE inline __attribute__((always_inline))

namespace rapport::retrieval {

/// exp by 2^n · e^r, |r| ≤ ln 2 / 2, e^r by its Taylor polynomial of degree 6. Branch-free, so that
/// loops over it become vector instructions. Below -87 it gives e^-87, 1.6e-38; a NaN stays one.
RAPPORT_INLINE float exponential(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * kLog2E + 12582912.0f;  // 1.5 · 2^23: the sum's low bits are the integer
  const auto n = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(12582912.0f);
  const float whole = static_cast<float>(n);
  const float r = x - whole * kLn2High - whole * kLn2Low;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>((n + 127) << 23);
}

RAPPORT_INLINE float sigmoid(float x) {
  return 1 / (1 + exponential(-x));
}

/// log(1 + e^x), for any x.
RAPPORT_INLINE float softplus(float x) {
  return std::max(x, 0.0f) + std::log(1 + exponential(-std::abs(x)));
}

}  // namespace rapport::retrieval
