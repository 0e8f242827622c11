// What recommendations are made from: a data set's catalogue, indexed for the steps, and the model
// that scores it. Immutable and swapped as a whole, so that a request works with one of them from
// its first step to its last, whatever a training puts in meanwhile.
//
//   CatalogueSlot slot;
//   slot.put(ServedCatalogue::create(dataset, model));   // at start, and after a training
//   if (const auto served = slot.get()) … served->model().kind() …
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rapport/data/dataset.h"
#include "rapport/palr/list_ranker.h"
#include "rapport/retrieval/retriever.h"

namespace rapport::engine {

/// A category's place in `ServedCatalogue::category_names`.
using CategoryIndex = std::int32_t;
/// A brand's place in `ServedCatalogue::brand_names`.
using BrandIndex = std::int32_t;

/// What to do about an unknown item, for who asks over HTTP.
inline constexpr std::string_view kListItems = "GET /v1/catalogue/items lists what there is";

/// Thread-safe.
class ServedCatalogue {
 public:
  /// `model` is of `dataset`'s catalogue. While it is null popularity serves everybody, and
  /// `why_no_model` says why, in a sentence.
  static std::shared_ptr<const ServedCatalogue> create(
      std::shared_ptr<const data::Dataset> dataset,
      std::shared_ptr<const retrieval::Retriever> model, std::string why_no_model = {});
  /// The same with a ranking that orders what its model and other retrievers propose; while that is
  /// null `why_no_ranking` says why.
  std::shared_ptr<const ServedCatalogue> with_ranking(
      std::shared_ptr<const palr::ListRanker> ranking, std::string why_no_ranking = {}) const;

  const std::string& name() const { return dataset_->name(); }
  const std::shared_ptr<const data::Dataset>& dataset() const { return dataset_; }
  const data::Catalogue& catalogue() const { return dataset_->catalogue(); }
  /// The best there is.
  const retrieval::Retriever& model() const { return model_ ? *model_ : *popularity_; }
  /// Null while popularity serves.
  const std::shared_ptr<const retrieval::Retriever>& shared_model() const { return model_; }
  /// How often each item was chosen, all of every history counted: for whoever lets nothing be used
  /// of them, or of whom nothing is known.
  const retrieval::Retriever& popularity() const { return *popularity_; }
  bool has_model() const { return model_ != nullptr; }
  const std::string& why_no_model() const { return why_no_model_; }
  /// Null where none was learned: then the model's own order counts.
  const palr::ListRanker* ranking() const { return ranking_.get(); }
  const std::string& why_no_ranking() const { return why_no_ranking_; }

  const std::vector<std::string>& category_names() const { return category_names_; }
  /// Sorted.
  std::span<const CategoryIndex> categories(data::ItemIndex item) const;
  /// By its name as people write it: without regard to case, hyphens, spaces or a plural's ending,
  /// and by a few everyday words ("romantic", "science fiction").
  std::optional<CategoryIndex> find_category(std::string_view words) const;
  std::optional<std::int32_t> year(data::ItemIndex item) const;
  const std::vector<std::string>& brand_names() const { return brand_names_; }
  std::optional<BrandIndex> brand(data::ItemIndex item) const;
  /// By its name, without regard to case, spaces and signs.
  std::optional<BrandIndex> find_brand(std::string_view words) const;
  /// In the source's currency.
  std::optional<double> price(data::ItemIndex item) const;
  bool has_prices() const { return has_prices_; }
  /// Those of this title as palr::normal_title compares them, the most popular first; where none
  /// is, those whose title without what follows a colon, a dash or a bracket it is ("Star Wars").
  std::span<const data::ItemIndex> find_title(std::string_view title) const;
  /// How often the data set has the item, and its place by that, from 1.
  std::int64_t interactions(data::ItemIndex item) const;
  std::int64_t popularity_rank(data::ItemIndex item) const;
  /// Share of categories that two items have in common: |both| / |either|; 0 without any.
  double similarity(data::ItemIndex a, data::ItemIndex b) const;

  /// Items that have every word of `query` in their title, whatever its case ("" has none), and are
  /// of `category` when one is given; the most popular first.
  std::vector<data::ItemIndex> search(std::string_view query, std::optional<CategoryIndex> category,
                                      std::int64_t limit, std::int64_t offset) const;

  /// The item of this id. Errors: kInvalidArgument with `param` that names the item of the nearest
  /// id or title; where none comes near, `remedy`.
  Result<data::ItemIndex> require(std::string_view id, const std::string& param,
                                  std::string_view remedy = kListItems) const;

 private:
  ServedCatalogue() = default;
  ServedCatalogue(const ServedCatalogue&) = default;
  std::optional<data::ItemIndex> nearest(std::string_view id) const;
  void index_items();
  void count_interactions();

  std::shared_ptr<const data::Dataset> dataset_;
  std::shared_ptr<const retrieval::Retriever> popularity_;
  std::shared_ptr<const retrieval::Retriever> model_;
  std::string why_no_model_;
  std::shared_ptr<const palr::ListRanker> ranking_;
  std::string why_no_ranking_;

  std::vector<std::string> category_names_;
  std::unordered_map<std::string, CategoryIndex> category_by_key_;
  std::vector<std::int64_t> category_offsets_;  // [items + 1] into `item_categories_`
  std::vector<CategoryIndex> item_categories_;
  std::vector<std::int32_t> years_;  // [items]; kNoYear where unknown
  std::vector<std::string> brand_names_;
  std::unordered_map<std::string, BrandIndex> brand_by_key_;
  std::vector<BrandIndex> brands_;  // [items]; -1 where unknown
  std::vector<double> prices_;      // [items]; no number where unknown
  bool has_prices_ = false;
  std::unordered_map<std::string, std::vector<data::ItemIndex>> by_title_, by_main_title_;
  std::vector<std::int64_t> interactions_;
  std::vector<std::int64_t> popularity_ranks_;
  std::vector<data::ItemIndex> by_popularity_;
  std::vector<std::string> folded_titles_;  // [items]
};

/// Holds what is served now; nothing until a data set is there. Thread-safe.
class CatalogueSlot {
 public:
  std::shared_ptr<const ServedCatalogue> get() const {
    const std::lock_guard lock(mutex_);
    return served_;
  }
  void put(std::shared_ptr<const ServedCatalogue> served) {
    const std::lock_guard lock(mutex_);
    served_ = std::move(served);
  }
  /// As `get`. Errors: kUnavailable, with what to do.
  Result<std::shared_ptr<const ServedCatalogue>> require() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ServedCatalogue> served_;
};

}  // namespace rapport::engine
