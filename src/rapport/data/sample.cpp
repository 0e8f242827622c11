#include "rapport/data/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rapport::data {
namespace {

Result<void> check(const SampleOptions& options) {
  const auto refuse = [](const char* option, const std::string& message) {
    return fail(ErrorCode::kInvalidArgument, message, option);
  };
  if (!(options.fraction > 0 && options.fraction <= 1))
    return refuse("fraction", fmt::format("the fraction is {}: it must be above 0 and at most 1",
                                          options.fraction));
  if (options.min_per_stratum < 1)
    return refuse(
        "min_per_stratum",
        fmt::format("the minimum per stratum is {}: a stratum without a user has no weight",
                    options.min_per_stratum));
  if (!(options.balance >= 0 && options.balance <= 1))
    return refuse("balance", fmt::format("the balance is {}: it must be from 0 (as the strata's "
                                         "sizes) to 1 (equal shares)",
                                         options.balance));
  return {};
}

/// `count` of `users`, each as likely as any other, in the users' order.
std::vector<UserIndex> draw(std::vector<UserIndex> users, std::int64_t count,
                            base::Random& random) {
  const auto drawn = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < drawn; ++i) {
    const auto left = static_cast<double>(users.size() - i);
    std::swap(users[i], users[i + static_cast<std::size_t>(random.uniform() * left)]);
  }
  users.resize(drawn);
  std::ranges::sort(users);
  return users;
}

Json to_json(const std::vector<Stratum>& strata) {
  Json list = Json::array();
  for (const Stratum& stratum : strata) {
    list.push_back({{"stratum", stratum.name},
                    {"population", stratum.population},
                    {"sampled", stratum.sampled},
                    {"weight", stratum.weight},
                    {"up_weighting", stratum.up_weighting}});
  }
  return list;
}

Result<Dataset> subset(const Dataset& dataset,
                       const std::vector<std::pair<UserIndex, double>>& users, std::string name,
                       Json source) {
  DatasetParts parts;
  parts.name = std::move(name);
  parts.source = std::move(source);
  parts.catalogue = dataset.catalogue();
  parts.graph = dataset.graph();
  parts.offsets.push_back(0);
  std::vector<Person> people;
  for (const auto& [user, weight] : users) {
    const auto history = dataset.history(user);
    const auto times = dataset.times(user);
    parts.sequence.insert(parts.sequence.end(), history.begin(), history.end());
    parts.times.insert(parts.times.end(), times.begin(), times.end());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    parts.weights.push_back(dataset.weight(user) * static_cast<float>(weight));
    people.push_back(dataset.people().person(user));
  }
  TRY(parts.people, People::create(std::move(people)));
  return Dataset::create(std::move(parts));
}

}  // namespace

std::vector<std::int64_t> allocate(std::span<const std::int64_t> sizes, std::int64_t total,
                                   std::int64_t minimum, double balance) {
  // Each gets scale × its share, held between its minimum and its size; the scale at which that
  // makes the total is found by halving, since the sum rises with it.
  std::vector<double> share(sizes.size());
  std::ranges::transform(sizes, share.begin(), [balance](std::int64_t size) {
    return std::pow(static_cast<double>(size), 1 - balance);
  });
  const auto amount = [&](std::size_t i, double scale) {
    return std::clamp(scale * share[i], static_cast<double>(std::min(minimum, sizes[i])),
                      static_cast<double>(sizes[i]));
  };
  double low = 0;
  double high = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    high = std::max(high, static_cast<double>(sizes[i]) / share[i]);
  for (int step = 0; step < 100; ++step) {
    const double middle = (low + high) / 2;
    double sum = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) sum += amount(i, middle);
    (sum < static_cast<double>(total) ? low : high) = middle;
  }
  // Whole users: the largest remainders are rounded up until the total is reached.
  std::vector<std::int64_t> counts(sizes.size());
  std::vector<std::size_t> by_remainder(sizes.size());
  std::iota(by_remainder.begin(), by_remainder.end(), 0u);
  for (std::size_t i = 0; i < sizes.size(); ++i)
    counts[i] = static_cast<std::int64_t>(std::floor(amount(i, low)));
  std::ranges::stable_sort(by_remainder, std::ranges::greater(), [&](std::size_t i) {
    return amount(i, low) - static_cast<double>(counts[i]);
  });
  std::int64_t missing = total - std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  for (const std::size_t i : by_remainder) {
    if (missing <= 0) break;
    if (counts[i] == sizes[i]) continue;
    ++counts[i];
    --missing;
  }
  return counts;
}

Result<Sample> sample(const Dataset& dataset, const SampleOptions& options, base::Random& random) {
  TRY_VOID(check(options));
  const Grouping grouping = group_users(dataset, options.strata);
  std::vector<std::vector<UserIndex>> users_of(grouping.names.size());
  for (UserIndex user = 0; user < dataset.users(); ++user)
    users_of[static_cast<std::size_t>(grouping.group_of[static_cast<std::size_t>(user)])].push_back(
        user);

  const auto population = static_cast<double>(dataset.users());
  std::vector<std::int64_t> sizes(users_of.size());
  std::ranges::transform(users_of, sizes.begin(),
                         [](const auto& users) { return static_cast<std::int64_t>(users.size()); });
  const std::vector<std::int64_t> counts = allocate(
      sizes, std::llround(options.fraction * population), options.min_per_stratum, options.balance);
  const auto sampled =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));

  std::vector<Stratum> strata;
  std::vector<std::pair<UserIndex, double>> chosen;
  for (std::size_t s = 0; s < counts.size(); ++s) {
    const auto size = static_cast<double>(sizes[s]);
    const auto count = static_cast<double>(counts[s]);
    strata.push_back({.name = grouping.names[s],
                      .population = sizes[s],
                      .sampled = counts[s],
                      .weight = size / count,
                      .up_weighting = count / sampled / (size / population)});
    for (const UserIndex user : draw(std::move(users_of[s]), counts[s], random))
      chosen.emplace_back(user, strata.back().weight);
  }
  std::ranges::sort(chosen);

  Json by = Json::array();
  for (const GroupBy one : options.strata) by.push_back(name(one));
  Json source = {
      {"sample_of",
       {{"name", dataset.name()}, {"checksum", dataset.checksum()}, {"source", dataset.source()}}},
      {"fraction", options.fraction},
      {"strata_by", std::move(by)},
      {"min_per_stratum", options.min_per_stratum},
      {"balance", options.balance},
      {"strata", to_json(strata)}};
  TRY(Dataset part, subset(dataset, chosen, options.name, std::move(source)));
  return Sample{.dataset = std::move(part), .strata = std::move(strata)};
}

}  // namespace rapport::data
