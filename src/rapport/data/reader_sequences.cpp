#include <fmt/format.h>

#include "rapport/data/readers.h"

namespace rapport::data {

// Both forms are one: a line adds its items to its user's history. Only where some line has several
// items is a line a user's whole history, and then no user can have two.
Result<void> read_sequences(const std::filesystem::path& path, const ReadOptions& options,
                            Source& source) {
  TRY(LineReader lines, LineReader::open(path, options));
  std::int64_t several = 0;           // the first line with several items
  std::int64_t repeated = 0;          // the first line of a user who had one before
  std::int64_t repeats = 0;           // which that one was
  std::string again;                  // the user's id
  std::vector<std::int64_t> line_of;  // [users]
  while (true) {
    TRY(const bool more, lines.next());
    if (!more) return {};
    std::string_view rest = lines.text();
    const std::string_view user = next_word(rest);
    std::string_view item = next_word(rest);
    if (item.empty()) return fail(lines.error(fmt::format("user {} without an item", shown(user))));
    const auto known = source.users.size();
    std::int64_t items = 0;
    for (; !item.empty(); item = next_word(rest), ++items)
      TRY_VOID(add_interaction(source, user, item, lines));
    if (items > 1 && several == 0) several = lines.line();
    if (source.users.size() > known) {
      line_of.push_back(lines.line());
    } else if (repeated == 0) {
      repeated = lines.line();
      repeats = line_of[static_cast<std::size_t>(source.user.back())];
      again = user;
    }
    if (several != 0 && repeated != 0) {
      return fail(lines.error(fmt::format(
          "lines hold whole histories (line {} has several items), but user {} has two: "
          "lines {} and {}",
          several, shown(again), repeats, repeated)));
    }
  }
}

}  // namespace rapport::data
