#include "rapport/data/knowledge_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rapport::data {
namespace {

using ::testing::HasSubstr;

TEST(KnowledgeGraph, GivesAnItemsEdgesWhateverOrderTheyCameIn) {
  const KnowledgeGraph graph =
      KnowledgeGraph::create({{.item = 1, .relation = 0, .entity = 1},
                              {.item = 0, .relation = 1, .entity = 0},
                              {.item = 1, .relation = 0, .entity = 0, .from_item = false}},
                             {"by", "with"}, {"Lasseter", "Hanks"}, 3)
          .value();
  EXPECT_EQ(graph.size(), 3);
  ASSERT_EQ(graph.edges(1).size(), 2u);
  EXPECT_EQ(graph.entity(graph.edges(1)[0].entity), "Lasseter");
  EXPECT_FALSE(graph.edges(1)[0].from_item);
  EXPECT_EQ(graph.relation(graph.edges(0)[0].relation), "with");
  for (const ItemIndex nothing : {2, 3, -1}) EXPECT_TRUE(graph.edges(nothing).empty()) << nothing;
  EXPECT_TRUE(KnowledgeGraph().edges(0).empty());
}

TEST(KnowledgeGraph, RefusesNumbersBeyondTheirNames) {
  const auto refusal = [](KnowledgeGraph::Edge edge) {
    const auto created = KnowledgeGraph::create({edge}, {"by"}, {"Lasseter"}, 2);
    EXPECT_FALSE(created);
    return created ? "" : created.error().message;
  };
  EXPECT_THAT(refusal({.item = 2}), HasSubstr("item 2"));
  EXPECT_THAT(refusal({.item = -1}), HasSubstr("item -1"));
  EXPECT_THAT(refusal({.relation = 1}), HasSubstr("relation 1"));
  EXPECT_THAT(refusal({.entity = 1}), HasSubstr("entity 1"));
}

}  // namespace
}  // namespace rapport::data
