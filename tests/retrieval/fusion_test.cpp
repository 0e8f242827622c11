#include "rapport/retrieval/fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "rapport/retrieval/ease.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/popularity.h"
#include "rapport/retrieval/sasrec.h"
#include "testing/made_up_data.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kItems = 12;

std::unique_ptr<Retriever> counts(std::vector<float> values) {
  return std::make_unique<Popularity>(std::move(values));
}

std::unique_ptr<Retriever> small_sasrec() {
  const SasrecShape shape{.items = kItems, .dimension = 8, .heads = 2, .max_length = 6};
  std::vector<float> weights(static_cast<std::size_t>(sasrec_weights(shape).total));
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = 0.01f * static_cast<float>(i * 7919 % 101) - 0.5f;
  return std::make_unique<Sasrec>(shape, std::move(weights));
}

/// Each item speaks for those after it.
std::unique_ptr<Retriever> small_ease() {
  SparseMatrix matrix{.columns = kItems};
  for (std::int32_t item = 0; item < kItems; ++item) {
    for (std::int32_t other = item + 1; other < kItems; ++other) {
      matrix.indices.push_back(other);
      matrix.values.push_back(1 / static_cast<float>(1 + (item + 2) * other % 5));
    }
    matrix.end_row();
  }
  return std::make_unique<Ease>(std::move(matrix));
}

std::unique_ptr<Fusion> small_fusion() {
  std::vector<FusionMember> members;
  members.push_back({small_sasrec(), 0.5f});
  members.push_back({small_ease(), 0.3f});
  members.push_back({counts({5, 3, 8, 1, 1, 9, 4, 4, 2, 7, 6, 3}), 0.2f});
  return std::make_unique<Fusion>(std::move(members));
}

std::vector<float> scores_of(const Retriever& model, const std::vector<data::ItemIndex>& history) {
  const Query query{.history = history};
  std::vector<float> scores(static_cast<std::size_t>(model.items()), 7.0f);
  EXPECT_TRUE(model.score({&query, 1}, scores));
  return scores;
}

/// By the words of the header, in double precision.
std::vector<double> damped(const std::vector<float>& scores,
                           const std::vector<data::ItemIndex>& history) {
  std::vector<double> unseen;
  for (std::size_t item = 0; item < scores.size(); ++item) {
    if (std::ranges::find(history, static_cast<data::ItemIndex>(item)) == history.end())
      unseen.push_back(static_cast<double>(scores[item]));
  }
  double mean = 0, variance = 0;
  for (const double score : unseen) mean += score / static_cast<double>(unseen.size());
  for (const double score : unseen)
    variance += (score - mean) * (score - mean) / static_cast<double>(unseen.size());
  std::vector<double> result;
  for (const float score : scores) {
    const double z = (static_cast<double>(score) - mean) / std::sqrt(variance);
    result.push_back((z < 0 ? -1 : 1) * (std::sqrt(1 + std::abs(z)) - 1));
  }
  return result;
}

TEST(Fusion, SumsItsMembersInDampedDeviationsOfTheUsersOwnScores) {
  const auto fusion = small_fusion();
  for (const std::vector<data::ItemIndex>& history :
       {std::vector<data::ItemIndex>{3, 1, 4, 1, 5}, {0}, {11, 2, 6, 8, 7, 3, 10}}) {
    const std::vector<float> fused = scores_of(*fusion, history);
    std::vector<double> expected(static_cast<std::size_t>(kItems));
    for (const FusionMember& member : fusion->members()) {
      const auto own = damped(scores_of(*member.model, history), history);
      for (std::size_t item = 0; item < own.size(); ++item)
        expected[item] += static_cast<double>(member.weight) * own[item];
    }
    for (std::size_t item = 0; item < expected.size(); ++item)
      EXPECT_NEAR(fused[item], expected[item], 1e-5);
  }
}

