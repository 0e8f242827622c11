// The whole way: a shop, two retrievers, a ranker that learns from some users, its directory, and
// what it is worth on all.
#include "rapport/palr/ranking_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "palr_testing.h"
#include "rapport/palr/ranking_evaluation.h"
#include "testing/temporary_directory.h"

namespace rapport::palr {
namespace {

using ::testing::HasSubstr;

class RankingModels : public ::testing::Test {
 protected:
  static PalrOptions options() {
    PalrOptions options;
    options.pool.best = 10;
    options.fraction = 0.5;
    options.ranker.ranker = "linear";
    options.ranker.rounds = 30;
    options.ranker.network.learning_rate = 0.05;
    options.ranker.network.batch_lists = 8;
    return options;
  }
  LearningContext context(std::int64_t seed = 1) const {
    return {.clock = clock_, .ranker = {.seed = seed, .threads = 2}};
  }
  RankingModel learned(const PalrOptions& how = options()) const {
    auto model = learn_ranking(shop_, sources_, how, {}, context());
    if (!model) throw std::runtime_error(model.error().message);
    return *std::move(model);
  }
  RankingEvaluation evaluated(const RankingModel& model, data::Split split) const {
    auto found = evaluate_ranking(shop_, sources_, model,
                                  {.split = split, .bootstrap = {.resamples = 100}}, context());
    if (!found) throw std::runtime_error(found.error().message);
    return *std::move(found);
  }

