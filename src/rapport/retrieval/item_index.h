// The best items of a large catalogue without scoring them all: an approximate index of the item
// vectors, by faiss. It lives in a library of its own that is opened when a catalogue is large
// enough to want it, so that the program starts, and runs, without faiss and its BLAS.
//
//   TRY(const auto index,
//       build_item_index({.items = n, .width = 64, .vectors = embedding}, queries));
//   index->search(query, 50, best);
//
// How: the vectors lie in lists around some 2 √items centres (Jégou et al. 2011), as bytes instead
// of floats; a search reads the lists whose centres score highest and scores the best of them again
// by their exact vectors. How many lists, is measured when it is built: the fewest with which a
// sample of queries finds `recall` of what an exact search finds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {

/// The vectors that a score is a product with; they must outlive the index.
struct ItemVectors {
  std::int64_t items = 0, width = 0;
  const float* vectors = nullptr;  // [items × width]
};

struct ItemIndexOptions {
  double recall = 0.99;  // of the exact best, in the mean over the queries
  /// Items that will be asked for, ascending: for each, how many lists are read is found apart.
  std::vector<std::int64_t> depths = {100, 2'000};
  std::int64_t threads = 0;  // to build with; 0: one a core
};

/// Immutable; thread-safe.
class ItemIndex {
 public:
  virtual ~ItemIndex() = default;
  /// Fills `best` with up to `k` items, best first, among equals the lower number. query [width].
  /// Scores are exact; an item of the best may be missing.
  virtual void search(const float* query, std::int64_t k, std::vector<ScoredItem>& best) const = 0;
  /// The least that it reached on the sample, and memory that it takes beside the vectors.
  virtual double recall() const = 0;
  virtual std::int64_t bytes() const = 0;
};

/// Seconds for a million items. queries [n × width]: what will be asked, for instance the model's
/// vectors of some histories. Errors: kUnsupported, saying what is missing; kInternal.
Result<std::unique_ptr<ItemIndex>> build_item_index(const ItemVectors& vectors,
                                                    std::span<const float> queries,
                                                    const ItemIndexOptions& options = {});

/// What librapport_item_index.so offers.
struct ItemIndexLibrary {
  std::uint64_t build = 0;  // kItemIndexBuild of the build it belongs to
  Result<std::unique_ptr<ItemIndex>> (*create)(const ItemVectors& vectors,
                                               std::span<const float> queries,
                                               const ItemIndexOptions& options) = nullptr;
};
inline constexpr std::uint64_t kItemIndexBuild = 2'000'000'000 +
                                                 1'000'000 * sizeof(ItemIndexOptions) +
                                                 1'000 * sizeof(ItemVectors) + sizeof(ScoredItem);

}  // namespace rapport::retrieval