TEST(Fusion, AMemberThatTellsNoItemFromAnotherHasNoSay) {
  const std::vector<float> opinion = {5, 3, 8, 1};
  const auto with = [&](std::vector<float> other) {
    std::vector<FusionMember> members;
    members.push_back({counts(opinion), 0.5f});
    members.push_back({counts(std::move(other)), 0.5f});
    return scores_of(Fusion(std::move(members)), {3});
  };
  std::vector<FusionMember> alone;
  alone.push_back({counts(opinion), 0.5f});
  const std::vector<float> expected = scores_of(Fusion(std::move(alone)), {3});
  EXPECT_EQ(with({2, 2, 2, 2}), expected);
  EXPECT_EQ(with({2, 2, 2, 9}), expected) << "only what was seen is apart";
  EXPECT_EQ(with({2, std::numeric_limits<float>::quiet_NaN(), 1, 0}), expected);
  EXPECT_EQ(with({2, std::numeric_limits<float>::infinity(), 1, 0}), expected);
  EXPECT_NE(with({2, 1, 1, 0}), expected);

  std::vector<FusionMember> none;
  none.push_back({counts({1, 1, 1}), 1.0f});
  EXPECT_THAT(scores_of(Fusion(std::move(none)), {0}), Each(0.0f));
  std::vector<FusionMember> all_seen;
  all_seen.push_back({counts({1, 2, 3}), 1.0f});
  EXPECT_THAT(scores_of(Fusion(std::move(all_seen)), {0, 1, 2}), Each(0.0f));
}

TEST(Fusion, ScoresEachOfABatchAsAlone) {
  // So many items that a batch is worked on in parts.
  std::vector<float> many(1'000'000), more(1'000'000);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i] = static_cast<float>(i % 1013);
    more[i] = static_cast<float>(i % 7);
  }
  std::vector<FusionMember> members;
  members.push_back({counts(std::move(many)), 0.75f});
  members.push_back({counts(std::move(more)), 0.25f});
  const Fusion fusion(std::move(members));
  const std::vector<std::vector<data::ItemIndex>> histories = {{}, {5}, {999'999, 3}, {1}, {2, 2}};
  std::vector<Query> queries;
  for (const auto& history : histories) queries.push_back({.history = history});
  std::vector<float> scores(queries.size() * 1'000'000);
  ASSERT_TRUE(fusion.score(queries, scores));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::vector<float> alone = scores_of(fusion, histories[i]);
    EXPECT_TRUE(
        std::ranges::equal(alone, std::span(scores).subspan(i * alone.size(), alone.size())))
        << i;
  }
}

class FusionDirectory : public ::testing::Test {
 protected:
  void save(std::unique_ptr<Retriever> model) {
    Fit fit;
    fit.model = std::move(model);
    ASSERT_TRUE(save_model(fit, dataset_, path_));
  }

  const data::Dataset dataset_ = rapport::testing::random_dataset(10, kItems, 1);
  rapport::testing::TemporaryDirectory folder_;
  const std::filesystem::path path_ = folder_.path() / "model";
};

TEST_F(FusionDirectory, HoldsTheMembersWhole) {
  save(small_fusion());
  const auto loaded = load_retriever(path_, dataset_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->kind(), "fusion");
  for (const std::vector<data::ItemIndex>& history :
       {std::vector<data::ItemIndex>{3, 1, 4}, {}, {7}})
    EXPECT_EQ(scores_of(**loaded, history), scores_of(*small_fusion(), history));
}

