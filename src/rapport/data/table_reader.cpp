#include "rapport/data/table_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include "rapport/base/text.h"

namespace rapport::data {
namespace {

constexpr std::array<std::string_view, 4> kTypes = {"token", "token_seq", "float", "float_seq"};

/// Bytes of a value that an error shows: enough to find it by.
constexpr std::size_t kShownBytes = 60;

}  // namespace

std::string shown(std::string_view value) {
  const std::string_view front = base::truncate(value, kShownBytes);
  return fmt::format("\"{}{}\"", front, front.size() < value.size() ? "…" : "");
}

std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

Result<TableReader> TableReader::open(const std::filesystem::path& path, TableLayout layout,
                                      const ReadOptions& options) {
  TRY(LineReader lines, LineReader::open(path, options, layout.encoding));
  TableReader table(std::move(lines), std::move(layout));
  if (table.layout_.columns.empty()) {
    TRY_VOID(table.read_header());
  } else {
    table.columns_ = table.layout_.columns;
    table.is_first_ = true;
  }
  return table;
}

Result<void> TableReader::read_header() {
  TRY(const bool more, lines_.next());
  if (!more) return fail(error("there is no header: the file holds blank lines only"));
  TRY_VOID(split());
  for (const std::string_view field : fields_) {
    std::string name(base::trim(field));
    if (layout_.typed) {
      const std::size_t colon = name.rfind(':');
      const std::string type = colon == std::string::npos ? "" : name.substr(colon + 1);
      if (std::ranges::find(kTypes, type) == kTypes.end()) {
        return fail(
            error(fmt::format("the column {} has no type: a RecBole header is \"name:type\" "
                              "by tabs, with a type of {}",
                              shown(name), fmt::join(kTypes, ", "))));
      }
      name.resize(colon);
    }
    if (std::ranges::find(columns_, name) != columns_.end())
      return fail(error(fmt::format("the header names {} twice", shown(name))));
    columns_.push_back(std::move(name));
  }
  fewest_ = columns_.size();
  return {};
}

std::optional<std::size_t> TableReader::column(
    std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    const auto found = std::ranges::find(columns_, name);
    if (found != columns_.end()) return static_cast<std::size_t>(found - columns_.begin());
  }
  return std::nullopt;
}

Result<std::size_t> TableReader::require(std::string_view what,
                                         std::initializer_list<std::string_view> names) const {
  if (const auto found = column(names)) return *found;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}:1: there is no column for {}: expected {}, and the file has {}",
                          lines_.path(), what, fmt::join(names, " or "),
                          shown(fmt::format("{}", fmt::join(columns_, ", ")))));
}

Result<bool> TableReader::next() {
  TRY(const bool more, lines_.next());
  if (!more) return false;
  TRY_VOID(split());
  TRY_VOID(check_columns());
  return true;
}

Result<void> TableReader::check_columns() {
  const std::size_t size = fields_.size();
  if (is_first_) {
    // The first line says how many of the optional columns the file has.
    is_first_ = false;
    fewest_ = std::clamp(size, columns_.size() - layout_.optional_columns, columns_.size());
  }
  if (size == fewest_) return {};
  const std::string names = fmt::format("{}", fmt::join(std::span(columns_).first(fewest_), ", "));
  return fail(error(fmt::format("{} field{}, expected {}: {}", size, size == 1 ? "" : "s", fewest_,
                                shown(names))));
}

Result<void> TableReader::split() {
  if (layout_.quoted) return split_quoted();
  fields_.clear();
  std::string_view rest = lines_.text();
  while (true) {
    const std::size_t end = rest.find(layout_.separator);
    fields_.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + layout_.separator.size());
  }
}

Result<void> TableReader::split_quoted() {
  fields_.clear();
  unquoted_.clear();
  std::string_view rest = lines_.text();
  // No field can outgrow its line, so the views into it stay.
  unquoted_.reserve(rest.size());
  while (true) {
    std::size_t end = 0;  // of the field in `rest`
    if (rest.starts_with('"')) {
      const std::size_t begin = unquoted_.size();
      for (end = 1;; ++end) {
        if (end >= rest.size()) {
          return fail(error("a quoted field does not end on its line: write each record on one"));
        }
        if (rest[end] == '"') {
          ++end;
          if (end >= rest.size() || rest[end] != '"') break;
        }
        unquoted_ += rest[end];
      }
      fields_.push_back(std::string_view(unquoted_).substr(begin));
      if (end < rest.size() && !rest.substr(end).starts_with(layout_.separator))
        return fail(error("a quoted field goes on after its closing quote"));
    } else {
      end = std::min(rest.find(layout_.separator), rest.size());
      fields_.push_back(rest.substr(0, end));
    }
    if (end >= rest.size()) return {};
    rest.remove_prefix(end + layout_.separator.size());
  }
}

Result<std::optional<double>> TableReader::number(std::size_t column) const {
  const std::string_view field = (*this)[column];
  if (field.empty()) return std::nullopt;
  if (const auto number = parse_number(field)) return number;
  return fail(
      error(fmt::format("{} is {}: expected a number",
                        column < columns_.size() ? columns_[column] : "a field", shown(field))));
}

}  // namespace rapport::data