  const base::SystemClock clock_{};
  const data::Dataset shop_ = brand_shop(240, 6, 6, 3);
  // Popularity proposes and EASE knows a little: both are far from what the brand tells.
  std::vector<CandidateSource> sources_ = {trained("popularity", shop_), trained("ease", shop_)};
  testing::TemporaryDirectory home_;
};

TEST_F(RankingModels, RankBetterThanTheirRetrieversAndSayByHowMuch) {
  const RankingModel model = learned();
  EXPECT_EQ(model.report["users"], 120);
  const RankingEvaluation found = evaluated(model, data::Split::kTest);
  ASSERT_EQ(found.groups.size(), 2u);
  EXPECT_EQ(found.groups[0].name, "all");
  EXPECT_EQ(found.groups[0].metrics.users(), 240);
  EXPECT_EQ(found.groups[1].name, "others");
  EXPECT_EQ(found.groups[1].metrics.users(), 120) << "those that it did not learn from";
  for (const RankedGroup& group : found.groups) {
    ASSERT_EQ(group.retrievers.size(), 2u);
    const double ours = group.metrics.mean(evaluation::hit_rate_at(10));
    EXPECT_GT(ours, group.retrievers[0].metrics.mean(evaluation::hit_rate_at(10)));
    EXPECT_LE(group.metrics.mean(evaluation::hit_rate_at(50)), group.ceiling + 1e-12);
    EXPECT_DOUBLE_EQ(group.metrics.mean(evaluation::hit_rate_at(50)), group.ceiling)
        << "a pool of fewer than fifty is shown whole";
    EXPECT_TRUE(group.retrievers[0].differences.empty()) << "not the best on validation";
    ASSERT_EQ(group.retrievers[1].differences.size(), evaluation::reported_metrics().size());
  }
  const Json json = to_json(found);
  EXPECT_EQ(json["all"]["users"], 240);
  EXPECT_TRUE(json["others"]["retrievers"][1]["differences"]["ndcg@10"].contains("low"));
  EXPECT_THAT(to_markdown(found), HasSubstr("| ease "));
}

TEST_F(RankingModels, AreNotShownOnTheValidationItemsThatTheyLearnedFrom) {
  const RankingEvaluation found = evaluated(learned(), data::Split::kValidation);
  ASSERT_EQ(found.groups.size(), 1u);
  EXPECT_EQ(found.groups[0].name, "others");
}

TEST_F(RankingModels, ReachTheRetrieversOwnFiguresWithThem) {
  // The retriever alone, ranked by the evaluation that everything else uses.
  const RankingEvaluation found = evaluated(learned(), data::Split::kTest);
  const auto scorer = [&](std::span<const evaluation::Query> queries, std::span<float> scores) {
    return sources_[1].model->score(queries, scores);
  };
  const auto alone = evaluation::rank_held_out(shop_, scorer, {}).value();
  for (const auto& metric : evaluation::reported_metrics())
    EXPECT_NEAR(found.groups[0].retrievers[1].metrics.mean(metric), alone.metrics().mean(metric),
                1e-9)
        << metric.name();
}

TEST_F(RankingModels, AreReadBackWhole) {
  auto how = options();
  how.metadata = true;
  how.strata = "activity,gender";
  const RankingModel model = learned(how);
  const std::string directory = home_.file("palr");
  ASSERT_TRUE(save_ranking_model(model, shop_, directory));
  const auto again = load_ranking_model(directory, shop_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->options.to_json(), how.to_json());
  EXPECT_EQ(again->data_checksum, shop_.checksum());
  EXPECT_EQ(again->report, model.report);
  std::vector<float> row(model.columns.size(), 0.3f);
  float before = 0, after = 1;
  ASSERT_TRUE(model.ranker->score(row, {&before, 1}));
  ASSERT_TRUE(again->ranker->score(row, {&after, 1}));
  EXPECT_EQ(before, after);
  EXPECT_EQ(draw(shop_, learning_lot(again->options, again->seed)).value().users,
            draw(shop_, learning_lot(how, 1)).value().users);
  ASSERT_TRUE(save_ranking_model(model, shop_, directory)) << "one that is there is replaced";
}

TEST_F(RankingModels, AreGivenTheRetrieversThatTheyKnowInTheirOrder) {
  const RankingModel model = learned();
  const auto turned = arranged(std::vector{sources_[1], sources_[0]}, model, "palr").value();
  EXPECT_EQ(turned[0].checksum, sources_[0].checksum);
  const struct {
    std::vector<CandidateSource> sources;
    const char* sentence;
  } cases[] = {
      {{sources_[0]}, "another model ease"},
      {{sources_[0], counts("other", std::vector<float>(60))}, "another model ease"},
  };
  for (const auto& c : cases) {
    const auto refused = arranged(c.sources, model, "palr");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
    EXPECT_THAT(refused.error().message, HasSubstr(c.sentence));
  }
}

TEST_F(RankingModels, KnowTheirJudges) {
  sources_[1].proposes = false;
  const RankingModel model = learned();
  const std::string directory = home_.file("judged");
  ASSERT_TRUE(save_ranking_model(model, shop_, directory));
  const auto again = load_ranking_model(directory, shop_);
  ASSERT_TRUE(again) << again.error().message;
  sources_[1].proposes = true;
  const auto sources = arranged(sources_, *again, "palr").value();
  EXPECT_TRUE(sources[0].proposes);
  EXPECT_FALSE(sources[1].proposes);
}

TEST_F(RankingModels, RefuseOtherFeatures) {
  RankingModel model = learned();
  retrieval::TrainingThreads threads(1);
  auto with_more = options();
  with_more.metadata = true;
  const FeatureSet features = palr_features(shop_, sources_, with_more, {}, threads).value();
  const auto refused = check_columns(features, model, "models/palr");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("\"price\""));
  EXPECT_TRUE(
      check_columns(palr_features(shop_, sources_, options(), {}, threads).value(), model, ""));
}

TEST_F(RankingModels, RefuseWhatIsNotTheirs) {
  const std::string directory = home_.file("palr");
  ASSERT_TRUE(save_ranking_model(learned(), shop_, directory));
  EXPECT_EQ(load_ranking_model(home_.file("nowhere"), shop_).error().code, ErrorCode::kNotFound);
  const auto elsewhere = load_ranking_model(directory, brand_shop(50, 5, 6, 1));
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, ErrorCode::kConflict);
  EXPECT_THAT(elsewhere.error().message, HasSubstr("another catalogue"));
  const data::Dataset later = brand_shop(200, 6, 6, 4);
  const RankingModel model = load_ranking_model(directory, later).value();
  const auto unknown = evaluate_ranking(later, sources_, model, {}, context());
  ASSERT_FALSE(unknown) << "the catalogue is the same, but whom it learned from is not known";
  EXPECT_EQ(unknown.error().code, ErrorCode::kConflict);
}