TEST_F(FusionDirectory, RefusesAMembersWeightsThatAreNoNumbers) {
  std::vector<FusionMember> members;
  std::vector<float> values(kItems, 1.0f);
  members.push_back({counts(values), 0.5f});
  values[3] = std::numeric_limits<float>::quiet_NaN();
  members.push_back({counts(values), 0.5f});
  save(std::make_unique<Fusion>(std::move(members)));
  const auto loaded = load_retriever(path_, dataset_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(loaded.error().message, HasSubstr("counts holds a number that is none"));
}

TEST_F(FusionDirectory, RefusesOptionsThatCannotBe) {
  base::SafetensorsWriter writer;
  const auto fusion = small_fusion();
  fusion->save(writer);
  ASSERT_TRUE(writer.write(path_));
  const base::Safetensors file = base::Safetensors::open(path_).value();
  const Json sound = fusion->options();
  ASSERT_TRUE(Fusion::load(sound, file));
  struct Case {
    const char* what;
    std::function<void(Json&)> harm;
  };
  for (const Case& c : {
           Case{"no object", [](Json& json) { json = 3; }},
           Case{"no members", [](Json& json) { json.erase("members"); }},
           Case{"none of them", [](Json& json) { json["members"] = Json::array(); }},
           Case{"no member", [](Json& json) { json["members"][1] = 7; }},
           Case{"no kind", [](Json& json) { json["members"][1].erase("kind"); }},
           Case{"unknown kind", [](Json& json) { json["members"][1]["kind"] = "oracle"; }},
           Case{"another kind", [](Json& json) { json["members"][1]["kind"] = "popularity"; }},
           Case{"a fusion",
                [&](Json& json) {
                  json["members"][1] = {{"kind", "fusion"}, {"weight", 1}, {"options", sound}};
                }},
           Case{"no weight", [](Json& json) { json["members"][1].erase("weight"); }},
           Case{"weight 0", [](Json& json) { json["members"][1]["weight"] = 0; }},
           Case{"weight a word", [](Json& json) { json["members"][1]["weight"] = "1"; }},
           Case{"weight beyond floats", [](Json& json) { json["members"][1]["weight"] = 1e300; }},
           Case{"no options", [](Json& json) { json["members"][1].erase("options"); }},
           Case{"members swapped",
                [](Json& json) { std::swap(json["members"][0], json["members"][1]); }},
           Case{"one too many", [](Json& json) { json["members"].push_back(json["members"][0]); }},
       }) {
    Json options = sound;
    c.harm(options);
    const auto loaded = Fusion::load(options, file);
    ASSERT_FALSE(loaded) << c.what;
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt) << c.what;
  }
}

TEST_F(FusionDirectory, RefusesMembersOfDifferentCatalogues) {
  std::vector<float> twelve(12, 1.0f), three(3, 1.0f);
  base::SafetensorsWriter writer;
  writer.add("member0.counts", {12}, twelve).add("member1.counts", {3}, three);
  ASSERT_TRUE(writer.write(path_));
  const auto member = [](std::int64_t items) {
    return Json{{"kind", "popularity"}, {"weight", 0.5}, {"options", {{"items", items}}}};
  };
  const auto loaded = Fusion::load({{"items", 12}, {"members", {member(12), member(3)}}},
                                   base::Safetensors::open(path_).value());
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("different catalogues"));
}

TEST(FusionOptions, NameTwoModelsAtLeastAndNoneTwice) {
  const auto dataset = rapport::testing::random_dataset(5, 4, 1);
  for (const char* const models : {"", "a", "a,b,a"}) {
    const auto options = read_options<FusionOptions>(dataset, {{"models", models}});
    ASSERT_FALSE(options) << models;
    EXPECT_EQ(options.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(options.error().param, "models");
  }
  const auto sound = read_options<FusionOptions>(dataset, {{"models", "/there/a,b/,../c"}});
  ASSERT_TRUE(sound);
  EXPECT_THAT(sound->to_json()["models"], ElementsAre("a", "b", "c"))
      << "a model says nothing of the machine it was made on";
}

/// As one whose language model is gone.
class Failing final : public Retriever {
 public:
  Failing() : Retriever(kItems) {}
  std::string_view kind() const override { return "failing"; }

 private:
  Result<void> do_score(std::span<const Query>, std::span<float>) const override {
    return fail(ErrorCode::kInternal, "nothing is computed");
  }
  Json do_options() const override { return Json::object(); }
  void do_save(base::SafetensorsWriter&) const override {}
};

TEST(Fusion, OfAMemberThatCannotScoreGivesNoScores) {
  std::vector<FusionMember> members;
  members.push_back({small_ease(), 0.5f});
  members.push_back({std::make_unique<Failing>(), 0.5f});
  const Fusion fusion(std::move(members));
  const std::vector<data::ItemIndex> history = {1};
  const Query query{.history = history};
  std::vector<float> scores(kItems);
  const auto scored = fusion.score({&query, 1}, scores);
  ASSERT_FALSE(scored);
  EXPECT_EQ(scored.error().message, "nothing is computed");
}

}  // namespace
}  // namespace rapport::retrieval
