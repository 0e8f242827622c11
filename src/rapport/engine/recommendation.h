// What a recommendation is, once made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/json.h"
#include "rapport/profile/settings.h"

namespace rapport::engine {

/// Why an item is in the list; each claim can be checked against the history and the catalogue.
struct Reason {
  std::string kind;  // "history", "influence", "mood", "ranking", "setting", "popularity"
  std::string text;  // what the item does: "shares Action with Star Wars, which you liked"
  Json evidence = Json::object();
};
/// {"kind", "text", "evidence"}.
Json to_json(const Reason& reason);

struct RecommendedItem {
  std::string id;
  std::string title;
  std::vector<std::string> categories;
  std::optional<std::int32_t> year;
  double score = 0;  // what it was ranked by: the ranker's, or the model's own
  std::vector<Reason> reasons;
};

/// As it is shown in a line of text: the title (the id where there is none) and its year, once.
std::string title_and_year(const RecommendedItem& item);

struct Recommendation {
  std::string id;         // "rec_…"
  std::string catalogue;  // the data set's name
  std::string model;      // the retriever's kind
  std::string ranker;     // the learned ranker's kind; "": the model's own order
  profile::Degree degree = profile::Degree::kGeneric;
  std::vector<RecommendedItem> items;  // best first; fewer than k when the filters leave no more
  base::UnixMillis created = 0;
};

}  // namespace rapport::engine