TEST_F(RankingModels, RefuseFilesThatWereChanged) {
  const std::string directory = home_.file("palr");
  const auto description = std::filesystem::path(directory) / "model.json";
  const auto change = [&](const auto& how) {
    std::filesystem::remove_all(directory);
    ASSERT_TRUE(save_ranking_model(learned(), shop_, directory));
    Json json = Json::parse(std::ifstream(description));
    how(json);
    std::ofstream(description) << json.dump();
  };
  const struct {
    const char* what;
    void (*how)(Json&);
    ErrorCode code;
  } cases[] = {
      {"newer", [](Json& json) { json["format"] = 99; }, ErrorCode::kUnsupported},
      {"a retriever", [](Json& json) { json["kind"] = "sasrec"; }, ErrorCode::kUnsupported},
      {"unknown ranker", [](Json& json) { json["ranker"] = "oracle"; }, ErrorCode::kUnsupported},
      {"no columns", [](Json& json) { json.erase("columns"); }, ErrorCode::kCorrupt},
      {"a column too few", [](Json& json) { json["columns"].erase(0); }, ErrorCode::kCorrupt},
      {"an option of its own", [](Json& json) { json["options"]["best"] = 0; },
       ErrorCode::kCorrupt},
      {"other weights", [](Json& json) { json["weights"]["sha256"] = "0"; }, ErrorCode::kCorrupt},
  };
  for (const auto& c : cases) {
    change(c.how);
    const auto refused = load_ranking_model(directory, shop_);
    ASSERT_FALSE(refused) << c.what;
    EXPECT_EQ(refused.error().code, c.code) << c.what << ": " << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr(directory)) << c.what;
  }
}

TEST_F(RankingModels, DoNotReplaceWhatIsNoRankingModel) {
  const std::string directory = home_.file("papers");
  std::filesystem::create_directory(directory);
  std::ofstream(std::filesystem::path(directory) / "letter.txt") << "dear";
  EXPECT_EQ(check_ranking_output(directory).error().code, ErrorCode::kConflict);
  EXPECT_EQ(save_ranking_model(learned(), shop_, directory).error().code, ErrorCode::kConflict);
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(directory) / "letter.txt"));
}

TEST_F(RankingModels, RefuseMetadataThatIsNotThere) {
  retrieval::TrainingThreads threads(1);
  const data::Dataset bare = testing::random_dataset(20, 10, 1);
  const std::vector<CandidateSource> sources = {trained("popularity", bare)};
  auto how = options();
  how.metadata = true;
  const auto refused = palr_features(bare, sources, how, {}, threads);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "metadata");
}

TEST_F(RankingModels, TellFeaturesOfALanguageModelFromFoldersOfThatName) {
  RankingModel model = learned();
  EXPECT_FALSE(reads_scores(model));
  model.columns.push_back({"language_title_score", "of a retriever in a folder language_title"});
  model.columns.push_back({"profile_lasting_rank", "of another"});
  EXPECT_FALSE(reads_scores(model));
  EXPECT_FALSE(reads_profiles(model));
  model.columns.push_back({"language_title", "log-probability"});
  EXPECT_TRUE(reads_scores(model));
  const auto blind = answers_for(model, {}, "palr");
  ASSERT_FALSE(blind);
  EXPECT_EQ(blind.error().param, "language-scores");
}

TEST_F(RankingModels, RefuseFamiliesThatThereAreNoAnswersFor) {
  PalrOptions how = options();
  how.features = {"retrievers", "profile"};
  const auto refused = learn_ranking(shop_, sources_, how, {}, context());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("name its file with --profiles"));
  how.features = {"sales"};
  EXPECT_THAT(how.check().error().message, HasSubstr("expected some of"));
}

}  // namespace
}  // namespace rapport::palr
