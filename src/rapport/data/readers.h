// The formats, each in its own reader_NAME.cpp; source.cpp chooses among them. Each function reads
// one file into a source that has read the interactions first, and keeps only what is known of
// their users and items. Errors: as read_source's.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/line_reader.h"
#include "rapport/data/source.h"
#include "rapport/data/table_reader.h"

namespace rapport::data {

using ReadFile = Result<void> (*)(const std::filesystem::path&, const ReadOptions&, Source&);

/// MovieLens: `ratings.dat` (`user::item::rating[::time]`), `u.data` (the same by tabs).
Result<void> read_movielens_ratings(const std::filesystem::path&, const ReadOptions&, Source&);
/// `movies.dat` (`id::title::genre|genre`), `u.item` (`id|title|date|…|19 flags of genres`).
Result<void> read_movielens_movies(const std::filesystem::path&, const ReadOptions&, Source&);
/// `users.dat` (`id::gender::age::occupation::zip`), `u.user` (`id|age|gender|occupation|zip`).
Result<void> read_movielens_users(const std::filesystem::path&, const ReadOptions&, Source&);

/// Amazon reviews: JSON lines of 2014, 2018 and 2023, or the ratings CSV of the same years.
Result<void> read_amazon_reviews(const std::filesystem::path&, const ReadOptions&, Source&);
/// Amazon metadata, JSON lines.
Result<void> read_amazon_metadata(const std::filesystem::path&, const ReadOptions&, Source&);

/// `user item` or `user item item …` a line, in order of time.
Result<void> read_sequences(const std::filesystem::path&, const ReadOptions&, Source&);

/// RecBole's atomic files .inter, .item and .user.
Result<void> read_recbole_interactions(const std::filesystem::path&, const ReadOptions&, Source&);
Result<void> read_recbole_items(const std::filesystem::path&, const ReadOptions&, Source&);
Result<void> read_recbole_users(const std::filesystem::path&, const ReadOptions&, Source&);
/// RecBole's .kg and .link.
Result<void> read_triples(const std::filesystem::path&, const ReadOptions&, Source&);
Result<void> read_links(const std::filesystem::path&, const ReadOptions&, Source&);

/// Tables with a header: by commas (.csv) or tabs (.tsv, .txt), as the first line shows.
Result<void> read_csv_interactions(const std::filesystem::path&, const ReadOptions&, Source&);
Result<void> read_csv_items(const std::filesystem::path&, const ReadOptions&, Source&);
Result<void> read_csv_users(const std::filesystem::path&, const ReadOptions&, Source&);

// ---- What the readers share ---------------------------------------------------------------------

/// Facts of the source's users or items, one record each.
template <typename Facts>
class FactTable {
 public:
  /// `facts` gets a place for each of `ids`. Both must outlive the table.
  FactTable(const IdTable& ids, std::vector<Facts>& facts) : ids_(ids), facts_(facts) {
    facts_.resize(ids.size());
    lines_.resize(ids.size());
  }
  /// Where the facts of `id` go; null when no interaction has it. Errors: kInvalidArgument when an
  /// earlier line had the id.
  Result<Facts*> add(std::string_view id, const LineReader& lines) {
    if (id.empty()) return fail(lines.error("the id is empty"));
    const auto number = ids_.find(id);
    unused_ += number ? 0 : 1;
    if (!number) return nullptr;
    std::int64_t& line = lines_[static_cast<std::size_t>(*number)];
    if (line != 0)
      return fail(lines.error("the id " + shown(id) + " is that of line " + std::to_string(line)));
    line = lines.line();
    Facts& facts = facts_[static_cast<std::size_t>(*number)];
    facts.id = id;
    return &facts;
  }
  bool has(std::string_view id) const {
    const auto number = ids_.find(id);
    return number && lines_[static_cast<std::size_t>(*number)] != 0;
  }
  /// Records of ids that no interaction has.
  std::int64_t unused() const { return unused_; }

 private:
  const IdTable& ids_;
  std::vector<Facts>& facts_;
  std::vector<std::int64_t> lines_;  // [ids] where each was read, 0: not yet
  std::int64_t unused_ = 0;
};

/// A file's first line that is not blank.
Result<std::string> first_line(const std::filesystem::path& path, const ReadOptions& options,
                               Encoding encoding = Encoding::kUtf8);

/// Adds one interaction. Errors: kInvalidArgument for an empty id.
Result<void> add_interaction(Source& source, std::string_view user, std::string_view item,
                             const LineReader& lines);

/// Tables whose columns have names; those that are known are in named_tables.cpp.
Result<void> read_interaction_table(TableReader table, Source& source);
Result<void> read_item_table(TableReader table, std::string_view category_separator,
                             Source& source);
Result<void> read_user_table(TableReader table, Source& source);

/// Seconds since 1970 as milliseconds; a number beyond any date in seconds is taken for
/// milliseconds, as Amazon's of 2023 are. nullopt beyond those as well.
std::optional<std::int64_t> to_milliseconds(double time);

/// Takes the next word off the front of `rest`, which spaces and tabs separate; "" when there is
/// none.
std::string_view next_word(std::string_view& rest);

/// The parts between separators that are not empty.
std::vector<std::string> split_list(std::string_view text, std::string_view separator);

/// Adds to a count of `source.notes`.
void note(Source& source, const std::string& what, std::int64_t count);

}  // namespace rapport::data
