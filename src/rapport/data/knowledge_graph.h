// Facts about items from outside: item — relation → entity.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/indexes.h"

namespace rapport::data {

class Columns;
class ColumnsBuilder;

struct Triple {
  std::string head, relation, tail;
};

/// Of a source's triples, those that begin or end at an item. Immutable; cheap to copy;
/// thread-safe.
class KnowledgeGraph {
 public:
  struct Edge {
    ItemIndex item = 0;
    std::int32_t relation = 0;
    std::int32_t entity = 0;
    bool from_item = true;  // false: entity — relation → item

    auto operator<=>(const Edge&) const = default;
  };

  KnowledgeGraph();
  /// Edges sorted by item. Errors: kInvalidArgument for a number out of range of its names.
  static Result<KnowledgeGraph> create(std::vector<Edge> edges, std::vector<std::string> relations,
                                       std::vector<std::string> entities, std::int64_t items);

  /// Of edges.
  std::int64_t size() const;
  /// Empty for an item that nothing is known of.
  std::span<const Edge> edges(ItemIndex item) const;
  std::string_view relation(std::int32_t relation) const;
  std::string_view entity(std::int32_t entity) const;
  std::int64_t relations() const;
  std::int64_t entities() const;

 private:
  friend class Dataset;
  struct Contents;
  explicit KnowledgeGraph(std::shared_ptr<const Contents> contents)
      : contents_(std::move(contents)) {}
  /// As `write` left it, for a catalogue of `items`. Errors: kCorrupt.
  static Result<KnowledgeGraph> read(const Columns& columns, std::int64_t items);
  void write(ColumnsBuilder& builder) const;

  std::shared_ptr<const Contents> contents_;
};

}  // namespace rapport::data
