#include "rapport/data/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "rapport/data/id_hash.h"
#include "source_files.h"

namespace rapport::data {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Source read(Format format, std::string_view bytes) {
  const SourceFiles files;
  auto source = read_source(format, {.interactions = files.write("f", bytes)}, {});
  EXPECT_TRUE(source) << source.error().message;
  return *std::move(source);
}

/// The ids of a user's items, oldest first.
std::vector<std::string> history(const Dataset& dataset, std::string_view user) {
  std::vector<std::string> ids;
  for (const ItemIndex item : dataset.history(dataset.people().find(user).value()))
    ids.emplace_back(dataset.catalogue().id(item));
  return ids;
}

TEST(Prepare, SortsByTimeAndLeavesTiesInTheOrderOfTheFile) {
  const Source source = read(Format::kMovieLens,
                             "u::z::5::30\nv::a::1::9\nu::b::5::10\nu::y::5::20\nu::c::5::20\n"
                             "u::x::5::20\nv::z::1::8\n");
  const Preparation prepared = prepare(source, {.min_count = 1}).value();
  EXPECT_THAT(history(prepared.dataset, "u"), ElementsAre("b", "y", "c", "x", "z"));
  EXPECT_THAT(history(prepared.dataset, "v"), ElementsAre("z", "a"));
  EXPECT_THAT(prepared.dataset.times(prepared.dataset.people().find("u").value()),
              ElementsAre(10, 20, 20, 20, 30));
}

TEST(Prepare, KeepsTheInteractionThatComesFirstInTheFile) {
  const Source source =
      read(Format::kMovieLens, "u::a::5::30\nu::b::1::20\nu::a::5::10\nu::b::1::40\n");
  const Preparation prepared = prepare(source, {.min_count = 1}).value();
  EXPECT_THAT(history(prepared.dataset, "u"), ElementsAre("b", "a"));
  EXPECT_EQ(prepared.interactions_read, 4);
  EXPECT_THAT(prepared.notes, Contains(Pair("interactions of a user with an item they had", 2)));
}

TEST(Prepare, CountsWhoFallsBelowTheCore) {
  // c's only partner is z, and both fall with k = 2; then nothing else does.
  const Source source = read(Format::kSequences, "a x y\nb x y\nc z\n");
  const Preparation prepared = prepare(source, {.min_count = 2}).value();
  EXPECT_EQ(prepared.dataset.users(), 2);
  EXPECT_EQ(prepared.dataset.items(), 2);
  EXPECT_EQ(prepared.dataset.interactions(), 4);
  EXPECT_THAT(prepared.notes, Contains(Pair("users with fewer than 2", 1)));
  EXPECT_THAT(prepared.notes, Contains(Pair("items with fewer than 2", 1)));
  EXPECT_THAT(prepared.notes,
              Contains(Pair("interactions of users or items with fewer than 2", 1)));
  EXPECT_EQ(prepared.dataset.source()["notes"]["users with fewer than 2"], 1);
}

TEST(Prepare, KeepsAndCountsUsersWithTwoInteractionsWhenTheyMayStay) {
  const Source source = read(Format::kSequences, "a x y\nb x y z\n");
  const Preparation prepared = prepare(source, {.min_count = 1}).value();
  EXPECT_THAT(history(prepared.dataset, "a"), ElementsAre("x", "y"));
  EXPECT_THAT(prepared.notes, Contains(Pair("users with fewer than 3, who are not tested on", 1)));
}

TEST(Prepare, SaysWhyNothingIsLeft) {
  const auto prepared = prepare(read(Format::kSequences, "a x y\nb x z\n"), {.min_count = 3});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(prepared.error().message, HasSubstr("4 interactions of 2 users with 3 items"));
  EXPECT_THAT(prepared.error().message, HasSubstr("--min-count"));
}

TEST(Prepare, KeepsOrderByTheHashOfIdsHoweverTheSourceNumbersThem) {
  const std::string forward = "1 1\n1 2\n1 3\n2 3\n2 2\n2 4\n";
  const std::string backward = "2 3\n2 2\n2 4\n1 1\n1 2\n1 3\n";
  const Dataset a =
      std::move(prepare(read(Format::kSequences, forward), {.min_count = 1})->dataset);
  const Dataset b =
      std::move(prepare(read(Format::kSequences, backward), {.min_count = 1})->dataset);
  EXPECT_EQ(a.catalogue_checksum(), b.catalogue_checksum());
  for (ItemIndex item = 1; item < a.items(); ++item)
    EXPECT_TRUE(comes_before(a.catalogue().id(item - 1), a.catalogue().id(item)));
  for (UserIndex user = 1; user < a.users(); ++user)
    EXPECT_TRUE(comes_before(a.people().id(user - 1), a.people().id(user)));
  EXPECT_EQ(history(a, "2"), history(b, "2"));
}

TEST(Prepare, KeepsTheTriplesThatBeginOrEndAtAnItem) {
  Source source = read(Format::kSequences, "1 a b\n2 b a c\n");
  source.links = {{"a", "m.1"}, {"b", "m.2"}, {"c", "m.3"}};
  source.triples = {{"m.1", "directed_by", "m.9"},
                    {"m.9", "directed", "m.2"},
                    {"m.1", "sequel", "m.2"},
                    {"m.3", "directed_by", "m.9"},
                    {"m.8", "knows", "m.9"}};
  // c falls with k = 2, and with it what is known of it.
  const Preparation prepared = prepare(source, {.min_count = 2}).value();
  const KnowledgeGraph& graph = prepared.dataset.graph();
  EXPECT_EQ(graph.size(), 4);
  EXPECT_THAT(prepared.notes, Contains(Pair("triples without an item", 2)));
  const auto edges = graph.edges(prepared.dataset.catalogue().find("b").value());
  ASSERT_EQ(edges.size(), 2u);
  for (const KnowledgeGraph::Edge& edge : edges) {
    EXPECT_FALSE(edge.from_item);
    EXPECT_EQ(graph.entity(edge.entity), graph.relation(edge.relation) == "sequel" ? "m.1" : "m.9");
  }
}

RC_GTEST_PROP(Prepare, LosesNoHistoryAndInventsNone, ()) {
  // Any histories; ids as wild as readers let through.
  const auto histories = *rc::gen::container<std::map<std::string, std::vector<std::uint8_t>>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('!', '~'))),
      rc::gen::arbitrary<std::vector<std::uint8_t>>());
  std::map<std::string, std::vector<std::string>> expected;
  Source source;
  for (const auto& [user, items] : histories) {
    for (const std::uint8_t item : items) {
      const std::string id = "i" + std::to_string(item);
      source.user.push_back(source.users.add(user));
      source.item.push_back(source.items.add(id));
      auto& own = expected[user];
      if (std::ranges::find(own, id) == own.end()) own.push_back(id);
    }
  }
  const auto prepared = prepare(source, {.min_count = 1});
  RC_ASSERT(prepared.has_value() == !expected.empty());
  if (!prepared) return;
  RC_ASSERT(prepared->dataset.users() == static_cast<std::int64_t>(expected.size()));
  for (const auto& [user, items] : expected) RC_ASSERT(history(prepared->dataset, user) == items);
}

}  // namespace
}  // namespace rapport::data
