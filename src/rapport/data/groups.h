// Users by what is known of them: the strata of a sample, the groups of per-group results.
//
//   TRY(const auto by, parse_group_by("gender,activity"));
//   const Grouping groups = group_users(dataset, by);
//   groups.names[groups.group_of[user]]                         // "F, high"
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/dataset.h"

namespace rapport::data {

enum class GroupBy { kAge, kGender, kOccupation, kRegion, kActivity };
/// "age", "gender", "occupation", "region", "activity".
std::string_view name(GroupBy by);
/// Names separated by commas, each once. Errors: kInvalidArgument that lists them.
Result<std::vector<GroupBy>> parse_group_by(std::string_view text);

struct Grouping {
  std::vector<std::string> names;      // sorted; none is of nobody
  std::vector<std::int32_t> group_of;  // [users] into `names`
};

/// One group for each combination that some user has; "unknown" where the source says nothing.
/// Activity is the length of the history: "low" up to the first tercile of all users, "medium" up
/// to the second, "high" above; users of one length are in one group, so groups may be of unequal
/// size. `by` empty: one group, "all".
Grouping group_users(const Dataset& dataset, std::span<const GroupBy> by);

}  // namespace rapport::data
