#include "rapport/data/groups.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace rapport::data {
namespace {

struct Named {
  GroupBy by;
  std::string_view name;
};

constexpr Named kNames[] = {{GroupBy::kAge, "age"},
                            {GroupBy::kGender, "gender"},
                            {GroupBy::kOccupation, "occupation"},
                            {GroupBy::kRegion, "region"},
                            {GroupBy::kActivity, "activity"}};

/// The histories' lengths at a third and at two thirds of the users.
struct Terciles {
  std::size_t first = 0, second = 0;

  explicit Terciles(const Dataset& dataset) {
    std::vector<std::size_t> lengths(static_cast<std::size_t>(dataset.users()));
    for (UserIndex user = 0; user < dataset.users(); ++user)
      lengths[static_cast<std::size_t>(user)] = dataset.history(user).size();
    std::ranges::sort(lengths);
    first = lengths[(lengths.size() - 1) / 3];
    second = lengths[2 * (lengths.size() - 1) / 3];
  }
  std::string_view band(std::size_t length) const {
    if (length <= first) return "low";
    return length <= second ? "medium" : "high";
  }
};

std::string value(const Person& person, GroupBy by) {
  switch (by) {
    case GroupBy::kAge: return person.age_band;
    case GroupBy::kGender: return person.gender;
    case GroupBy::kOccupation: return person.occupation;
    case GroupBy::kRegion: return person.region;
    case GroupBy::kActivity: break;
  }
  return "";
}

}  // namespace

std::string_view name(GroupBy by) {
  return std::ranges::find(kNames, by, &Named::by)->name;
}

Result<std::vector<GroupBy>> parse_group_by(std::string_view text) {
  std::vector<GroupBy> parsed;
  while (true) {
    const std::size_t end = text.find(',');
    const std::string_view word = text.substr(0, end);
    const auto found = std::ranges::find(kNames, word, &Named::name);
    if (found == std::end(kNames) || std::ranges::find(parsed, found->by) != parsed.end()) {
      std::vector<std::string_view> names;
      for (const Named& named : kNames) names.push_back(named.name);
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("users cannot be grouped by \"{}\"{}: expected some of {}, separated "
                      "by commas",
                      word, found == std::end(kNames) ? "" : " twice", fmt::join(names, ", ")));
    }
    parsed.push_back(found->by);
    if (end == std::string_view::npos) return parsed;
    text.remove_prefix(end + 1);
  }
}

Grouping group_users(const Dataset& dataset, std::span<const GroupBy> by) {
  const Terciles terciles(dataset);
  std::map<std::string, std::vector<UserIndex>> users_of;
  for (UserIndex user = 0; user < dataset.users(); ++user) {
    const Person person = dataset.people().person(user);
    std::string group;
    for (const GroupBy one : by) {
      std::string own = one == GroupBy::kActivity
                            ? std::string(terciles.band(dataset.history(user).size()))
                            : value(person, one);
      if (own.empty()) own = "unknown";
      if (!group.empty()) group += ", ";
      group += own;
    }
    users_of[by.empty() ? "all" : group].push_back(user);
  }
  Grouping grouping;
  grouping.group_of.resize(static_cast<std::size_t>(dataset.users()));
  for (const auto& [group, users] : users_of) {
    for (const UserIndex user : users)
      grouping.group_of[static_cast<std::size_t>(user)] =
          static_cast<std::int32_t>(grouping.names.size());
    grouping.names.push_back(group);
  }
  return grouping;
}

}  // namespace rapport::data
