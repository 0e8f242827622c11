#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "rapport/data/leave_one_out.h"
#include "rapport/palr/feature_families.h"
#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::palr {
namespace {

/// Items this close to each other, in places, are counted as following or accompanying.
constexpr std::size_t kFollowing = 3, kTogether = 20;

constexpr const char* kSoonAfterNewest = "how often it came soon after {newest}";

/// Counts of the training parts. Rows are sorted by column, so that a count is found by halving.
struct Counts {
  std::vector<float> taken;          // [items]
  retrieval::SparseMatrix follows;   // [items × items] of the row's item, within kFollowing places
  retrieval::SparseMatrix together;  // the same in either order, within kTogether
};

/// Sums what `pairs` has of each item; rows sorted.
retrieval::SparseMatrix counted(std::vector<std::vector<data::ItemIndex>> pairs) {
  retrieval::SparseMatrix matrix{.columns = static_cast<std::int64_t>(pairs.size())};
  for (std::vector<data::ItemIndex>& others : pairs) {
    std::ranges::sort(others);
    for (auto first = others.begin(); first != others.end();) {
      const auto last = std::upper_bound(first, others.end(), *first);
      matrix.indices.push_back(*first);
      matrix.values.push_back(static_cast<float>(last - first));
      first = last;
    }
    matrix.end_row();
    others = {};
  }
  return matrix;
}

float at(const retrieval::SparseMatrix& matrix, data::ItemIndex row, data::ItemIndex column) {
  const auto columns = matrix.row_indices(row);
  const auto found = std::ranges::lower_bound(columns, column);
  if (found == columns.end() || *found != column) return 0;
  return matrix.row_values(row)[static_cast<std::size_t>(found - columns.begin())];
}

Counts count(const data::Dataset& dataset) {
  const auto items = static_cast<std::size_t>(dataset.items());
  Counts counts{.taken = std::vector<float>(items), .follows = {}, .together = {}};
  std::vector<std::vector<data::ItemIndex>> follows(items), together(items);
  for (const auto history : data::training_histories(dataset)) {
    for (std::size_t i = 0; i < history.size(); ++i) {
      const auto item = static_cast<std::size_t>(history[i]);
      ++counts.taken[item];
      for (std::size_t j = i + 1; j < std::min(history.size(), i + 1 + kTogether); ++j) {
        if (j <= i + kFollowing) follows[item].push_back(history[j]);
        together[item].push_back(history[j]);
        together[static_cast<std::size_t>(history[j])].push_back(history[i]);
      }
    }
  }
  counts.follows = counted(std::move(follows));
  counts.together = counted(std::move(together));
  return counts;
}

class Interactions {
 public:
  Interactions(const data::Dataset& dataset, std::int64_t popularity_floor)
      : counts_(count(dataset)), floor_(static_cast<float>(popularity_floor)) {}

  float popularity(data::ItemIndex item) const {
    return std::max(floor_, counts_.taken[static_cast<std::size_t>(item)]);
  }
  /// Both divided by the counts, clipped as popularity is: a count of 1 of 1 would tell too.
  float follows(data::ItemIndex item, data::ItemIndex candidate) const {
    return at(counts_.follows, item, candidate) /
           std::sqrt(popularity(item) * popularity(candidate));
  }
  float together(data::ItemIndex item, data::ItemIndex candidate) const {
    return at(counts_.together, item, candidate) /
           std::sqrt(popularity(item) * popularity(candidate));
  }
  float times_following(data::ItemIndex item, data::ItemIndex candidate) const {
    return std::log1p(at(counts_.follows, item, candidate));
  }

 private:
  Counts counts_;
  float floor_;
};

}  // namespace

FeatureFamily interaction_features(const data::Dataset& dataset, std::int64_t popularity_floor) {
  const auto known = std::make_shared<const Interactions>(dataset, popularity_floor);
  FeatureFamily family;
  family.features = {
      {"popularity", "log of how often it was taken, no fewer than the floor",
       "how often it was taken"},
      {"follows_newest", "how often it came within 3 places after the newest item, by both counts",
       kSoonAfterNewest},
      {"follows_newest_count", "log(1 + how often it came within 3 places after the newest item)",
       kSoonAfterNewest},
      {"follows_second", "how often it came within 3 places after the second newest item",
       "how often it came soon after the item before"},
      {"follows_history", "the same for each item of the history, decayed, summed",
       "how often it came soon after what is in the history"},
      {"together_newest", "how often it was taken near the newest item, by both counts",
       "how often it went along with {newest}"},
      {"together_history", "the same for each item of the history, decayed, summed",
       "how often it went along with what is in the history"},
      {"together_most", "the same, of the item of the history with which it was taken most",
       "how often it went along with one item of the history"},
      {"history_length", "log(1 + items of the history)", "how long the history is", true}};
  family.compute = [known](const FeatureInput& input, std::span<float> values) -> Result<void> {
    const auto& history = input.history;
    const std::size_t read = std::min(history.size(), kHistoryRead);
    const auto age = [&](std::size_t a) { return history[history.size() - 1 - a]; };
    auto value = values.begin();
    for (const data::ItemIndex candidate : input.pool.items) {
      float follows = 0, together = 0, most = 0, weight = 1;
      for (std::size_t a = 0; a < read; ++a, weight *= kHistoryDecay) {
        follows += weight * known->follows(age(a), candidate);
        const float near = known->together(age(a), candidate);
        together += weight * near;
        most = std::max(most, near);
      }
      *value++ = std::log(known->popularity(candidate));
      *value++ = read > 0 ? known->follows(age(0), candidate) : 0;
      *value++ = read > 0 ? known->times_following(age(0), candidate) : 0;
      *value++ = read > 1 ? known->follows(age(1), candidate) : 0;
      *value++ = follows;
      *value++ = read > 0 ? known->together(age(0), candidate) : 0;
      *value++ = together;
      *value++ = most;
      *value++ = std::log1p(static_cast<float>(history.size()));
    }
    return {};
  };
  return family;
}

}  // namespace rapport::palr
