#include "rapport/palr/fused_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "palr_testing.h"
#include "rapport/evaluation/full_ranking.h"
#include "testing/temporary_directory.h"

namespace rapport::palr {
namespace {

using ::testing::HasSubstr;

constexpr auto kNdcg = evaluation::ndcg_at(10);

class Fused : public ::testing::Test {
 protected:
  LearningContext context() const { return {.clock = clock_, .ranker = {.seed = 1, .threads = 2}}; }
  Result<FusedEvaluation> evaluated(const LanguageScores* scores,
                                    const std::vector<CandidateSource>& others,
                                    std::int64_t candidates = 10) const {
    return evaluate_fused(shop_, {.retriever = retriever_, .scores = scores, .others = others},
                          {.candidates = candidates, .bootstrap = {.resamples = 200}}, context());
  }
  /// A file in which the language model likes what `likes` says of a user's held-out item.
  template <typename Likes>
  Result<LanguageScores> said(const Likes& likes, std::int64_t candidates = 10) const {
    std::ofstream file(home_.file("scores.jsonl"), std::ios::trunc);
    file << base::dump_json(AnswerFile::header("scores", shop_, nullptr, {.clock = clock_},
                                               {{"ask", "letters"}}))
         << '\n';
    for (const data::Split split : {data::Split::kValidation, data::Split::kTest})
      for (data::UserIndex user = 0; user < shop_.users(); ++user) {
        const auto held_out = data::held_out(shop_, user, split).value();
        const Pool pool = candidates_of(user, held_out.history, candidates);
        Json items = Json::array(), scores = Json::array();
        for (const data::ItemIndex item : pool.items) {
          items.push_back(shop_.catalogue().id(item));
          scores.push_back(likes(item, held_out.target, split));
        }
        file << base::dump_json({{"user", shop_.people().id(user)},
                                 {"history", held_out.history.size()},
                                 {"weight", 1},
                                 {"items", items},
                                 {"scores", scores}})
             << '\n';
      }
    file.close();
    return LanguageScores::open(home_.file("scores.jsonl"), shop_);
  }
  Pool candidates_of(data::UserIndex user, std::span<const data::ItemIndex> history,
                     std::int64_t best) const {
    return candidates(std::span(&retriever_, 1), {.user = user, .history = history}, {.best = best})
        .value();
  }

  const base::SystemClock clock_{};
  const data::Dataset shop_ = brand_shop(240, 6, 6, 3);
  const CandidateSource retriever_ = trained("popularity", shop_);
  const rapport::testing::TemporaryDirectory home_;
};

TEST_F(Fused, ShowTheRetrieverAsEveryEvaluationDoes) {
  const auto found = evaluated(nullptr, {trained("ease", shop_)});
  ASSERT_TRUE(found) << found.error().message;
  const auto scorer = [&](std::span<const evaluation::Query> queries, std::span<float> scores) {
    return retriever_.model->score(queries, scores);
  };
  const auto alone = evaluation::rank_held_out(shop_, scorer, {}).value().metrics();
  for (const auto& metric : evaluation::reported_metrics())
    EXPECT_NEAR(found->retriever.mean(metric), alone.mean(metric), 1e-9) << metric.name();
}

TEST_F(Fused, GainByAVoiceThatKnowsAndNotByOneThatIsSilent) {
  const auto knows =
      said([](auto item, auto target, data::Split) { return item == target ? -0.1 : -3.0; });
  ASSERT_TRUE(knows) << knows.error().message;
  const CandidateSource silent = counts("silent", std::vector<float>(60, 1.0f));
  const auto found = evaluated(&*knows, {silent});
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->voices.size(), 2u);
  const FusedVoice& language = found->voices[0];
  EXPECT_EQ(language.name, "language model");
  EXPECT_NEAR(language.fused.mean(kNdcg), found->ceiling, 1e-9) << "first wherever it is there";
  EXPECT_NEAR(language.alone.mean(kNdcg), found->ceiling, 1e-9);
  EXPECT_GT(language.gain[5].interval.low, 0);
  const FusedVoice& control = found->voices[1];
  EXPECT_EQ(control.weight, 0) << "of equal weights the least";
  // Ties in a list count against the target, and the silent voice makes nothing but these.
  EXPECT_LE(control.alone.mean(kNdcg), found->retriever.mean(kNdcg));
  EXPECT_NEAR(control.behind_first[5].interval.estimate,
              language.fused.mean(kNdcg) - control.fused.mean(kNdcg), 1e-9);
}

TEST_F(Fused, ChooseTheWeightWithoutTheTestItems) {
  // Right about the validation items, wrong about those of the test: the weight stays, the loss
  // shows.
  const auto turned = said([](auto item, auto target, data::Split split) {
    return (item == target) == (split == data::Split::kValidation) ? -0.1 : -3.0;
  });
  const auto found = evaluated(&*turned, {});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_GT(found->voices[0].weight, 0);
  EXPECT_LT(found->voices[0].fused.mean(kNdcg), found->retriever.mean(kNdcg));
}

TEST_F(Fused, AreRefusedWithoutASecondVoiceOrWithAnswersAboutOthers) {
  const auto alone = evaluated(nullptr, {});
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().param, "judges");
  const auto fewer = said([](auto, auto, data::Split) { return -1.0; }, 4);
  const auto refused = evaluated(&*fewer, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("--candidates"));
  EXPECT_TRUE(evaluated(&*fewer, {}, 4));
}

TEST_F(Fused, AreShownAsJsonAndAsATable) {
  const auto found = evaluated(nullptr, {trained("ease", shop_), trained("fpmc", shop_)}).value();
  const Json json = to_json(found);
  for (const char* const block : {"retriever", "language_model", "fused"})
    EXPECT_TRUE(json[block].contains("ndcg@10")) << block;
  EXPECT_EQ(json["language_model"]["name"], "ease") << "the first of the others is the voice";
  EXPECT_EQ(json["controls"][0]["name"], "fpmc");
  EXPECT_TRUE(json["controls"][0]["behind_first"]["ndcg@10"].contains("low"));
  EXPECT_TRUE(json["fused"]["gain"]["hr@10"].contains("high"));
  EXPECT_THAT(to_markdown(found), HasSubstr("popularity and ease"));
}

}  // namespace
}  // namespace rapport::palr
