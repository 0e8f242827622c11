// Facts about items from outside: item — relation → entity.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/indexes.h"

namespace rapport::data {

struct Triple {
  std::string head, relation, tail;
};

/// Of a source's triples, those that begin or end at an item. Immutable; cheap to copy; thread-safe.
class KnowledgeGraph {
 public:
  struct Edge {
    ItemIndex item = 0;
    std::int32_t relation = 0;
    std::int32_t entity = 0;
    bool from_item = true;  // false: entity — relation → item
  };

  KnowledgeGraph();
  /// Edges sorted by item. Errors: kInvalidArgument for a number out of range of its names.
  static Result<KnowledgeGraph> create(std::vector<Edge> edges, std::vector<std::string> relations,
                                       std::vector<std::string> entities, std::int64_t items);

  std::int64_t size() const;
  std::span<const Edge> edges(ItemIndex item) const;
  std::string_view relation(std::int32_t relation) const;
  std::string_view entity(std::int32_t entity) const;
  std::int64_t relations() const;
  std::int64_t entities() const;

 private:
  friend class Dataset;
  struct Contents;
  std::shared_ptr<const Contents> contents_;
};

}  // namespace rapport::data
