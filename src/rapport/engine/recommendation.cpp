#include "rapport/engine/recommendation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace rapport::engine {
namespace {

// "Toy Story (1995)". Whatever year it is: the catalogue's own may be one of a release elsewhere.
bool ends_with_year(std::string_view title) {
  constexpr std::string_view kLike = "(1995)";
  if (title.size() < kLike.size() || !title.ends_with(')')) return false;
  title.remove_prefix(title.size() - kLike.size());
  return title.front() == '(' && std::ranges::all_of(title.substr(1, 4), [](unsigned char c) {
           return std::isdigit(c) != 0;
         });
}

}  // namespace

std::string title_and_year(const RecommendedItem& item) {
  const std::string& title = item.title.empty() ? item.id : item.title;
  if (!item.year || ends_with_year(title)) return title;
  return fmt::format("{} ({})", title, *item.year);
}

}  // namespace rapport::engine
