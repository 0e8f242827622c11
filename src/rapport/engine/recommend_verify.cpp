#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "rapport/base/text.h"
#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {
namespace {

constexpr std::size_t kShown = 60;  // bytes of a client's own words in an error

Result<std::vector<CategoryIndex>> categories_of(const std::vector<std::string>& names,
                                                 const char* param, const ServedCatalogue& served) {
  std::vector<CategoryIndex> categories;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = served.find_category(names[i]);
    if (!found) {
      const std::string where = fmt::format("{}[{}]", param, i);
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} \"{}\" is no category of the catalogue {}: "
                              "GET /v1/catalogue lists them",
                              where, base::truncate(names[i], kShown), served.name()),
                  where);
    }
    categories.push_back(*found);
  }
  return categories;
}

Result<std::vector<BrandIndex>> brands_of(const std::vector<std::string>& names, const char* param,
                                          const ServedCatalogue& served) {
  std::vector<BrandIndex> brands;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = served.find_brand(names[i]);
    if (!found) {
      const std::string where = fmt::format("{}[{}]", param, i);
      const std::string near =
          base::nearest(base::truncate(names[i], kShown), served.brand_names());
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} \"{}\" is no brand of the catalogue {}{}", where,
                              base::truncate(names[i], kShown), served.name(),
                              served.brand_names().empty() ? ", which names none"
                              : near.empty()               ? ": its items name theirs"
                                             : fmt::format(": did you mean \"{}\"?", near)),
                  where);
    }
    brands.push_back(*found);
  }
  return brands;
}

/// The narrower of two bounds.
template <typename T>
std::optional<T> lower_of(std::optional<T> a, std::optional<T> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

bool any_of(std::span<const CategoryIndex> sorted, const std::vector<CategoryIndex>& wanted) {
  return std::ranges::any_of(
      wanted, [&](CategoryIndex each) { return std::ranges::binary_search(sorted, each); });
}

}  // namespace

Result<Allowed> Allowed::create(const RecommendationRequest& request, const Wishes& wishes,
                                const Taste& taste, const ServedCatalogue& served) {
  const RecommendationFilters& filters = request.filters;
  Allowed allowed;
  allowed.served_ = &served;
  TRY(allowed.wanted_, categories_of(filters.categories, "filters.categories", served));
  TRY(allowed.unwanted_,
      categories_of(filters.without_categories, "filters.without_categories", served));
  allowed.wished_ = wishes.categories;
  allowed.unwanted_.insert(allowed.unwanted_.end(), wishes.without_categories.begin(),
                           wishes.without_categories.end());
  allowed.avoided_ = taste.avoided;
  TRY(allowed.brands_, brands_of(filters.brands, "filters.brands", served));
  TRY(allowed.without_brands_, brands_of(filters.without_brands, "filters.without_brands", served));
  allowed.wished_brands_ = wishes.brands;
  allowed.without_brands_.insert(allowed.without_brands_.end(), wishes.without_brands.begin(),
                                 wishes.without_brands.end());
  // A query narrows what the application filters by and never widens it.
  allowed.year_from_ = std::max(filters.year_from, wishes.year_from);  // none is less than any
  allowed.year_to_ = lower_of(filters.year_to, wishes.year_to);
  allowed.price_from_ = std::max(filters.price_from, wishes.price_from);
  allowed.price_to_ = lower_of(filters.price_to, wishes.price_to);

  allowed.refused_.assign(static_cast<std::size_t>(served.catalogue().size()), nullptr);
  const auto refuse = [&](data::ItemIndex item, const char* why) {
    allowed.refused_[static_cast<std::size_t>(item)] = why;
  };
  for (std::size_t i = 0; i < filters.exclude.size(); ++i) {
    TRY(const data::ItemIndex item,
        served.require(filters.exclude[i], fmt::format("filters.exclude[{}]", i)));
    refuse(item, "the request excludes them");
  }
  if (!filters.include_seen) {
    for (const data::ItemIndex item : taste.seen) refuse(item, "the user knows them already");
  }
  for (const data::ItemIndex item : taste.hidden) refuse(item, "the user hid them");
  return allowed;
}

const char* Allowed::refuses(data::ItemIndex item) const {
  if (const char* why = refused_[static_cast<std::size_t>(item)]) return why;
  if (year_from_ || year_to_) {
    const auto year = served_->year(item);
    if (!year || (year_from_ && *year < *year_from_) || (year_to_ && *year > *year_to_)) {
      return "they are not of the years asked for";
    }
  }
  if (price_from_ || price_to_) {
    const auto price = served_->price(item);
    if (!price || (price_from_ && *price < *price_from_) || (price_to_ && *price > *price_to_)) {
      return "they are not of the prices asked for";
    }
  }
  const auto brand = served_->brand(item);
  const auto of_brand = [&](const std::vector<BrandIndex>& brands) {
    return brand && std::ranges::find(brands, *brand) != brands.end();
  };
  if (of_brand(without_brands_)) return "the request asks for none of their brand";
  if ((!brands_.empty() && !of_brand(brands_)) ||
      (!wished_brands_.empty() && !of_brand(wished_brands_))) {
    return "they are of none of the brands asked for";
  }
  const auto categories = served_->categories(item);
  if (any_of(categories, avoided_)) return "the user's setting avoided_categories";
  if (any_of(categories, unwanted_)) return "the request asks for none of their categories";
  const auto of_none = [&](const std::vector<CategoryIndex>& wanted) {
    return !wanted.empty() && !any_of(categories, wanted);
  };
  if (of_none(wanted_) || of_none(wished_)) return "they are in none of the categories asked for";
  return nullptr;
}

void verify(std::vector<Candidate>& candidates, const ServedCatalogue& served,
            const Allowed& allowed, std::vector<LeftOut>& left_out) {
  std::unordered_set<data::ItemIndex> known;
  std::erase_if(candidates, [&](const Candidate& each) {
    const char* why = nullptr;
    if (each.item < 0 || each.item >= served.catalogue().size()) {
      why = "it is not in the catalogue";
    } else if (!known.insert(each.item).second) {
      why = "it was proposed twice";
    } else {
      why = allowed.refuses(each.item);
    }
    if (why != nullptr) left_out.push_back({fmt::format("candidate {}", each.item), why});
    return why != nullptr;
  });
}

}  // namespace rapport::engine
