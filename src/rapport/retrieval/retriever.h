// The seam of recommendation: a model that scores a batch of histories against the catalogue.
//
//   TRY(auto model, load_retriever("models/sasrec", dataset));      // model_directory.h
//   TRY(const auto best, top_items(*model, {.history = history}, 50, history));
//
// A new model is one .h/.cpp pair and one line in registry.cpp; one trained with libtorch has its
// gradient in training/ and a line in training/library.cpp too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"
#include "rapport/base/safetensors.h"
#include "rapport/data/dataset.h"
#include "rapport/evaluation/scorer.h"

namespace rapport::retrieval {

using evaluation::Query;

struct ScoredItem {
  data::ItemIndex item = 0;
  float score = 0;
};

/// A fitted model. Immutable; thread-safe.
class Retriever {
 public:
  virtual ~Retriever() = default;

  /// The name in the registry: "sasrec".
  virtual std::string_view kind() const = 0;
  std::int64_t items() const { return items_; }

  /// As `evaluation::Scorer`. Errors: kInvalidArgument for an item beyond the catalogue or `scores`
  /// of another size than queries × items;
  /// those of what the model computes with.
  Result<void> score(std::span<const Query> queries, std::span<float> scores) const;

  /// On a catalogue of `from` items and more, makes top_items look one query's best up in an
  /// approximate index (item_index.h) instead of scoring all, where the scores are products with
  /// item vectors; else nothing. Takes seconds to a minute on `threads` (0: one a core); before the
  /// model is shared between threads. Errors: those of build_item_index.
  Result<void> index_items(std::int64_t threads = 0, std::int64_t from = kIndexedFrom);
  /// True when top_items may miss some of the best.
  bool is_indexed() const { return do_is_indexed(); }
  static constexpr std::int64_t kIndexedFrom = 200'000;

  /// [items × width] what its scores are products with, apart from text; empty of a model that has
  /// no such vectors.
  std::span<const float> item_vectors() const { return do_item_vectors(); }

  /// What a model directory keeps of it: sizes and options as JSON, weights as tensors.
  Json options() const { return do_options(); }
  void save(base::SafetensorsWriter& writer) const { do_save(writer); }

 protected:
  friend Result<std::vector<ScoredItem>> top_items(const Retriever& model, const Query& query,
                                                   std::int64_t k,
                                                   std::span<const data::ItemIndex> excluded);
  explicit Retriever(std::int64_t items) : items_(items) {}

 private:
  virtual Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const = 0;
  virtual Result<void> do_index_items(std::int64_t /*threads*/) { return {}; }
  virtual bool do_is_indexed() const { return false; }
  /// Of an indexed model: up to `k` items, best first.
  virtual void do_search(const Query& /*query*/, std::int64_t /*k*/,
                         std::vector<ScoredItem>& /*best*/) const {}
  virtual std::span<const float> do_item_vectors() const { return {}; }
  virtual Json do_options() const = 0;
  virtual void do_save(base::SafetensorsWriter& writer) const = 0;

  std::int64_t items_;
};

/// A tensor of a model directory. Errors: those of read_floats; kCorrupt when a number in it is
/// none: its scores could not be ranked.
Result<std::vector<float>> read_weights(const base::Safetensors& file, const std::string& name,
                                        const std::vector<std::int64_t>& shape);

/// Each item of a history once, in ascending order.
std::vector<data::ItemIndex> distinct_items(std::span<const data::ItemIndex> history);

/// The `k` best items that are not in `excluded`, best first; among equals the lower number first.
/// Of an indexed model, as far as its index finds them.
Result<std::vector<ScoredItem>> top_items(const Retriever& model, const Query& query,
                                          std::int64_t k,
                                          std::span<const data::ItemIndex> excluded);
/// The same for many at once, all scored, which is several times as fast; what each history holds
/// is excluded.
Result<std::vector<std::vector<ScoredItem>>> top_items(const Retriever& model,
                                                       std::span<const Query> queries,
                                                       std::int64_t k);

}  // namespace rapport::retrieval
