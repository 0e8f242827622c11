#include "rapport/retrieval/item_index.h"

#include "rapport/base/opened_library.h"

namespace rapport::retrieval {
namespace {

constexpr base::OpenedLibrary kLibrary{.file = "librapport_item_index.so",
                                       .symbol = "rapport_item_index_library",
                                       .built = RAPPORT_ITEM_INDEX_LIBRARY,
                                       .option = "RAPPORT_ITEM_INDEX",
                                       .needs = "an index of a large catalogue needs faiss",
                                       .package = "libopenblas0-pthread"};

}  // namespace

Result<std::unique_ptr<ItemIndex>> build_item_index(const ItemVectors& vectors,
                                                    std::span<const float> queries,
                                                    const ItemIndexOptions& options) {
  static const Result<const ItemIndexLibrary*> kOpened =
      base::open_offer<ItemIndexLibrary>(kLibrary, kItemIndexBuild);
  TRY(const ItemIndexLibrary* const library, kOpened);
  return library->create(vectors, queries, options);
}

}  // namespace rapport::retrieval
