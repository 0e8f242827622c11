#include "rapport/retrieval/narrow_product.h"

#include "rapport/retrieval/tiles/narrow_product_tiles.h"

namespace rapport::retrieval {
namespace {

NarrowProductTiles* fastest() {
#ifdef __x86_64__
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (v4) return narrow_product_avx512;
  if (v3) return narrow_product_avx2;
#endif
  return narrow_product_baseline;
}

}  // namespace

void multiply_narrow(const NarrowProduct& product, const float* a, const float* b, float* c) {
  static NarrowProductTiles* const tiles = fastest();
  tiles(product, a, b, c);
}

}  // namespace rapport::retrieval
