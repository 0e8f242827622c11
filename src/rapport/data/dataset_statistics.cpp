#include "rapport/data/dataset_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "rapport/data/groups.h"

namespace rapport::data {
namespace {

/// `counts` is not empty.
Spread spread(std::vector<std::int64_t> counts) {
  std::ranges::sort(counts);
  const std::size_t size = counts.size();
  return {
      .minimum = counts.front(),
      .median = static_cast<double>(counts[(size - 1) / 2] + counts[size / 2]) / 2,
      .mean = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})) /
              static_cast<double>(size),
      .maximum = counts.back()};
}

void add_histories(const Dataset& dataset, DatasetStatistics& found) {
  std::vector<std::int64_t> of_user, of_item(static_cast<std::size_t>(dataset.items()));
  for (UserIndex user = 0; user < dataset.users(); ++user) {
    const auto history = dataset.history(user);
    of_user.push_back(static_cast<std::int64_t>(history.size()));
    found.users_tested += history.size() >= 3 ? 1 : 0;
    found.users_represented += static_cast<double>(dataset.weight(user));
    for (const ItemIndex item : history) ++of_item[static_cast<std::size_t>(item)];
    if (const auto times = dataset.times(user); !times.empty()) {
      if (!found.times) found.times.emplace(times.front(), times.back());
      found.times->first = std::min(found.times->first, times.front());
      found.times->second = std::max(found.times->second, times.back());
    }
  }
  found.items_per_user = spread(std::move(of_user));
  found.users_per_item = spread(std::move(of_item));
}

void add_items(const Dataset& dataset, DatasetStatistics& found) {
  std::map<std::string, std::int64_t> categories;
  for (ItemIndex index = 0; index < dataset.items(); ++index) {
    const Item item = dataset.catalogue().item(index);
    found.items_with_title += item.title.empty() ? 0 : 1;
    found.items_with_year += item.year ? 1 : 0;
    found.items_with_categories += item.categories.empty() ? 0 : 1;
    for (const std::string& category : item.categories) ++categories[category];
  }
  found.categories.assign(categories.begin(), categories.end());
  std::ranges::stable_sort(found.categories, std::ranges::greater(),
                           &std::pair<std::string, std::int64_t>::second);
}

void add_groups(const Dataset& dataset, DatasetStatistics& found) {
  for (const GroupBy by : {GroupBy::kAge, GroupBy::kGender, GroupBy::kOccupation, GroupBy::kRegion,
                           GroupBy::kActivity}) {
    const Grouping grouping = group_users(dataset, {&by, 1});
    if (grouping.names == std::vector<std::string>{"unknown"}) continue;
    auto& counts = found.groups[std::string(name(by))];
    for (const std::int32_t group : grouping.group_of)
      ++counts[grouping.names[static_cast<std::size_t>(group)]];
  }
}

Json to_json(const Spread& spread) {
  return {{"minimum", spread.minimum},
          {"median", spread.median},
          {"mean", spread.mean},
          {"maximum", spread.maximum}};
}

double density(const Dataset& dataset) {
  return static_cast<double>(dataset.interactions()) /
         (static_cast<double>(dataset.users()) * static_cast<double>(dataset.items()));
}

}  // namespace

DatasetStatistics statistics(const Dataset& dataset) {
  DatasetStatistics found;
  found.users = dataset.users();
  found.items = dataset.items();
  found.interactions = dataset.interactions();
  found.density = density(dataset);
  add_histories(dataset, found);
  add_items(dataset, found);
  add_groups(dataset, found);
  found.edges = dataset.graph().size();
  found.relations = dataset.graph().relations();
  found.entities = dataset.graph().entities();
  return found;
}

Json to_json(const DatasetStatistics& found) {
  Json categories = Json::object();
  for (const auto& [category, items] : found.categories) categories[category] = items;
  return {{"users", found.users},
          {"items", found.items},
          {"interactions", found.interactions},
          {"density", found.density},
          {"items_per_user", to_json(found.items_per_user)},
          {"users_per_item", to_json(found.users_per_item)},
          {"users_tested", found.users_tested},
          {"users_represented", found.users_represented},
          {"times", found.times ? Json{found.times->first, found.times->second} : Json()},
          {"items_with_title", found.items_with_title},
          {"items_with_year", found.items_with_year},
          {"items_with_categories", found.items_with_categories},
          {"categories", std::move(categories)},
          {"groups", found.groups},
          {"graph",
           {{"edges", found.edges}, {"relations", found.relations}, {"entities", found.entities}}}};
}

std::string table_line(const Dataset& dataset) {
  return fmt::format(
      "{}: {} users, {} items, {} interactions ({:.1f} a user, {:.2f}% of all pairs)",
      dataset.name(), with_commas(dataset.users()), with_commas(dataset.items()),
      with_commas(dataset.interactions()),
      static_cast<double>(dataset.interactions()) / static_cast<double>(dataset.users()),
      100 * density(dataset));
}

std::string with_commas(std::int64_t number) {
  std::string text = fmt::format("{}", number);
  const std::size_t first_digit = number < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first_digit + 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

}  // namespace rapport::data
