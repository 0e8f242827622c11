#include "rapport/data/source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "rapport/base/digest.h"
#include "rapport/data/readers.h"

namespace rapport::data {
namespace {

namespace fs = std::filesystem;

struct Reader {
  Format format;
  std::string_view name;
  ReadFile interactions, items, users;
};

// A new format is one row, and one file beside this one.
constexpr Reader kReaders[] = {
    {Format::kMovieLens, "movielens", read_movielens_ratings, read_movielens_movies,
     read_movielens_users},
    {Format::kAmazon, "amazon", read_amazon_reviews, read_amazon_metadata, read_csv_users},
    {Format::kSequences, "sequences", read_sequences, read_csv_items, read_movielens_users},
    {Format::kRecBole, "recbole", read_recbole_interactions, read_recbole_items,
     read_recbole_users},
    {Format::kCsv, "csv", read_csv_interactions, read_csv_items, read_csv_users},
};

const Reader& reader_of(Format format) {
  return *std::ranges::find(kReaders, format, &Reader::format);
}

/// `users` names the users otherwise than the interactions do, and `user_map` says how.
Result<void> read_mapped_users(ReadFile read_users, const SourcePaths& paths,
                               const ReadOptions& options, Source& source) {
  Source mapped;                        // in the names of `users`
  std::vector<std::int32_t> number_of;  // [mapped users] their numbers in `source`
  TRY(LineReader lines, LineReader::open(paths.user_map, options));
  while (true) {
    TRY(const bool more, lines.next());
    if (!more) break;
    std::string_view rest = lines.text();
    const std::string_view from = next_word(rest);
    const std::string_view to = next_word(rest);
    if (to.empty() || !next_word(rest).empty()) {
      return fail(lines.error(
          fmt::format("{}: expected `user-in-interactions user-in-users`", shown(lines.text()))));
    }
    const auto number = source.users.find(from);
    if (!number) continue;
    const std::size_t known = mapped.users.size();
    mapped.users.add(to);
    if (mapped.users.size() == known)
      return fail(lines.error(fmt::format("user {} is mapped to twice", shown(to))));
    number_of.push_back(*number);
  }
  TRY_VOID(read_users(paths.users, options, mapped));
  source.user_facts.resize(source.users.size());
  for (std::size_t i = 0; i < number_of.size(); ++i)
    source.user_facts[static_cast<std::size_t>(number_of[i])] = std::move(mapped.user_facts[i]);
  for (const auto& [what, count] : mapped.notes) note(source, what, count);
  return {};
}

Result<Json> describe(const fs::path& path) {
  TRY(std::string sha256, base::sha256_file(path.string()));
  std::error_code error;
  return Json{{"file", path.filename().string()},
              {"bytes", static_cast<std::int64_t>(fs::file_size(path, error))},
              {"sha256", std::move(sha256)}};
}

/// A pipe can be read once; its checksum, or a header that is looked at first, would take what the
/// reader then misses.
Result<void> refuse_pipes(const SourcePaths& paths) {
  for (const fs::path* path : {&paths.interactions, &paths.items, &paths.users, &paths.user_map,
                               &paths.graph, &paths.links}) {
    std::error_code error;
    const fs::file_status status = fs::status(*path, error);
    if (path->empty() || !fs::exists(status) || fs::is_regular_file(status)) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is no regular file: name a file, as it is read more than once",
                            path->string()));
  }
  return {};
}

/// Takes a sibling with the same stem where nothing is named and one is there.
void take_sibling(const fs::path& of, const char* extension, fs::path& path) {
  if (!path.empty() || of.empty()) return;
  fs::path sibling = of;
  sibling.replace_extension(extension);
  std::error_code error;
  if (fs::exists(sibling, error)) path = std::move(sibling);
}

}  // namespace

std::string_view name(Format format) {
  return reader_of(format).name;
}

Result<Format> parse_format(std::string_view text) {
  std::vector<std::string_view> names;
  for (const Reader& reader : kReaders) {
    if (text == reader.name) return reader.format;
    names.push_back(reader.name);
  }
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("there is no format \"{}\": expected one of {}", text, fmt::join(names, ", ")),
      "format");
}

Result<SourcePaths> complete(Format format, SourcePaths paths) {
  if (format != Format::kRecBole) return paths;
  std::error_code error;
  if (fs::is_directory(paths.interactions, error)) {
    // RecBole's own layout: NAME/NAME.inter.
    const fs::path folder = fs::absolute(paths.interactions, error).lexically_normal();
    const std::string stem =
        (folder.has_filename() ? folder : folder.parent_path()).filename().string();
    const fs::path file = paths.interactions / (stem + ".inter");
    if (!fs::exists(file, error)) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("{} does not exist: name the .inter file", file.string()));
    }
    paths.interactions = file;
  }
  take_sibling(paths.interactions, ".item", paths.items);
  take_sibling(paths.interactions, ".user", paths.users);
  take_sibling(paths.interactions, ".kg", paths.graph);
  take_sibling(paths.graph, ".link", paths.links);
  return paths;
}

Result<Source> read_source(Format format, const SourcePaths& given, const ReadOptions& options) {
  TRY(const SourcePaths paths, complete(format, given));
  TRY_VOID(refuse_pipes(paths));
  const Reader& reader = reader_of(format);
  Source source;
  source.description["format"] = std::string(reader.name);
  const auto read = [&](const char* what, const fs::path& path,
                        ReadFile read_file) -> Result<void> {
    if (path.empty()) return {};
    TRY_VOID(read_file(path, options, source));
    TRY(source.description["files"][what], describe(path));
    return {};
  };
  TRY_VOID(read("interactions", paths.interactions, reader.interactions));
  source.item_facts.resize(source.items.size());
  source.user_facts.resize(source.users.size());
  TRY_VOID(read("items", paths.items, reader.items));
  if (!paths.user_map.empty() && !paths.users.empty()) {
    TRY_VOID(read_mapped_users(reader.users, paths, options, source));
    TRY(source.description["files"]["users"], describe(paths.users));
    TRY(source.description["files"]["user_map"], describe(paths.user_map));
  } else {
    TRY_VOID(read("users", paths.users, reader.users));
  }
  TRY_VOID(read("graph", paths.graph, read_triples));
  TRY_VOID(read("links", paths.links, read_links));
  return source;
}

}  // namespace rapport::data
