// What an evaluation found, as one JSON document and as a page to read.
//
//   Report report{.model = "sasrec", .split = data::Split::kTest, …};
//   print(dump_json(to_json(report)));   // {"model":"sasrec","split":"test","users":6040,"hr@5":…
//   print(to_markdown(report));          // | metric | sasrec | 95 % interval | …
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/comparison.h"
#include "rapport/evaluation/groups.h"

namespace rapport::evaluation {

/// Another system on the same users.
struct Against {
  std::string model;
  RankingMetrics metrics;
  std::vector<Estimate> differences;  // of the report's model minus this one
};

struct Report {
  std::string model;          // its kind: "sasrec"
  std::string data;           // the data set's name
  std::string data_checksum;  // of the data set
  data::Split split = data::Split::kTest;
  RankingMetrics metrics;
  std::vector<Estimate> estimates;  // of the reported metrics
  double confidence = 0.95;         // of all intervals
  std::int64_t skipped = 0;         // users without a held-out item
  double seconds = 0;               // of scoring and ranking the model's users
  std::string by;                   // what users are grouped by: "gender"
  std::optional<GroupResults> groups;
  std::optional<Against> against;
};

/// The keys of the reported metrics ("hr@10", …, "mrr") beside "model", "split", "users",
/// "seconds"; "intervals", and "groups", "gap" and "against" where there are any.
Json to_json(const Report& report);

/// A table of the metrics, and one of the groups where there are any.
std::string to_markdown(const Report& report);

/// A Markdown table whose columns line up: the first to the left, the others to the right.
/// Precondition: each row is as long as the header. A "|" within a cell is escaped.
std::string markdown_table(const std::vector<std::string>& header,
                           const std::vector<std::vector<std::string>>& rows);

}  // namespace rapport::evaluation
