#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/text.h"
#include "rapport/palr/feature_families.h"

namespace rapport::palr {
namespace {

constexpr std::int32_t kNone = -1;

constexpr const char* kBrandShare = "how much of the history is of its brand";
constexpr const char* kCategoryShare = "what categories it shares with the history";

/// What the catalogue says of each item, as numbers that can be compared.
struct Attributes {
  std::vector<std::int32_t> brand;                    // [items], kNone where it has none
  std::vector<std::vector<std::int32_t>> categories;  // [items], sorted, each once
  std::vector<std::int32_t> kind;                     // [items] of all its categories together
  std::vector<std::optional<float>> year;             // [items] decades

  bool has_brands = false, has_categories = false, has_years = false;
};

/// The same number for the same key, from 0.
template <typename Key>
std::int32_t number_of(std::map<Key, std::int32_t>& numbers, const Key& key) {
  return numbers.try_emplace(key, static_cast<std::int32_t>(numbers.size())).first->second;
}

Attributes read_attributes(const data::Catalogue& catalogue) {
  Attributes found;
  std::map<std::string, std::int32_t> brands, categories;
  std::map<std::vector<std::int32_t>, std::int32_t> kinds;
  for (data::ItemIndex i = 0; i < catalogue.size(); ++i) {
    const data::Item item = catalogue.item(i);
    const std::string brand = base::fold_case(base::trim(item.brand));
    // A shop's word for none would make strangers of one brand.
    const bool known = !brand.empty() && brand != "unknown";
    found.brand.push_back(known ? number_of(brands, brand) : kNone);
    std::vector<std::int32_t> own;
    for (const std::string& category : item.categories)
      own.push_back(number_of(categories, base::fold_case(base::trim(category))));
    std::ranges::sort(own);
    own.erase(std::unique(own.begin(), own.end()), own.end());
    found.kind.push_back(own.empty() ? kNone : number_of(kinds, own));
    found.categories.push_back(std::move(own));
    found.year.push_back(item.year ? std::optional(static_cast<float>(*item.year) / 10)
                                   : std::nullopt);
    found.has_brands = found.has_brands || known;
    found.has_categories = found.has_categories || found.kind.back() != kNone;
    found.has_years = found.has_years || item.year.has_value();
  }
  return found;
}

float same(std::int32_t a, std::int32_t b) {
  return a != kNone && a == b ? 1.0f : 0.0f;
}

/// Shared categories over all that either has.
float overlap(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  std::size_t shared = 0;
  for (const std::int32_t each : a) shared += std::ranges::binary_search(b, each) ? 1 : 0;
  const std::size_t all = a.size() + b.size() - shared;
  return all == 0 ? 0 : static_cast<float>(shared) / static_cast<float>(all);
}

/// The mean of value(item) over the whole history, and decayed over its newest items.
template <typename Value>
float mean_over(std::span<const data::ItemIndex> history, const Value& value) {
  float sum = 0;
  for (const data::ItemIndex item : history) sum += value(item);
  return history.empty() ? 0 : sum / static_cast<float>(history.size());
}
template <typename Value>
float decayed_over(std::span<const data::ItemIndex> history, const Value& value) {
  float sum = 0, weights = 0, weight = 1;
  const std::size_t read = std::min(history.size(), kHistoryRead);
  for (std::size_t a = 0; a < read; ++a, weight *= kHistoryDecay) {
    sum += weight * value(history[history.size() - 1 - a]);
    weights += weight;
  }
  return weights == 0 ? 0 : sum / weights;
}

std::vector<Feature> names_of(const Attributes& has) {
  std::vector<Feature> features;
  if (has.has_brands) {
    features.push_back({"brand_newest", "1 where it is of the newest item's brand",
                        "whether {newest} is of its brand"});
    features.push_back({"brand_share", "share of the history that is of its brand", kBrandShare});
    features.push_back({"brand_recent", "the same, decayed", kBrandShare});
  }
  if (has.has_categories) {
    features.push_back({"category_newest", "categories shared with the newest item, of all of both",
                        "what categories it shares with {newest}"});
    features.push_back({"category_share", "the same, mean over the history", kCategoryShare});
    features.push_back({"category_recent", "the same, decayed mean", kCategoryShare});
    features.push_back({"kind_newest", "1 where it has just the newest item's categories",
                        "whether {newest} has the same categories"});
    features.push_back({"kind_share", "share of the history that has just its categories",
                        "how much of the history has the same categories"});
  }
  if (has.has_years) {
    features.push_back({"year", "decade of its release; the mean of all where it is unknown",
                        "when it was released"});
    features.push_back({"year_newest", "decades between its release and the newest item's",
                        "how far its release is from that of {newest}"});
    features.push_back({"year_recent", "the same beside each item of the history, decayed mean",
                        "how far its release is from those of the history"});
  }
  return features;
}

float mean_year(const std::vector<std::optional<float>>& years) {
  float sum = 0, known = 0;
  for (const auto& year : years) {
    sum += year.value_or(0);
    known += year ? 1.0f : 0.0f;
  }
  return known == 0 ? 0 : sum / known;
}

}  // namespace

FeatureFamily attribute_features(const data::Dataset& dataset) {
  const auto has = std::make_shared<const Attributes>(read_attributes(dataset.catalogue()));
  const float usual_year = mean_year(has->year);
  FeatureFamily family{.features = names_of(*has), .compute = {}};
  family.compute = [has, usual_year](const FeatureInput& input,
                                     std::span<float> values) -> Result<void> {
    const auto& history = input.history;
    const auto newest = history.last(std::min<std::size_t>(history.size(), 1));
    auto value = values.begin();
    for (const data::ItemIndex candidate : input.pool.items) {
      const auto own = static_cast<std::size_t>(candidate);
      const auto brand = [&](data::ItemIndex item) {
        return same(has->brand[static_cast<std::size_t>(item)], has->brand[own]);
      };
      const auto category = [&](data::ItemIndex item) {
        return overlap(has->categories[static_cast<std::size_t>(item)], has->categories[own]);
      };
      const auto kind = [&](data::ItemIndex item) {
        return same(has->kind[static_cast<std::size_t>(item)], has->kind[own]);
      };
      const auto years_between = [&](data::ItemIndex item) {
        const auto& other = has->year[static_cast<std::size_t>(item)];
        return other && has->year[own] ? std::abs(*other - *has->year[own]) : 0.0f;
      };
      if (has->has_brands) {
        *value++ = mean_over(newest, brand);
        *value++ = mean_over(history, brand);
        *value++ = decayed_over(history, brand);
      }
      if (has->has_categories) {
        *value++ = mean_over(newest, category);
        *value++ = mean_over(history, category);
        *value++ = decayed_over(history, category);
        *value++ = mean_over(newest, kind);
        *value++ = mean_over(history, kind);
      }
      if (has->has_years) {
        *value++ = has->year[own].value_or(usual_year);
        *value++ = mean_over(newest, years_between);
        *value++ = decayed_over(history, years_between);
      }
    }
    return {};
  };
  return family;
}

FeatureFamily metadata_features(const data::Dataset& dataset) {
  struct Declared {
    std::string name, meaning;
    std::vector<std::optional<float>> logs;  // [items]
    float usual = 0;                         // their mean
  };
  Declared price{"price", "price", {}, 0}, sales_rank{"sales_rank", "sales rank", {}, 0};
  const auto log_of = [](const std::optional<double>& number) {
    return number && *number >= 0 ? std::optional(static_cast<float>(std::log1p(*number)))
                                  : std::nullopt;
  };
  for (data::ItemIndex i = 0; i < dataset.items(); ++i) {
    const data::Item item = dataset.catalogue().item(i);
    price.logs.push_back(log_of(item.price));
    sales_rank.logs.push_back(log_of(item.sales_rank));
  }
  auto declared = std::make_shared<std::vector<Declared>>();
  FeatureFamily family;
  for (Declared* each : {&price, &sales_rank}) {
    if (std::ranges::none_of(each->logs, [](const auto& log) { return log.has_value(); })) continue;
    each->usual = mean_year(each->logs);
    family.features.push_back({each->name, "log(1 + " + each->meaning + "), the mean where unknown",
                               "its " + each->meaning});
    family.features.push_back({each->name + "_known", "1 where the " + each->meaning + " is known",
                               "whether its " + each->meaning + " is known"});
    family.features.push_back(
        {each->name + "_away",
         "how far the " + each->meaning + " is from the mean of the history's, in logarithms",
         "how far its " + each->meaning + " is from those of the history"});
    declared->push_back(std::move(*each));
  }
  family.compute = [declared](const FeatureInput& input, std::span<float> values) -> Result<void> {
    auto value = values.begin();
    for (const data::ItemIndex candidate : input.pool.items) {
      for (const Declared& each : *declared) {
        const auto log = [&](data::ItemIndex item) {
          return each.logs[static_cast<std::size_t>(item)].value_or(each.usual);
        };
        *value++ = log(candidate);
        *value++ = each.logs[static_cast<std::size_t>(candidate)] ? 1.0f : 0.0f;
        *value++ = input.history.empty()
                       ? 0.0f
                       : std::abs(log(candidate) - decayed_over(input.history, log));
      }
    }
    return {};
  };
  return family;
}

}  // namespace rapport::palr
