// Data sets and scorers whose ranks can be worked out by hand.
#pragma once

#include <string>
#include <vector>

#include "rapport/data/dataset.h"
#include "rapport/evaluation/scorer.h"

namespace rapport::testing {

/// Users "user 0", … with these histories; items "item 0", … Weights and people as given, or none.
data::Dataset made_up_dataset(const std::vector<std::vector<data::ItemIndex>>& histories,
                              std::int64_t items, std::vector<float> weights = {},
                              std::vector<data::Person> people = {});

/// The same of items with these titles.
data::Dataset titled_dataset(const std::vector<std::vector<data::ItemIndex>>& histories,
                             const std::vector<std::string>& titles);

/// Histories of 0 to 30 distinct items (0 to `items` where those are fewer) for this many users,
/// the same for the same seed.
data::Dataset random_dataset(std::int64_t users, std::int64_t items, std::uint64_t seed);

/// Gives every user the same scores [items].
evaluation::Scorer same_for_all(std::vector<float> scores);

/// Scores that depend on user, history and item, with many ties; the same in any company.
evaluation::Scorer hashed(std::int64_t items);

}  // namespace rapport::testing
