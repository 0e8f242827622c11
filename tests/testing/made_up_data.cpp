#include "testing/made_up_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "rapport/base/random.h"

namespace rapport::testing {

namespace {

std::vector<data::Item> numbered_items(std::int64_t count) {
  std::vector<data::Item> items(static_cast<std::size_t>(count));
  for (std::size_t item = 0; item < items.size(); ++item)
    items[item].id = fmt::format("item {}", item);
  return items;
}

data::Dataset dataset_of(const std::vector<std::vector<data::ItemIndex>>& histories,
                         std::vector<data::Item> catalogue, std::vector<float> weights,
                         std::vector<data::Person> people) {
  data::DatasetParts parts;
  parts.name = "made up";
  parts.offsets = {0};
  for (const auto& history : histories) {
    parts.sequence.insert(parts.sequence.end(), history.begin(), history.end());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
  }
  parts.weights = std::move(weights);
  people.resize(histories.size());
  for (std::size_t user = 0; user < people.size(); ++user)
    people[user].id = fmt::format("user {}", user);
  // A fault in a test's own data shows as the exception of value().
  parts.catalogue = data::Catalogue::create(std::move(catalogue)).value();
  parts.people = data::People::create(std::move(people)).value();
  return data::Dataset::create(std::move(parts)).value();
}

}  // namespace

data::Dataset made_up_dataset(const std::vector<std::vector<data::ItemIndex>>& histories,
                              std::int64_t items, std::vector<float> weights,
                              std::vector<data::Person> people) {
  return dataset_of(histories, numbered_items(items), std::move(weights), std::move(people));
}

data::Dataset titled_dataset(const std::vector<std::vector<data::ItemIndex>>& histories,
                             const std::vector<std::string>& titles) {
  std::vector<data::Item> items = numbered_items(static_cast<std::int64_t>(titles.size()));
  for (std::size_t item = 0; item < items.size(); ++item) items[item].title = titles[item];
  return dataset_of(histories, std::move(items), {}, {});
}

data::Dataset random_dataset(std::int64_t users, std::int64_t items, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  std::vector<std::vector<data::ItemIndex>> histories;
  std::vector<data::ItemIndex> shuffled(static_cast<std::size_t>(items));
  std::iota(shuffled.begin(), shuffled.end(), 0);
  for (std::int64_t user = 0; user < users; ++user) {
    const auto length = static_cast<std::size_t>(
        random.next() % (std::min<std::uint64_t>(30, static_cast<std::uint64_t>(items)) + 1));
    for (std::size_t i = 0; i < length; ++i)
      std::swap(shuffled[i], shuffled[i + random.next() % (shuffled.size() - i)]);
    histories.emplace_back(shuffled.begin(),
                           shuffled.begin() + static_cast<std::ptrdiff_t>(length));
  }
  return made_up_dataset(histories, items);
}

evaluation::Scorer same_for_all(std::vector<float> scores) {
  return
      [scores](std::span<const evaluation::Query> queries, std::span<float> out) -> Result<void> {
        for (std::size_t row = 0; row < queries.size(); ++row)
          std::ranges::copy(scores, out.begin() + static_cast<std::ptrdiff_t>(row * scores.size()));
        return {};
      };
}

evaluation::Scorer hashed(std::int64_t items) {
  return [items](std::span<const evaluation::Query> queries, std::span<float> out) -> Result<void> {
    auto next = out.begin();
    for (const evaluation::Query& query : queries) {
      std::uint64_t seed = static_cast<std::uint64_t>(query.user);
      for (const data::ItemIndex item : query.history)
        seed = 31 * seed + static_cast<std::uint64_t>(item);
      base::SplitMix64 random(seed);
      for (std::int64_t item = 0; item < items; ++item)
        *next++ = static_cast<float>(random.next() % 50);
    }
    return {};
  };
}

}  // namespace rapport::testing
