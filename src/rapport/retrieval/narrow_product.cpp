#include "rapport/retrieval/narrow_product.h"

#include <algorithm>

#include "rapport/retrieval/tiles/narrow_product_tiles.h"

namespace rapport::retrieval {

void multiply_narrow(const NarrowProduct& product, const float* a, const float* b, float* c) {
  static NarrowProductTiles* const tiles =
      std::ranges::find_if(kTilesFamilies, [](const TilesFamily& each) {
        return each.runs_here();
      })->tiles;
  tiles(product, a, b, c);
}

}  // namespace rapport::retrieval
