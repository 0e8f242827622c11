// What the files of a source say, before anything is dropped: what readers fill and `prepare` turns
// into a data set.
//
//   TRY(const Source source, read_source(Format::kRecBole, {.interactions = "ml-100k.inter"}, {}));
//   TRY(const Preparation prepared, prepare(source, {}));
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"
#include "rapport/data/catalogue.h"
#include "rapport/data/id_table.h"
#include "rapport/data/knowledge_graph.h"
#include "rapport/data/line_reader.h"
#include "rapport/data/people.h"

namespace rapport::data {

enum class Format { kMovieLens, kAmazon, kSequences, kRecBole, kCsv };
/// "movielens", "amazon", "sequences", "recbole", "csv".
std::string_view name(Format format);
/// Errors: kInvalidArgument that lists them.
Result<Format> parse_format(std::string_view text);

/// Only the interactions are needed; "" for what there is none of.
struct SourcePaths {
  std::filesystem::path interactions;
  std::filesystem::path items = {};
  std::filesystem::path users = {};
  std::filesystem::path user_map = {};  // `id-in-interactions id-in-users` a line
  std::filesystem::path graph = {};     // head, relation, tail, as RecBole's .kg
  std::filesystem::path links = {};     // item, entity of the graph, as RecBole's .link
};

/// Numbers here follow first appearance; they go no further than `prepare`.
struct Source {
  Json description = Json::object();  // format and files, with their checksums
  IdTable users, items;

  // In the order of the file. [interactions]
  std::vector<std::int32_t> user, item;
  std::vector<std::int64_t> time_ms;  // milliseconds since 1970; empty when the file has none

  // What is known of those above; the id is empty where nothing is.
  std::vector<Item> item_facts;    // [items]
  std::vector<Person> user_facts;  // [users]

  std::vector<Triple> triples;
  /// Item and its entity in `triples`; empty: an item's own id is its entity.
  std::vector<std::pair<std::string, std::string>> links;

  /// What was passed over or taken otherwise than it is written, and how often.
  std::map<std::string, std::int64_t> notes;
};

/// Reads all files of `paths`. Errors name file:line and the field; kNotFound, kIo,
/// kInvalidArgument, kTooLarge.
Result<Source> read_source(Format format, const SourcePaths& paths, const ReadOptions& options);

/// The files that `read_source` would read: RecBole's, with the same stem beside the interactions,
/// need not be named. Errors: kNotFound for a RecBole folder without an .inter file.
Result<SourcePaths> complete(Format format, SourcePaths paths);

}  // namespace rapport::data
