#include <fmt/format.h>

#include "rapport/base/json.h"
#include "rapport/base/text.h"
#include "rapport/data/readers.h"

namespace rapport::data {
namespace {

/// What an ASIN has; reviewers' ids have more.
constexpr std::size_t kAsinBytes = 10;

/// The first of `keys` that the object has with a value.
const Json* find(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = object.find(key);
    if (found != object.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

Result<Json> parse_line(const LineReader& lines) {
  auto json = base::parse_json(lines.text(), fmt::format("{}:{}", lines.path(), lines.line()),
                               {.max_bytes = lines.text().size()});
  if (!json) {
    // The metadata of 2014 were published as Python's own notation.
    if (lines.text().starts_with("{'")) {
      return fail(
          lines.error("the line is a Python literal, not JSON: convert the file, with "
                      "json.dumps(ast.literal_eval(line)) for each line"));
    }
    return fail(std::move(json).error());
  }
  if (!json->is_object()) return fail(lines.error("the line is no JSON object"));
  return json;
}

Result<std::string_view> required_text(const Json& object, std::string_view what,
                                       std::initializer_list<const char*> keys,
                                       const LineReader& lines) {
  const Json* found = find(object, keys);
  if (found == nullptr) {
    return fail(lines.error(
        fmt::format("there is no {}: expected the member \"{}\"", what, *keys.begin())));
  }
  if (!found->is_string()) return fail(lines.error(fmt::format("the {} is no text", what)));
  return std::string_view(found->get_ref<const std::string&>());
}

Result<void> add_time(const Json& object, const LineReader& lines, Source& source) {
  const Json* time = find(object, {"unixReviewTime", "timestamp", "sort_timestamp"});
  if (time == nullptr)
    return fail(lines.error("there is no time: expected the member \"unixReviewTime\""));
  const auto milliseconds = time->is_number() ? to_milliseconds(time->get<double>()) : std::nullopt;
  if (!milliseconds) {
    return fail(lines.error(fmt::format("the time is {}: expected a number of seconds since 1970",
                                        shown(base::dump_json(*time)))));
  }
  source.time_ms.push_back(*milliseconds);
  return {};
}

Result<void> read_review_lines(const std::filesystem::path& path, const ReadOptions& options,
                               Source& source) {
  TRY(LineReader lines, LineReader::open(path, options));
  while (true) {
    TRY(const bool more, lines.next());
    if (!more) return {};
    TRY(const Json review, parse_line(lines));
    TRY(const auto user, required_text(review, "user", {"reviewerID", "user_id"}, lines));
    // Of 2023 the metadata are by parent.
    TRY(const auto item, required_text(review, "item", {"parent_asin", "asin"}, lines));
    if (const Json* rating = find(review, {"overall", "rating"}); rating && !rating->is_number())
      return fail(lines.error("the rating is no number"));
    TRY_VOID(add_interaction(source, user, item, lines));
    TRY_VOID(add_time(review, lines, source));
  }
}

/// Of 2014 the columns without a header are user, item, rating, time; of 2018 the first two have
/// changed places; of 2023 there is a header.
Result<void> read_ratings_csv(const std::filesystem::path& path, const std::string& first,
                              const ReadOptions& options, Source& source) {
  if (first.find("user_id") != std::string::npos)
    return read_csv_interactions(path, options, source);
  std::vector<std::string> columns = {"user_id", "item_id", "rating", "timestamp"};
  const std::size_t first_end = std::min(first.find(','), first.size());
  const std::size_t second_end = std::min(first.find(',', first_end + 1), first.size());
  if (first_end == kAsinBytes && second_end - first_end - 1 > kAsinBytes)
    std::swap(columns[0], columns[1]);
  TRY(TableReader table,
      TableReader::open(path, {.separator = ",", .columns = std::move(columns)}, options));
  return read_interaction_table(std::move(table), source);
}

/// 12.5, "12.5" or "$1,012.50"; nullopt for what is no one price ("$5.00 - $7.50").
std::optional<double> price(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  std::string digits;
  for (const char c : value.get_ref<const std::string&>())
    if (c != '$' && c != ',') digits += c;
  return parse_number(base::trim(digits));
}

/// A list of texts, or one of lists of them: then the first, which is the shop's main path.
std::vector<std::string> categories(const Json& value) {
  const Json& list =
      value.is_array() && !value.empty() && value.front().is_array() ? value.front() : value;
  std::vector<std::string> texts;
  if (list.is_string()) texts.push_back(list);
  if (!list.is_array()) return texts;
  for (const Json& text : list)
    if (text.is_string()) texts.push_back(text);
  return texts;
}

std::string text(const Json* value) {
  return value != nullptr && value->is_string()
             ? std::string(base::trim(value->get_ref<const std::string&>()))
             : "";
}

}  // namespace

Result<void> read_amazon_reviews(const std::filesystem::path& path, const ReadOptions& options,
                                 Source& source) {
  const auto first = first_line(path, options);
  if (!first) return fail(first.error());
  if (first->starts_with('{')) return read_review_lines(path, options, source);
  return read_ratings_csv(path, *first, options, source);
}

Result<void> read_amazon_metadata(const std::filesystem::path& path, const ReadOptions& options,
                                  Source& source) {
  TRY(LineReader lines, LineReader::open(path, options));
  FactTable facts(source.items, source.item_facts);
  std::int64_t repeated = 0;
  std::int64_t odd_prices = 0;
  while (true) {
    TRY(const bool more, lines.next());
    if (!more) break;
    TRY(const Json product, parse_line(lines));
    TRY(const auto id, required_text(product, "item", {"parent_asin", "asin"}, lines));
    // The published files have some products twice.
    if (facts.has(id)) {
      ++repeated;
      continue;
    }
    TRY(Item * item, facts.add(id, lines));
    if (item == nullptr) continue;
    item->title = text(find(product, {"title"}));
    item->brand = text(find(product, {"brand", "store"}));
    if (const Json* given = find(product, {"categories", "category"}))
      item->categories = categories(*given);
    if (const Json* given = find(product, {"price"})) {
      item->price = price(*given);
      if (!item->price && *given != Json("")) ++odd_prices;
    }
    const Json* ranks = find(product, {"salesRank"});
    if (ranks != nullptr && ranks->is_object() && !ranks->empty() && ranks->front().is_number())
      item->sales_rank = ranks->front().get<double>();
  }
  note(source, "items described that nobody interacted with", facts.unused());
  note(source, "descriptions of an item that had one", repeated);
  note(source, "prices that are no single number", odd_prices);
  return {};
}

}  // namespace rapport::data
