#include "rapport/data/readers.h"

namespace rapport::data {
namespace {

/// With tabs in its header a table is one by tabs, without quoting.
Result<TableReader> open_table(const std::filesystem::path& path, const ReadOptions& options) {
  TRY(const std::string header, first_line(path, options));
  const bool tabs = header.find('\t') != std::string::npos;
  return TableReader::open(path, {.separator = tabs ? "\t" : ",", .quoted = !tabs}, options);
}

}  // namespace

Result<void> read_csv_interactions(const std::filesystem::path& path, const ReadOptions& options,
                                   Source& source) {
  TRY(TableReader table, open_table(path, options));
  return read_interaction_table(std::move(table), source);
}

Result<void> read_csv_items(const std::filesystem::path& path, const ReadOptions& options,
                            Source& source) {
  TRY(TableReader table, open_table(path, options));
  return read_item_table(std::move(table), "|", source);
}

Result<void> read_csv_users(const std::filesystem::path& path, const ReadOptions& options,
                            Source& source) {
  TRY(TableReader table, open_table(path, options));
  return read_user_table(std::move(table), source);
}

}  // namespace rapport::data
