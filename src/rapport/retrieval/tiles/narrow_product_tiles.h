// The functions that narrow_product_tiles.cpp becomes, one for each family of processors it is
// compiled for.
#pragma once

#include "rapport/retrieval/narrow_product.h"

namespace rapport::retrieval {

using NarrowProductTiles = void(const NarrowProduct& product, const float* a, const float* b,
                                float* c);
NarrowProductTiles narrow_product_baseline;
#ifdef __x86_64__
NarrowProductTiles narrow_product_avx2;    // x86-64-v3
NarrowProductTiles narrow_product_avx512;  // x86-64-v4
#endif

}  // namespace rapport::retrieval
