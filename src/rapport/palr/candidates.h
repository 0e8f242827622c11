// What is ranked: of each user, the best few items of one or several trained retrievers.
//
//   TRY(const Pool pool, candidates(sources, {.user = user, .history = history}, {.best = 50}));
//   pool.items[i]; pool.score(i, source); pool.rank(i, source);
//
// Several sources make a merged pool, the union of their best. What the user has taken is no
// candidate. Items stand in the order of a hash, and of equal scores the hash takes the first: a
// place in the list says nothing, and neither does an item's number.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rapport/data/dataset.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::palr {

/// A retriever that proposes candidates, by a name that tells it from the others.
struct CandidateSource {
  std::string name;      // "sasrec"
  std::string checksum;  // SHA-256 of its weights: what learns from its scores fits no other
  std::shared_ptr<const retrieval::Retriever> model;
  /// False of a judge: its scores are read of what the others propose. Judges stand last.
  bool proposes = true;
};

/// From model directories, those of judges behind the others: named by their kind, and where one
/// kind comes twice by their folder.
/// Errors: those of load_retriever; kInvalidArgument for none, one that is named twice, or two of
/// one name; kConflict for one that was trained on other interactions: it may have learnt the very
/// items that it is asked for.
Result<std::vector<CandidateSource>> load_sources(const std::vector<std::string>& models,
                                                  const data::Dataset& dataset,
                                                  const std::vector<std::string>& judges = {});

struct PoolOptions {
  std::int64_t best = 50;  // of each source
};

/// What may be a candidate of one request.
struct PoolFilter {
  std::function<bool(data::ItemIndex)> admits = {};  // empty: all that the user has not taken
  /// Candidates whatever their scores, as far as they are admitted.
  std::vector<data::ItemIndex> also = {};
};

/// One user's candidates.
struct Pool {
  std::int64_t sources = 0;
  std::int64_t judges = 0;                  // of them, the last ones
  std::int64_t best = 0;                    // of each source
  std::vector<data::ItemIndex> items = {};  // [candidates]
  /// [candidates × sources] damped standard deviations from the mean of what the user has not
  /// taken (retrieval/standard_scores.h); 0 of a source that tells the items not apart.
  std::vector<float> scores = {};
  /// [candidates × sources] from 0; best + 1 beyond the best.
  std::vector<std::int32_t> ranks = {};

  std::size_t size() const { return items.size(); }
  std::size_t proposing() const { return static_cast<std::size_t>(sources - judges); }
  float score(std::size_t candidate, std::size_t source) const {
    return scores[candidate * static_cast<std::size_t>(sources) + source];
  }
  std::int32_t rank(std::size_t candidate, std::size_t source) const {
    return ranks[candidate * static_cast<std::size_t>(sources) + source];
  }
  /// The place of an item among the candidates.
  std::optional<std::size_t> find(data::ItemIndex item) const;
};

/// Places in the pool by the best rank that any source gives, then by the order they stand in.
std::vector<std::size_t> best_first(const Pool& pool);

inline bool holds(std::span<const data::ItemIndex> items, data::ItemIndex item) {
  return std::ranges::find(items, item) != items.end();
}

/// A number that follows from an item's and says nothing of it: what ties are broken by.
std::uint64_t tie_breaker(data::ItemIndex item);

/// Of one user. `go_on`, where there is one, is asked before each source; what it fails with ends
/// the whole. Errors: those of Retriever::score and of `go_on`.
Result<Pool> candidates(std::span<const CandidateSource> sources, const retrieval::Query& query,
                        const PoolOptions& options, const PoolFilter& filter = {},
                        const std::function<Result<void>()>& go_on = {});

/// A user of the data set whose next item is known, for learning and for measuring.
struct HeldOutPool {
  data::UserIndex user = 0;
  std::span<const data::ItemIndex> history;
  Pool pool = {};
  data::ItemIndex target = 0;
  std::int64_t place = -1;  // of the target in the pool; -1: not in it
  /// [sources] of the target among all items not taken, from 0; ties count against it.
  std::vector<std::int64_t> alone = {};
};

/// Of those of `users` who have an item held out, in their order; the same for any number of
/// threads. The pool is made of the history alone, the target is looked up in it afterwards.
/// Errors: those of Retriever::score and of `step`.
Result<std::vector<HeldOutPool>> held_out_pools(const data::Dataset& dataset, data::Split split,
                                                std::span<const data::UserIndex> users,
                                                std::span<const CandidateSource> sources,
                                                const PoolOptions& options,
                                                retrieval::TrainingThreads& threads,
                                                const retrieval::WorkStep& step);

}  // namespace rapport::palr
