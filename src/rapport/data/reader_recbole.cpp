#include <fmt/format.h>

#include "rapport/data/readers.h"

namespace rapport::data {
namespace {

const TableLayout kAtomicFile{.separator = "\t", .typed = true};

}  // namespace

Result<void> read_recbole_interactions(const std::filesystem::path& path,
                                       const ReadOptions& options, Source& source) {
  TRY(TableReader table, TableReader::open(path, kAtomicFile, options));
  return read_interaction_table(std::move(table), source);
}

Result<void> read_recbole_items(const std::filesystem::path& path, const ReadOptions& options,
                                Source& source) {
  TRY(TableReader table, TableReader::open(path, kAtomicFile, options));
  return read_item_table(std::move(table), " ", source);
}

Result<void> read_recbole_users(const std::filesystem::path& path, const ReadOptions& options,
                                Source& source) {
  TRY(TableReader table, TableReader::open(path, kAtomicFile, options));
  return read_user_table(std::move(table), source);
}

Result<void> read_triples(const std::filesystem::path& path, const ReadOptions& options,
                          Source& source) {
  TRY(TableReader table, TableReader::open(path, kAtomicFile, options));
  TRY(const std::size_t head, table.require("the head", {"head_id"}));
  TRY(const std::size_t relation, table.require("the relation", {"relation_id"}));
  TRY(const std::size_t tail, table.require("the tail", {"tail_id"}));
  while (true) {
    TRY(const bool more, table.next());
    if (!more) return {};
    for (const std::size_t column : {head, relation, tail})
      if (table[column].empty()) return fail(table.error("a triple with an empty part"));
    source.triples.push_back(
        {std::string(table[head]), std::string(table[relation]), std::string(table[tail])});
  }
}

Result<void> read_links(const std::filesystem::path& path, const ReadOptions& options,
                        Source& source) {
  TRY(TableReader table, TableReader::open(path, kAtomicFile, options));
  TRY(const std::size_t item, table.require("the item", {"item_id"}));
  TRY(const std::size_t entity, table.require("the entity", {"entity_id"}));
  // One to one: were an entity many items, each of its triples would be as many edges.
  IdTable items, entities;
  std::int64_t unused = 0;
  while (true) {
    TRY(const bool more, table.next());
    if (!more) break;
    for (const auto& [column, seen] : {std::pair(item, &items), std::pair(entity, &entities)}) {
      const std::size_t known = seen->size();
      seen->add(table[column]);
      if (table[column].empty()) return fail(table.error("a link with an empty part"));
      if (seen->size() == known)
        return fail(table.error(fmt::format("{} is linked twice", shown(table[column]))));
    }
    if (source.items.find(table[item])) {
      source.links.emplace_back(table[item], table[entity]);
    } else {
      ++unused;
    }
  }
  note(source, "links of items that nobody interacted with", unused);
  return {};
}

}  // namespace rapport::data
