// A history becomes a ranked, explained list: the second of the two main flows.
//
//   TRY(const Recommendation list, recommender.recommend({.caller = caller, .k = 10}));
//   for (const RecommendedItem& item : list.items) … item.title … item.reasons …
//
// recommend.cpp is the list of steps; each step is one file beside it (recommend_*.cpp) and adds to
// the trace. The trace is kept as that of an answer is: GET /v1/responses/rec_…/explanation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/config.h"
#include "rapport/base/random.h"
#include "rapport/engine/attribution.h"
#include "rapport/engine/recommendation.h"
#include "rapport/engine/respond.h"
#include "rapport/engine/served_catalogue.h"
#include "rapport/profile/settings.h"
#include "rapport/store/key_ring.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// Of RecommendOptions::ranking, beside a directory's path.
inline constexpr std::string_view kLearnedRanking = "learned";
inline constexpr std::string_view kNoRanking = "none";

struct RecommendOptions {
  std::string dataset = {};        // in $RAPPORT_HOME/datasets, or a path; "": the demo's, if any
  std::string model = "sasrec";    // kind of retriever; $RAPPORT_HOME/retrievers/DATASET/MODEL
  bool train = true;               // in the background, when there is no such model
  std::int64_t train_threads = 1;  // of that training; 0: one a core
  std::int64_t index_from = retrieval::Retriever::kIndexedFrom;  // items, for an approximate index
  /// "learned": what several retrievers propose is ordered by a ranker that learned of them, in
  /// $RAPPORT_HOME/rankers/DATASET; "none"; or the directory of another one.
  std::string ranking = std::string(kLearnedRanking);
  std::vector<std::string> beside = {"ridge", "ease"};  // kinds that propose beside `model`, for it
  std::int64_t ranking_ms = 250;  // after which no further step of the ranking is begun
  std::string domain = "films";   // what the catalogue holds: films, books, music, products
  bool chat = true;               // answer "what should I watch tonight?" in chat
  std::int64_t max_items = 100;   // upper bound of a request's k
  std::int64_t candidates = 50;   // retrieved before ranking (PALR: 50)
  std::int64_t history = 500;     // items of a user's history that count, those met last
  double diversity = 0.3;         // of balance, in [0, 1]: 0 is none
  double favourite_weight = 1;    // of a favourite category, in standard deviations of the scores
  double interest_weight = 2;     // of the history's categories while popularity serves
  double mood_weight = 2;         // of a category that goes with a mood asked for, or against it

  void describe(base::OptionSet& set);
};

/// What a list must keep to. Categories are names as people write them.
struct RecommendationFilters {
  std::vector<std::string> categories = {};          // any of these; empty: all
  std::vector<std::string> without_categories = {};  // none of these
  std::optional<std::int32_t> year_from = {};        // inclusive; items of unknown year do not pass
  std::optional<std::int32_t> year_to = {};
  std::vector<std::string> brands = {};          // any of these; empty: all
  std::vector<std::string> without_brands = {};  // none of these
  /// Inclusive, in the catalogue's currency; items of unknown price do not pass.
  std::optional<double> price_from = {};
  std::optional<double> price_to = {};
  std::vector<std::string> exclude = {};  // item ids
  bool include_seen = false;              // also what the user already interacted with
};

struct RecommendationRequest {
  Caller caller = {};
  std::string domain = {};                     // of the settings
  std::optional<profile::Degree> degree = {};  // may lower the user's own, never raise it
  /// Item ids, oldest first, in place of what is kept of the user. An application's own, so that it
  /// is used for nobody in particular too; not for a user at degree 0 or 1.
  std::optional<std::vector<std::string>> history = {};
  /// 10 unless told, or what max_items permits when that is less.
  std::optional<std::int64_t> k = {};
  RecommendationFilters filters = {};
  std::vector<std::string> like = {};  // item ids that speak louder than the history
  std::vector<std::string> mood = {};  // "lighter", "less dark": see moods.h
  /// "no horror, before 1990, like Fargo": see wishes.h. Narrows what the filters let through.
  std::string query = {};
  std::optional<double> diversity = {};  // in place of the configured one
  /// Also how far an item's score falls when one of the history is left out: one scoring more for
  /// each of the last ten.
  bool explain = false;
};

/// Thread-safe; calls block on disk.
class Recommender {
 public:
  Recommender(RecommendOptions options, profile::Degree default_degree, store::Store& store,
              const store::KeyRing& keys, const CatalogueSlot& catalogues, Attribution& attribution,
              const base::Clock& clock, base::Random& random);

  /// Errors: kUnavailable without a catalogue; kInvalidArgument naming an unknown item or category,
  /// a `k` out of range, or the words of `query` that no rule reads.
  Result<Recommendation> recommend(const RecommendationRequest& request);

  const RecommendOptions& options() const { return options_; }
  std::shared_ptr<const ServedCatalogue> catalogue() const { return catalogues_.get(); }

 private:
  const RecommendOptions options_;
  const profile::Degree default_degree_;
  store::Store& store_;
  const store::KeyRing& keys_;
  const CatalogueSlot& catalogues_;
  Attribution& attribution_;
  const base::Clock& clock_;
  base::Random& random_;
};

}  // namespace rapport::engine
