// What a data set is like, in numbers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/data/dataset.h"

namespace rapport::data {

struct Spread {
  std::int64_t minimum = 0;
  double median = 0;
  double mean = 0;
  std::int64_t maximum = 0;
};

struct DatasetStatistics {
  std::int64_t users = 0, items = 0, interactions = 0;
  double density = 0;  // interactions / (users × items)
  Spread items_per_user, users_per_item;
  std::int64_t users_tested = 0;  // those with at least three items
  double users_represented = 0;   // the sum of weights; `users` unless it is a sample
  /// Seconds since 1970, the first and the last.
  std::optional<std::pair<std::int64_t, std::int64_t>> times;
  std::int64_t items_with_title = 0, items_with_year = 0, items_with_categories = 0;
  std::vector<std::pair<std::string, std::int64_t>>
      categories;  // of items, the most frequent first
  /// For "age", "gender", …, where the source says anything: value → users.
  std::map<std::string, std::map<std::string, std::int64_t>> groups;
  std::int64_t edges = 0, relations = 0, entities = 0;
};

DatasetStatistics statistics(const Dataset& dataset);
Json to_json(const DatasetStatistics& statistics);

/// "ml-1m: 6,040 users, 3,416 items, 999,611 interactions (165.5 a user, 4.84% of all pairs)": a
/// row of the paper's Table 1.
std::string table_line(const Dataset& dataset);

/// 1234567 as "1,234,567".
std::string with_commas(std::int64_t number);

}  // namespace rapport::data
