// Text files of columns: tab-separated, `::`, `|`, or CSV; with a header line or columns that are
// known beforehand.
//
//   TRY(TableReader table, TableReader::open("items.tsv", {.separator = "\t"}, {}));
//   TRY(const std::size_t id, table.require("the item", {"item_id", "itemId"}));
//   while (true) {
//     TRY(const bool more, table.next());
//     if (!more) break;
//     … table[id] … table.number(price) …
//   }
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/line_reader.h"

namespace rapport::data {

struct TableLayout {
  std::string separator = ",";
  /// Fields may stand in double quotes, where "" is a quote (RFC 4180). One may not run over the
  /// end of its line.
  bool quoted = false;
  /// RecBole: each name of the header is followed by ":token", ":token_seq", ":float" or
  /// ":float_seq".
  bool typed = false;
  /// For files without a header; else empty.
  std::vector<std::string> columns = {};
  /// How many of the last of `columns` a file may lack, in all its lines.
  std::size_t optional_columns = 0;
  Encoding encoding = Encoding::kUtf8;
};

/// Not thread-safe.
class TableReader {
 public:
  /// Errors: as LineReader's; kInvalidArgument for a header that names a column twice or without
  /// its type.
  static Result<TableReader> open(const std::filesystem::path& path, TableLayout layout,
                                  const ReadOptions& options);

  /// The first of `names` that the file has, as an index for `[]`.
  std::optional<std::size_t> column(std::initializer_list<std::string_view> names) const;
  /// Errors: kInvalidArgument that says what the file has instead.
  Result<std::size_t> require(std::string_view what,
                              std::initializer_list<std::string_view> names) const;

  /// False at the end. Errors: as LineReader's; kInvalidArgument for a line with another number of
  /// fields than the columns.
  Result<bool> next();
  /// Until the next `next`; "" for an optional column that the file lacks.
  std::string_view operator[](std::size_t column) const {
    return column < fields_.size() ? fields_[column] : std::string_view();
  }
  /// True after the first line of a file that lacks this optional column.
  bool lacks(std::size_t column) const { return column >= fewest_; }
  /// The field as a finite number; nullopt when it is empty. Errors: kInvalidArgument.
  Result<std::optional<double>> number(std::size_t column) const;

  /// "path:line: message".
  Error error(std::string_view message) const { return lines_.error(message); }
  const LineReader& lines() const { return lines_; }

 private:
  TableReader(LineReader lines, TableLayout layout)
      : lines_(std::move(lines)), layout_(std::move(layout)) {}

  Result<void> read_header();
  Result<void> check_columns();
  Result<void> split();
  Result<void> split_quoted();

  LineReader lines_;
  TableLayout layout_;
  std::vector<std::string> columns_;
  std::size_t fewest_ = 0;  // fields of each line
  bool is_first_ = false;   // the next line is the first without a header
  std::vector<std::string_view> fields_;
  std::string unquoted_;  // fields that had quotes, without them
};

/// A value for an error message: cut where it is long.
std::string shown(std::string_view value);
/// All of `text` as a finite number; nullopt for anything else.
std::optional<double> parse_number(std::string_view text);

}  // namespace rapport::data
