#include "rapport/palr/user_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "palr_testing.h"
#include "rapport/palr/user_profiles.h"
#include "testing/temporary_directory.h"

namespace rapport::palr {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// 20 records of pop music, 20 fantasy films, 40 other things.
data::Dataset two_worlds(const std::vector<std::vector<data::ItemIndex>>& histories) {
  data::DatasetParts parts;
  parts.name = "two worlds";
  std::vector<data::Item> items;
  for (int i = 0; i < 20; ++i)
    items.push_back({.id = "m" + std::to_string(i),
                     .title = "Summer hit number " + std::to_string(i),
                     .categories = {"Music", "Pop"},
                     .year = 2001});
  for (int i = 0; i < 20; ++i)
    items.push_back({.id = "f" + std::to_string(i),
                     .title = "The dragon of castle " + std::to_string(i),
                     .categories = {"Films", "Fantasy"},
                     .year = 1985});
  for (int i = 0; i < 40; ++i)
    items.push_back({.id = "o" + std::to_string(i), .title = "Plain thing", .brand = "Acme"});
  parts.catalogue = data::Catalogue::create(std::move(items)).value();
  parts.offsets = {0};
  std::vector<data::Person> people;
  for (const auto& history : histories) {
    parts.sequence.insert(parts.sequence.end(), history.begin(), history.end());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    people.push_back({.id = "user " + std::to_string(people.size())});
  }
  parts.people = data::People::create(std::move(people)).value();
  return data::Dataset::create(std::move(parts)).value();
}

std::vector<std::string> texts(const std::vector<PreferenceKeyword>& keywords) {
  std::vector<std::string> all;
  for (const PreferenceKeyword& each : keywords) all.push_back(each.text);
  return all;
}

TEST(Vocabulary, IsWhatSeveralItemsAreSaidToBeButNotMost) {
  const data::Dataset dataset = two_worlds({{0, 1, 2}});
  const Vocabulary vocabulary = mine_vocabulary(dataset, {.least = 5, .most_share = 0.3});
  std::vector<std::string> all;
  for (std::size_t k = 0; k < vocabulary.size(); ++k)
    all.push_back(vocabulary.keyword(static_cast<std::int32_t>(k)).text);
  // "Acme", "plain" and "thing" are of half of all; the year 2001 is of the decade, as said; "the",
  // "of" and numbers say nothing; words that stand in one pair alone are left to it.
  EXPECT_THAT(all, ElementsAre("1980s", "2000s", "castle", "dragon", "Fantasy", "Films",
                               "hit number", "Music", "Pop", "summer hit"));
}

TEST(Vocabulary, FindsWithoutRegardToCaseAndKnowsWhoHasIt) {
  const data::Dataset dataset = two_worlds({{0, 1, 2}});
  const Vocabulary vocabulary = mine_vocabulary(dataset, {});
  const auto pop = vocabulary.find(" pop ");
  ASSERT_TRUE(pop);
  EXPECT_EQ(vocabulary.keyword(*pop).kind, "category");
  EXPECT_THAT(vocabulary.keyword(*pop).items, SizeIs(20));
  EXPECT_THAT(vocabulary.of(7), Contains(*pop));
  EXPECT_THAT(vocabulary.of(27), Not(Contains(*pop)));
  EXPECT_FALSE(vocabulary.find("polka"));
}

TEST(Vocabulary, OfACategoryHasNoItemThatOnlyHasTheWordInItsTitle) {
  data::DatasetParts parts;
  parts.name = "westerns";
  std::vector<data::Item> items;
  for (int i = 0; i < 12; ++i)
    items.push_back({.id = std::to_string(i),
                     .title = i < 6 ? "Western clouds" : "Plain",
                     .categories = {i > 6 ? "Western" : "Nature"}});
  parts.catalogue = data::Catalogue::create(std::move(items)).value();
  parts.people = data::People::create({{.id = "one"}}).value();
  parts.sequence = {0, 1, 2};
  parts.offsets = {0, 3};
  const auto dataset = data::Dataset::create(std::move(parts)).value();
  const Vocabulary vocabulary = mine_vocabulary(dataset, {.least = 2, .most_share = 0.9});
  const auto western = vocabulary.find("western");
  ASSERT_TRUE(western);
  EXPECT_EQ(vocabulary.keyword(*western).kind, "category");
  EXPECT_THAT(vocabulary.keyword(*western).items, ElementsAre(7, 8, 9, 10, 11));
}

TEST(SupportedKeywords, AreMoreThanChanceAndComeWithTheirItems) {
  const data::Dataset dataset = two_worlds({{0, 1, 2}});
  const Vocabulary vocabulary = mine_vocabulary(dataset, {});
  const data::ItemIndex history[] = {3, 50, 4, 51, 5, 52};
  const auto supported = supported_keywords(history, vocabulary, 10);
  ASSERT_FALSE(supported.empty());
  EXPECT_THAT(texts(supported), Contains("Pop"));
  for (const PreferenceKeyword& each : supported) {
    EXPECT_THAT(each.evidence, ElementsAre(3, 4, 5));
    EXPECT_GT(each.support, 0);
  }
  EXPECT_THAT(supported_keywords({}, vocabulary, 10), IsEmpty());
  const data::ItemIndex mixed[] = {3, 25, 50, 51};
  EXPECT_THAT(supported_keywords(mixed, vocabulary, 10), IsEmpty()) << "one item bears nothing out";
}

TEST(MostTelling, TakeOfTwoTastesOneEach) {
  std::vector<PreferenceKeyword> offered(4);
  const double lifts[] = {2.0, 1.9, 1.8, 1.5};
  for (std::size_t i = 0; i < 4; ++i) offered[i].lift = lifts[i];
  for (std::size_t i = 0; i < 3; ++i) offered[i].evidence = {1, 2, 3};
  offered[3].evidence = {7, 8};
  EXPECT_THAT(most_telling(offered, 2), ElementsAre(0u, 3u));
  EXPECT_THAT(most_telling(offered, 9), ElementsAre(0u, 3u, 1u, 2u));
}

class Profiles : public ::testing::Test {
 protected:
  Result<Json> profile(const std::vector<data::UserIndex>& users) {
    return profile_users(dataset_, data::Split::kTest, lot_of(users), nullptr,
                         {.choose = "support", .keywords = 9, .recent = 3}, path_,
                         {.clock = clock_});
  }

