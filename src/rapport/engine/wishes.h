// What people say they want, read by rules against a catalogue: "something funny, no horror, before
// 1990". Rules rather than a model: they take microseconds, and what they do not understand they
// say, so that nobody is given a list that quietly ignores half of what they asked for.
//
//   const Wishes wishes = read_wishes("a comedy from the 80s, no musicals", "films", served);
//   if (!wishes.unread.empty()) … // words that no rule reads
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/engine/moods.h"
#include "rapport/engine/served_catalogue.h"

namespace rapport::engine {

struct Wishes {
  std::vector<CategoryIndex> categories;          // any of them
  std::vector<CategoryIndex> without_categories;  // none of them
  std::vector<BrandIndex> brands;                 // any of them
  std::vector<BrandIndex> without_brands;         // none of them
  std::optional<std::int32_t> year_from;          // inclusive
  std::optional<std::int32_t> year_to;
  std::optional<double> price_from;  // inclusive
  std::optional<double> price_to;
  std::vector<data::ItemIndex> like;  // alike to these
  std::vector<Mood> moods;
  std::vector<std::string> unread;  // as they were written
};

/// Reads the catalogue's categories ("comedies", "sci-fi") and brands ("by OPI"), "no …" and
/// "without …" before them, "before 1990", "after …", "since …", "from 1994", "between 1980 and
/// 1989", "in the 80s or 90s", "under $20", "between 10 and 20 dollars", "like Fargo", moods
/// ("something lighter", "less dark", "not too scary"), and skips words that ask for nothing ("some
/// good films, please"). `domain` as in RecommendOptions::domain.
Wishes read_wishes(std::string_view text, std::string_view domain, const ServedCatalogue& served);

/// What a chat message wishes for when all of it is a request for a recommendation of this domain
/// ("What should I watch tonight?", "Can you recommend a comedy from the 80s?"); nullopt for
/// anything else, and where in doubt. English.
std::optional<Wishes> read_recommendation_request(std::string_view message, std::string_view domain,
                                                  const ServedCatalogue& served);

}  // namespace rapport::engine
