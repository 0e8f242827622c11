// The functions that narrow_product_tiles.cpp becomes, one for each family of processors it is
// compiled for.
#pragma once

#include <array>

#include "rapport/retrieval/narrow_product.h"

namespace rapport::retrieval {

using NarrowProductTiles = void(const NarrowProduct& product, const float* a, const float* b,
                                float* c);
NarrowProductTiles narrow_product_baseline;
#ifdef __x86_64__
NarrowProductTiles narrow_product_avx2;    // x86-64-v3
NarrowProductTiles narrow_product_avx512;  // x86-64-v4
#endif

struct TilesFamily {
  NarrowProductTiles* tiles;
  bool (*runs_here)();
};

/// The fastest first; the last runs everywhere.
inline constexpr auto kTilesFamilies = std::to_array<TilesFamily>({
#ifdef __x86_64__
    {narrow_product_avx512,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");
     }},
    {narrow_product_avx2,
     [] {
       return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");
     }},
#endif
    {narrow_product_baseline, [] { return true; }},
});

}  // namespace rapport::retrieval
