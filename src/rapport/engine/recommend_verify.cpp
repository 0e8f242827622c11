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

Result<Wishes> wishes_of(const std::string& query, std::string_view domain,
                         const ServedCatalogue& served) {
  Wishes wishes = read_wishes(query, domain, served);
  if (wishes.unread.empty()) return wishes;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("query: no rule reads \"{}\"; categories of the catalogue, \"no …\" "
                          "before them, \"before 1990\", \"after …\", \"since …\", \"from …\" and "
                          "\"in the 80s\" are read",
                          base::truncate(wishes.unread.front(), kShown)),
              "query");
}

bool any_of(std::span<const CategoryIndex> sorted, const std::vector<CategoryIndex>& wanted) {
  return std::ranges::any_of(
      wanted, [&](CategoryIndex each) { return std::ranges::binary_search(sorted, each); });
}

}  // namespace

Result<Allowed> Allowed::create(const RecommendationRequest& request, const Taste& taste,
                                const ServedCatalogue& served, std::string_view domain) {
  const RecommendationFilters& filters = request.filters;
  Allowed allowed;
  allowed.served_ = &served;
  TRY(const Wishes wishes, wishes_of(request.query, domain, served));
  TRY(allowed.wanted_, categories_of(filters.categories, "filters.categories", served));
  TRY(allowed.unwanted_,
      categories_of(filters.without_categories, "filters.without_categories", served));
  allowed.wished_ = wishes.categories;
  allowed.unwanted_.insert(allowed.unwanted_.end(), wishes.without_categories.begin(),
                           wishes.without_categories.end());
  allowed.avoided_ = taste.avoided;
  // A query narrows what the application filters by and never widens it.
  allowed.year_from_ = std::max(filters.year_from, wishes.year_from);  // none is less than any
  allowed.year_to_ = filters.year_to;
  if (wishes.year_to && (!filters.year_to || *wishes.year_to < *filters.year_to)) {
    allowed.year_to_ = wishes.year_to;
  }

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
