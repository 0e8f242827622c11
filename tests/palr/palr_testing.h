// What the tests of this folder share: sources whose scores can be read off, trained ones, and a
// shop whose items have brands and titles.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/palr/candidates.h"
#include "rapport/palr/lot.h"
#include "rapport/retrieval/popularity.h"
#include "rapport/retrieval/registry.h"
#include "testing/made_up_data.h"

namespace rapport::palr {

/// Gives every user these scores.
inline CandidateSource counts(std::string name, std::vector<float> scores) {
  return {name, name, std::make_shared<retrieval::Popularity>(std::move(scores))};
}

inline CandidateSource trained(const std::string& kind, const data::Dataset& dataset) {
  const base::SystemClock clock;
  auto fit = retrieval::fit_retriever(kind, dataset, {}, {.clock = clock});
  if (!fit) throw std::runtime_error(fit.error().message);
  return {kind, kind + " " + dataset.checksum(), std::move(fit->model)};
}

inline std::vector<data::UserIndex> everyone(const data::Dataset& dataset) {
  std::vector<data::UserIndex> users(static_cast<std::size_t>(dataset.users()));
  std::iota(users.begin(), users.end(), 0);
  return users;
}

/// These users, each standing for themselves.
inline Lot lot_of(std::vector<data::UserIndex> users) {
  std::vector<float> weights(users.size(), 1.0f);
  return {std::move(users), std::move(weights)};
}

/// A shop of `brands` × 10 items. A user stays with one brand, takes `length` of its items in an
/// order by lot, and now and then one of another brand: what comes next can be learnt from the
/// brand alone.
inline data::Dataset brand_shop(std::int64_t users, std::int64_t brands, std::int64_t length,
                                std::uint64_t seed) {
  constexpr std::int64_t kOfABrand = 10;
  base::SplitMix64 random(seed);
  const auto draw = [&](std::int64_t bound) {
    return static_cast<std::int64_t>(base::below(static_cast<std::uint32_t>(random.next() >> 32),
                                                 static_cast<std::size_t>(bound)));
  };
  data::DatasetParts parts;
  parts.name = "shop";
  std::vector<data::Item> items;
  for (std::int64_t i = 0; i < brands * kOfABrand; ++i)
    items.push_back({.id = "item " + std::to_string(i),
                     .title = "thing " + std::to_string(i % kOfABrand),
                     .categories = {"all", "kind " + std::to_string(i % 3)},
                     .brand = "brand " + std::to_string(i / kOfABrand),
                     .year = 1990 + static_cast<std::int32_t>(i % 20),
                     .price = 1.0 + static_cast<double>(i % 7),
                     .sales_rank = static_cast<double>(1 + i)});
  parts.catalogue = data::Catalogue::create(std::move(items)).value();
  parts.offsets = {0};
  std::vector<data::Person> people;
  for (std::int64_t user = 0; user < users; ++user) {
    std::vector<data::ItemIndex> own(kOfABrand);
    std::iota(own.begin(), own.end(), static_cast<data::ItemIndex>(draw(brands) * kOfABrand));
    base::shuffle(std::span(own), random);
    own.resize(static_cast<std::size_t>(length));
    const auto stray = static_cast<data::ItemIndex>(draw(brands * kOfABrand));
    if (std::ranges::find(own, stray) == own.end()) own.front() = stray;
    parts.sequence.insert(parts.sequence.end(), own.begin(), own.end());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    people.push_back({.id = "user " + std::to_string(user)});
  }
  parts.people = data::People::create(std::move(people)).value();
  return data::Dataset::create(std::move(parts)).value();
}

/// The same data set but for its histories: those that `rewritten(user)` makes.
template <typename Rewritten>
data::Dataset with_histories(const data::Dataset& dataset, Rewritten&& rewritten) {
  data::DatasetParts parts;
  parts.name = dataset.name();
  parts.catalogue = dataset.catalogue();
  parts.people = dataset.people();
  parts.offsets = {0};
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    const std::vector<data::ItemIndex> history = rewritten(user);
    parts.sequence.insert(parts.sequence.end(), history.begin(), history.end());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
  }
  return data::Dataset::create(std::move(parts)).value();
}

/// The same data set but for the newest `held_out` items of each history: others, which the user
/// never took, stand in their place.
inline data::Dataset with_others_held_out(const data::Dataset& dataset, std::size_t held_out) {
  return with_histories(dataset, [&](data::UserIndex user) {
    const auto own = dataset.history(user);
    std::vector<data::ItemIndex> history(own.begin(),
                                         own.end() - static_cast<std::ptrdiff_t>(held_out));
    for (data::ItemIndex other = 0; history.size() < own.size(); ++other)
      if (!holds(own, other)) history.push_back(other);
    return history;
  });
}

}  // namespace rapport::palr
