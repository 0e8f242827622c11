#include "rapport/data/knowledge_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "rapport/base/text.h"
#include "rapport/data/columns.h"

namespace rapport::data {
namespace {

using Edge = KnowledgeGraph::Edge;

Result<void> check_range(std::string_view what, std::int64_t number, std::int64_t size) {
  if (number >= 0 && number < size) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("an edge names {} {}, but there are {}", what, number, size));
}

Result<void> check_names(std::string_view what, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!base::is_utf8(names[i]))
      return fail(ErrorCode::kInvalidArgument, fmt::format("{} {} is not UTF-8", what, i));
  }
  return {};
}

}  // namespace

struct KnowledgeGraph::Contents {
  std::vector<Edge> edges;          // sorted by item
  std::vector<std::int64_t> first;  // [items + 1] into `edges`
  Columns names;                    // what the two below look into
  TextColumn relations, entities;
};

KnowledgeGraph::KnowledgeGraph() {
  static const auto kEmpty = std::make_shared<const Contents>();
  contents_ = kEmpty;
}

Result<KnowledgeGraph> KnowledgeGraph::create(std::vector<Edge> edges,
                                              std::vector<std::string> relations,
                                              std::vector<std::string> entities,
                                              std::int64_t items) {
  TRY_VOID(check_names("relation", relations));
  TRY_VOID(check_names("entity", entities));
  for (const Edge& edge : edges) {
    TRY_VOID(check_range("item", edge.item, items));
    TRY_VOID(check_range("relation", edge.relation, static_cast<std::int64_t>(relations.size())));
    TRY_VOID(check_range("entity", edge.entity, static_cast<std::int64_t>(entities.size())));
  }
  std::ranges::sort(edges);

  ColumnsBuilder builder;
  builder.add_texts("graph.relations", relations.size(), [&](auto i) { return relations[i]; });
  builder.add_texts("graph.entities", entities.size(), [&](auto i) { return entities[i]; });
  auto contents = std::make_shared<Contents>();
  contents->names = builder.build();
  TRY(contents->relations, contents->names.texts("graph.relations"));
  TRY(contents->entities, contents->names.texts("graph.entities"));
  contents->first.assign(static_cast<std::size_t>(items) + 1, 0);
  for (const Edge& edge : edges) ++contents->first[static_cast<std::size_t>(edge.item) + 1];
  for (std::size_t i = 1; i < contents->first.size(); ++i)
    contents->first[i] += contents->first[i - 1];
  contents->edges = std::move(edges);
  return KnowledgeGraph(std::move(contents));
}

Result<KnowledgeGraph> KnowledgeGraph::read(const Columns& columns, std::int64_t items) {
  TRY(const TextColumn relations, columns.texts("graph.relations"));
  TRY(const TextColumn entities, columns.texts("graph.entities"));
  TRY(const auto numbers, columns.numbers<std::int32_t>("graph.edges"));
  if (numbers.size() % 4 != 0)
    return fail(ErrorCode::kCorrupt, "column graph.edges does not hold four numbers an edge");
  std::vector<Edge> edges(numbers.size() / 4);
  for (std::size_t e = 0; e < edges.size(); ++e) {
    edges[e] = {.item = numbers[4 * e],
                .relation = numbers[4 * e + 1],
                .entity = numbers[4 * e + 2],
                .from_item = numbers[4 * e + 3] != 0};
  }
  const auto texts = [](const TextColumn& column) {
    std::vector<std::string> all(column.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = column[i];
    return all;
  };
  auto graph = create(std::move(edges), texts(relations), texts(entities), items);
  if (!graph) return fail(ErrorCode::kCorrupt, std::move(graph).error().message);
  return graph;
}

void KnowledgeGraph::write(ColumnsBuilder& builder) const {
  std::vector<std::int32_t> numbers;
  numbers.reserve(4 * contents_->edges.size());
  for (const Edge& edge : contents_->edges)
    numbers.insert(numbers.end(), {edge.item, edge.relation, edge.entity, edge.from_item ? 1 : 0});
  builder.add<std::int32_t>("graph.edges", numbers);
  const auto add = [&](const char* name, const TextColumn& texts) {
    builder.add_texts(name, texts.size(), [&](std::size_t i) { return texts[i]; });
  };
  add("graph.relations", contents_->relations);
  add("graph.entities", contents_->entities);
}

std::int64_t KnowledgeGraph::size() const {
  return static_cast<std::int64_t>(contents_->edges.size());
}

std::span<const Edge> KnowledgeGraph::edges(ItemIndex item) const {
  const auto i = static_cast<std::size_t>(item);
  if (item < 0 || i + 1 >= contents_->first.size()) return {};
  const auto begin = static_cast<std::size_t>(contents_->first[i]);
  const auto end = static_cast<std::size_t>(contents_->first[i + 1]);
  return std::span(contents_->edges).subspan(begin, end - begin);
}

std::string_view KnowledgeGraph::relation(std::int32_t relation) const {
  assert(relation >= 0 && relation < relations());
  return contents_->relations[static_cast<std::size_t>(relation)];
}

std::string_view KnowledgeGraph::entity(std::int32_t entity) const {
  assert(entity >= 0 && entity < entities());
  return contents_->entities[static_cast<std::size_t>(entity)];
}

std::int64_t KnowledgeGraph::relations() const {
  return static_cast<std::int64_t>(contents_->relations.size());
}

std::int64_t KnowledgeGraph::entities() const {
  return static_cast<std::int64_t>(contents_->entities.size());
}

}  // namespace rapport::data
