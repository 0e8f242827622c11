#include "rapport/retrieval/item_index.h"

#include "rapport/retrieval/opened_library.h"
#include "rapport/retrieval/training_library.h"

namespace rapport::retrieval {
namespace {

constexpr OpenedLibrary kLibrary{.file = "librapport_item_index.so",
                                 .symbol = "rapport_item_index_library",
                                 .built = RAPPORT_ITEM_INDEX_LIBRARY,
                                 .option = "RAPPORT_ITEM_INDEX",
                                 .needs = "an index of a large catalogue needs faiss",
                                 .package = "libopenblas0-pthread"};

Result<const ItemIndexLibrary*> open_item_index_library() {
  choose_blas_kernels();
  TRY(const void* const offer, open_library(kLibrary));
  const auto* const found = static_cast<const ItemIndexLibrary*>(offer);
  if (found->build != kItemIndexBuild) return other_build(kLibrary);
  return found;
}

}  // namespace

Result<std::unique_ptr<ItemIndex>> build_item_index(const ItemVectors& vectors,
                                                    std::span<const float> queries,
                                                    const ItemIndexOptions& options) {
  static const Result<const ItemIndexLibrary*> kOpened = open_item_index_library();
  TRY(const ItemIndexLibrary* const library, kOpened);
  return library->create(vectors, queries, options);
}

}  // namespace rapport::retrieval
