#include "rapport/data/readers.h"

#include <algorithm>
#include <cmath>

#include "rapport/base/text.h"

namespace rapport::data {
namespace {

/// Beyond this a time is no date in seconds (the year 5138).
constexpr double kMostSeconds = 1e11;

}  // namespace

std::string_view next_word(std::string_view& rest) {
  constexpr std::string_view kSpaces = " \t";
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpaces), rest.size()));
  const std::string_view word = rest.substr(0, rest.find_first_of(kSpaces));
  rest.remove_prefix(word.size());
  return word;
}

Result<std::string> first_line(const std::filesystem::path& path, const ReadOptions& options,
                               Encoding encoding) {
  TRY(LineReader lines,
      LineReader::open(path, {.max_line_bytes = options.max_line_bytes}, encoding));
  TRY(const bool more, lines.next());
  if (!more) return fail(lines.error("the file holds blank lines only"));
  return std::string(lines.text());
}

Result<void> add_interaction(Source& source, std::string_view user, std::string_view item,
                             const LineReader& lines) {
  if (user.empty()) return fail(lines.error("the user is empty"));
  if (item.empty()) return fail(lines.error("the item is empty"));
  source.user.push_back(source.users.add(user));
  source.item.push_back(source.items.add(item));
  return {};
}

std::optional<std::int64_t> to_milliseconds(double time) {
  if (std::abs(time) > 1000 * kMostSeconds) return std::nullopt;
  return std::llround(std::abs(time) > kMostSeconds ? time : 1000 * time);
}

std::vector<std::string> split_list(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    if (const std::string_view part = base::trim(text.substr(0, end)); !part.empty())
      parts.emplace_back(part);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + separator.size());
  }
  return parts;
}

void note(Source& source, const std::string& what, std::int64_t count) {
  if (count > 0) source.notes[what] += count;
}

}  // namespace rapport::data
