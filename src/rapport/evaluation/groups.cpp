#include "rapport/evaluation/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace rapport::evaluation {
namespace {

constexpr std::string_view kUnknown = "unknown";

// "5-9" before "18-24": runs of digits compare as numbers, all else byte by byte.
struct AsPeopleCount {
  bool operator()(std::string_view a, std::string_view b) const {
    while (!a.empty() && !b.empty()) {
      const std::size_t digits_a = digits(a), digits_b = digits(b);
      if (digits_a > 0 && digits_b > 0) {
        if (digits_a != digits_b) return digits_a < digits_b;
        const int order = a.substr(0, digits_a).compare(b.substr(0, digits_b));
        if (order != 0) return order < 0;
        a.remove_prefix(digits_a);
        b.remove_prefix(digits_b);
      } else {
        if (a.front() != b.front()) return a.front() < b.front();
        a.remove_prefix(1);
        b.remove_prefix(1);
      }
    }
    return a.size() < b.size();
  }

  static std::size_t digits(std::string_view text) {
    const auto end = std::ranges::find_if_not(
        text, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; });
    return static_cast<std::size_t>(end - text.begin());
  }
};

std::vector<std::string> by_activity(const data::Dataset& dataset) {
  constexpr std::size_t kQuarters = 4;
  std::vector<std::int64_t> counts;
  for (data::UserIndex user = 0; user < dataset.users(); ++user)
    counts.push_back(static_cast<std::int64_t>(dataset.history(user).size()));
  std::vector<std::int64_t> sorted = counts;
  std::ranges::sort(sorted);

  // The first count of each quarter. Users of equal count are never parted, so that fewer than four
  // are left where many are alike.
  std::vector<std::int64_t> first;
  for (std::size_t quarter = 0; quarter < kQuarters && !sorted.empty(); ++quarter)
    first.push_back(sorted[quarter * sorted.size() / kQuarters]);
  first.erase(std::unique(first.begin(), first.end()), first.end());

  std::vector<std::string> of_user;
  for (const std::int64_t count : counts) {
    const auto next = std::ranges::upper_bound(first, count);
    const std::int64_t low = *(next - 1);
    const std::int64_t high =
        next == first.end() ? sorted.back() : *(std::ranges::lower_bound(sorted, *next) - 1);
    of_user.push_back(low == high ? fmt::format("{} interactions", low)
                                  : fmt::format("{}-{} interactions", low, high));
  }
  return of_user;
}

Gap gap_of(const Metric& metric, std::span<const GroupResult* const> groups) {
  const auto mean = [&](const GroupResult* group) { return group->metrics.mean(metric); };
  const auto [worst, best] = std::ranges::minmax_element(groups, {}, mean);
  return {.metric = metric,
          .best = (*best)->name,
          .worst = (*worst)->name,
          .difference = mean(*best) - mean(*worst)};
}

}  // namespace

Result<std::vector<std::string>> groups_of_users(const data::Dataset& dataset,
                                                 std::string_view by) {
  if (by == "activity") return by_activity(dataset);
  static const std::map<std::string_view, std::string data::Person::*> kAttributes = {
      {"gender", &data::Person::gender},
      {"age_band", &data::Person::age_band},
      {"occupation", &data::Person::occupation},
      {"region", &data::Person::region},
  };
  const auto attribute = kAttributes.find(by);
  if (attribute == kAttributes.end()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("there are no groups by \"{}\": gender, age_band, occupation, region "
                            "and activity are known",
                            by));
  }
  std::vector<std::string> of_user(static_cast<std::size_t>(dataset.users()),
                                   std::string(kUnknown));
  bool any = false;
  for (data::UserIndex user = 0; user < dataset.people().size(); ++user) {
    std::string value = dataset.people().person(user).*attribute->second;
    if (value.empty()) continue;
    of_user[static_cast<std::size_t>(user)] = std::move(value);
    any = true;
  }
  if (!any) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("data set \"{}\" says nothing of its users' {}: prepare it with --users, "
                    "or group by activity",
                    dataset.name(), by));
  }
  return of_user;
}

Result<GroupResults> group_results(const FullRanking& ranking, std::string_view by,
                                   const std::vector<std::string>& of_user,
                                   const GroupOptions& options) {
  std::map<std::string, RankingMetrics, AsPeopleCount> metrics;
  for (const RankedUser& user : ranking.users)
    metrics[of_user[static_cast<std::size_t>(user.user)]].add(user.rank, user.weight);

  GroupResults results;
  results.by = by;
  for (auto& [name, of_group] : metrics) {
    TRY(auto estimates, estimate(of_group, reported_metrics(), options.bootstrap));
    results.groups.push_back({name, std::move(of_group), std::move(estimates)});
  }
  std::vector<const GroupResult*> large;
  for (const GroupResult& group : results.groups) {
    if (group.metrics.users() >= options.min_users) large.push_back(&group);
  }
  if (large.size() < 2) return results;
  for (const Metric& metric : reported_metrics()) results.gaps.push_back(gap_of(metric, large));
  return results;
}

}  // namespace rapport::evaluation
