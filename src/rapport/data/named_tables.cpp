// Tables whose columns have names: the names that are known, and what is made of them.
#include <fmt/format.h>

#include <cmath>

#include "rapport/base/text.h"
#include "rapport/data/attributes.h"
#include "rapport/data/readers.h"

namespace rapport::data {
namespace {

/// Reads every record of `table` with `take`, which gets the line.
template <typename Take>
Result<void> for_each_line(TableReader& table, Take take) {
  while (true) {
    TRY(const bool more, table.next());
    if (!more) return {};
    TRY_VOID(take());
  }
}

void note_latin1(Source& source, const TableReader& table) {
  note(source, "lines read as ISO 8859-1", table.lines().latin1_lines());
}

/// The text of an optional column, trimmed.
std::string_view text(const TableReader& table, std::optional<std::size_t> column) {
  return column ? base::trim(table[*column]) : std::string_view();
}

Result<std::optional<double>> number(const TableReader& table, std::optional<std::size_t> column) {
  if (!column) return std::nullopt;
  return table.number(*column);
}

/// A source's way of saying that it does not know.
std::string_view unless_unknown(std::string_view brand) {
  return brand == "Unknown" || brand == "unknown" ? std::string_view() : brand;
}

/// Of the column, else of the title. A text that is no year is counted: MovieLens-100K has
/// "unkonwn".
std::optional<std::int32_t> year(std::string_view given, std::string_view title,
                                 std::int64_t& unreadable) {
  if (given.empty()) return title_year(title);
  const auto number = parse_number(given);
  if (number && std::floor(*number) == *number && std::abs(*number) <= 9999)
    return static_cast<std::int32_t>(*number);
  ++unreadable;
  return title_year(title);
}

}  // namespace

Result<void> read_interaction_table(TableReader table, Source& source) {
  TRY(const std::size_t user,
      table.require("the user", {"user_id", "userId", "user", "reviewerID", "uid"}));
  TRY(const std::size_t item,
      table.require("the item", {"item_id", "itemId", "movieId", "movie_id", "item", "parent_asin",
                                 "asin", "product_id", "productId"}));
  const auto rating = table.column({"rating", "overall", "score", "stars"});
  const auto time = table.column({"timestamp", "time", "unixReviewTime"});
  bool has_times = time.has_value();
  TRY_VOID(for_each_line(table, [&]() -> Result<void> {
    TRY_VOID(add_interaction(source, table[user], table[item], table.lines()));
    // Any rating is an interaction, but what is no rating is a broken file.
    TRY_VOID(number(table, rating));
    if (!has_times) return {};
    TRY(const std::optional<double> given, table.number(*time));
    // A file whose last columns are optional may lack them in all its lines.
    if (!given && source.time_ms.empty() && table.lacks(*time)) {
      has_times = false;
      return {};
    }
    if (!given) return fail(table.error("the time is empty"));
    const auto milliseconds = to_milliseconds(*given);
    if (!milliseconds) {
      return fail(table.error(fmt::format(
          "the time is {}: expected seconds since 1970, or milliseconds", shown(table[*time]))));
    }
    source.time_ms.push_back(*milliseconds);
    return {};
  }));
  note_latin1(source, table);
  return {};
}

Result<void> read_item_table(TableReader table, std::string_view category_separator,
                             Source& source) {
  TRY(const std::size_t id,
      table.require("the item", {"item_id", "itemId", "movieId", "movie_id", "item", "parent_asin",
                                 "asin", "product_id", "productId", "id"}));
  const auto title = table.column({"title", "movie_title", "name"});
  const auto categories =
      table.column({"genres", "genre", "categories", "category", "class", "main_category"});
  const auto brand = table.column({"brand", "manufacturer", "publisher"});
  const auto release = table.column({"year", "release_year"});
  const auto price = table.column({"price"});
  const auto sales_rank = table.column({"sales_rank"});
  FactTable facts(source.items, source.item_facts);
  std::int64_t unreadable_years = 0;
  TRY_VOID(for_each_line(table, [&]() -> Result<void> {
    TRY(Item * item, facts.add(table[id], table.lines()));
    if (item == nullptr) return {};
    item->title = text(table, title);
    item->brand = unless_unknown(text(table, brand));
    item->categories = split_list(text(table, categories), category_separator);
    if (item->categories == std::vector<std::string>{"(no genres listed)"})
      item->categories.clear();
    item->year = year(text(table, release), item->title, unreadable_years);
    TRY(item->price, number(table, price));
    TRY(item->sales_rank, number(table, sales_rank));
    return {};
  }));
  note(source, "items described that nobody interacted with", facts.unused());
  note(source, "years that are no whole number", unreadable_years);
  note_latin1(source, table);
  return {};
}

Result<void> read_user_table(TableReader table, Source& source) {
  TRY(const std::size_t id, table.require("the user", {"user_id", "userId", "user", "uid", "id"}));
  const auto age = table.column({"age"});
  const auto band = table.column({"age_band"});
  const auto gender = table.column({"gender", "sex"});
  const auto work = table.column({"occupation"});
  const auto zip = table.column({"zip_code", "zip", "zipcode", "zip-code", "postal_code"});
  const auto place = table.column({"region"});
  FactTable facts(source.users, source.user_facts);
  TRY_VOID(for_each_line(table, [&]() -> Result<void> {
    TRY(Person * person, facts.add(table[id], table.lines()));
    if (person == nullptr) return {};
    person->age_band = text(table, band);
    TRY(const std::optional<double> years, number(table, age));
    if (years && person->age_band.empty()) {
      person->age_band = age_band(*years);
      if (person->age_band.empty())
        return fail(table.error(fmt::format("the age is {}: expected 0 to 150", *years)));
    }
    person->gender = text(table, gender);
    // A number is MovieLens-1M's code, anything else the words themselves.
    const std::string_view given = text(table, work);
    person->occupation = given;
    if (const auto code = parse_number(given)) {
      person->occupation = occupation(*code);
      if (person->occupation.empty()) {
        return fail(table.error(
            fmt::format("the occupation is {}: expected a code from 0 to 20, or words", *code)));
      }
    }
    person->region = text(table, place);
    if (person->region.empty()) person->region = region(text(table, zip));
    return {};
  }));
  note(source, "users described who did not interact with anything", facts.unused());
  note_latin1(source, table);
  return {};
}

}  // namespace rapport::data