  const base::SystemClock clock_;
  // Pop lasts; the second user's films are new.
  const data::Dataset dataset_ =
      two_worlds({{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 21, 22, 23, 24}, {40, 41, 42}});
  const testing::TemporaryDirectory folder_;
  const std::string path_ = folder_.file("profiles.jsonl");
};

TEST_F(Profiles, TellWhatIsNewFromWhatLasts) {
  const auto report = profile({0, 1, 2});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ((*report)["users"], 3);
  EXPECT_GT((*report)["borne_out"].get<double>(), 0.3);
  EXPECT_EQ((*report)["borne_out"], (*report)["borne_out_by_support"]);
  const auto profiles = UserProfiles::open(path_, dataset_);
  ASSERT_TRUE(profiles) << profiles.error().message;
  const UserProfile* first = profiles->find({0, 5});
  ASSERT_NE(first, nullptr);
  EXPECT_THAT(texts(first->lasting), Contains("Pop"));
  const UserProfile* second = profiles->find({1, 8});
  ASSERT_NE(second, nullptr);
  EXPECT_THAT(texts(second->lasting), Contains("Pop"));
  EXPECT_THAT(texts(second->recent), Contains("Fantasy"));
  EXPECT_THAT(texts(second->recent), Not(Contains("Pop")));
  EXPECT_THAT(profiles->find({2, 2})->lasting, IsEmpty()) << "what half of the catalogue has";
  EXPECT_EQ((*profile({0, 1, 2}))["profiled"], 0) << "they are kept";
}

TEST_F(Profiles, BecomeFeatures) {
  ASSERT_TRUE(profile({1}));
  const auto profiles = UserProfiles::open(path_, dataset_).value();
  Pool pool{
      .sources = 1, .best = 3, .items = {11, 25, 45}, .scores = {0, 0, 0}, .ranks = {0, 1, 2}};
  std::vector<float> values(6);
  const FeatureFamily family = profile_features(profiles);
  ASSERT_TRUE(
      family.compute({.user = 1, .history = dataset_.history(1).first(8), .pool = pool}, values));
  EXPECT_GT(values[0], values[2]) << "pop lasts";
  EXPECT_GT(values[3], values[1]) << "films are new";
  EXPECT_EQ(values[4], 0);
  EXPECT_EQ(values[5], 0);
}

TEST_F(Profiles, RefuseAnUnknownWayToChoose) {
  const auto refused = Profiler::create(dataset_, {}, nullptr, {.choose = "lot"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "choose");
}

}  // namespace
}  // namespace rapport::palr
