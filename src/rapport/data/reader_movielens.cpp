#include <fmt/format.h>

#include <array>

#include "rapport/base/text.h"
#include "rapport/data/attributes.h"
#include "rapport/data/readers.h"

namespace rapport::data {
namespace {

// The titles of MovieLens-100K and -1M are in ISO 8859-1.
constexpr Encoding kEncoding = Encoding::kUtf8OrLatin1;

// The flags of u.item, in their order.
constexpr std::array<const char*, 19> kFlags = {"",           "Action",  "Adventure", "Animation",
                                                "Children's", "Comedy",  "Crime",     "Documentary",
                                                "Drama",      "Fantasy", "Film-Noir", "Horror",
                                                "Musical",    "Mystery", "Romance",   "Sci-Fi",
                                                "Thriller",   "War",     "Western"};

/// What separates the fields of a file of MovieLens; "" for one with a header, as those since 20M.
Result<std::string> separator(const std::filesystem::path& path, const ReadOptions& options,
                              std::string_view usual) {
  TRY(const std::string line, first_line(path, options, kEncoding));
  for (const std::string_view known : {std::string_view("::"), usual})
    if (line.find(known) != std::string::npos) return std::string(known);
  if (line.find_first_of(",\t") != std::string::npos) return "";
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}:1: {} is no line of MovieLens: its fields are separated by ::, {}",
                          path.string(), shown(line),
                          usual == "\t" ? "tabs or commas" : "|, tabs or commas"));
}

Result<TableReader> open_table(const std::filesystem::path& path, const ReadOptions& options,
                               std::string separator, std::vector<std::string> columns,
                               std::size_t optional_columns = 0) {
  return TableReader::open(path,
                           {.separator = std::move(separator),
                            .columns = std::move(columns),
                            .optional_columns = optional_columns,
                            .encoding = kEncoding},
                           options);
}

std::vector<std::string> columns_of_u_item() {
  std::vector<std::string> columns = {"item_id", "title", "release_date", "video_date", "url"};
  for (std::size_t flag = 0; flag < kFlags.size(); ++flag)
    columns.push_back(fmt::format("flag {}", flag));
  return columns;
}

/// `u.item`: the genres are flags, and the year may be in the release date only ("01-Jan-1995").
Result<void> read_u_item(TableReader table, Source& source) {
  constexpr std::size_t kId = 0, kTitle = 1, kReleaseDate = 2, kFirstFlag = 5;
  FactTable facts(source.items, source.item_facts);
  while (true) {
    TRY(const bool more, table.next());
    if (!more) break;
    TRY(Item * item, facts.add(table[kId], table.lines()));
    if (item == nullptr) continue;
    item->title = base::trim(table[kTitle]);
    item->year = title_year(item->title);
    const std::string_view date = table[kReleaseDate];
    if (!item->year && date.size() > 4)
      item->year = title_year(fmt::format("({})", date.substr(date.size() - 4)));
    for (std::size_t flag = 0; flag < kFlags.size(); ++flag) {
      const std::string_view field = table[kFirstFlag + flag];
      if (field != "0" && field != "1") {
        return fail(table.error(
            fmt::format("the flag of genre {} is {}: expected 0 or 1", flag, shown(field))));
      }
      // The first says that the genre is unknown.
      if (field == "1" && flag > 0) item->categories.emplace_back(kFlags[flag]);
    }
  }
  note(source, "items described that nobody interacted with", facts.unused());
  note(source, "lines read as ISO 8859-1", table.lines().latin1_lines());
  return {};
}

}  // namespace

Result<void> read_movielens_ratings(const std::filesystem::path& path, const ReadOptions& options,
                                    Source& source) {
  TRY(std::string by, separator(path, options, "\t"));
  if (by.empty()) return read_csv_interactions(path, options, source);
  TRY(TableReader table,
      open_table(path, options, std::move(by), {"user_id", "item_id", "rating", "timestamp"}, 1));
  return read_interaction_table(std::move(table), source);
}

Result<void> read_movielens_movies(const std::filesystem::path& path, const ReadOptions& options,
                                   Source& source) {
  TRY(std::string by, separator(path, options, "|"));
  if (by.empty()) return read_csv_items(path, options, source);
  if (by == "|") {
    TRY(TableReader table, open_table(path, options, std::move(by), columns_of_u_item()));
    return read_u_item(std::move(table), source);
  }
  TRY(TableReader table, open_table(path, options, std::move(by), {"item_id", "title", "genres"}));
  return read_item_table(std::move(table), "|", source);
}

Result<void> read_movielens_users(const std::filesystem::path& path, const ReadOptions& options,
                                  Source& source) {
  TRY(std::string by, separator(path, options, "|"));
  if (by.empty()) return read_csv_users(path, options, source);
  std::vector<std::string> columns = {"user_id", "gender", "age", "occupation", "zip_code"};
  if (by == "|") std::swap(columns[1], columns[2]);
  TRY(TableReader table, open_table(path, options, std::move(by), std::move(columns)));
  return read_user_table(std::move(table), source);
}

}  // namespace rapport::data
