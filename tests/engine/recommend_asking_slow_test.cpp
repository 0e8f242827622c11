// Lists that a ranking orders which asks a language model about each: the real one, while the list
// is made.
#include <gmock/gmock.h>

#include "curator_fixture.h"
#include "palr/palr_testing.h"
#include "rapport/palr/learning.h"
#include "rapport/retrieval/model_directory.h"
#include "testing/model_files.h"

namespace rapport::engine {
namespace {

using ::testing::HasSubstr;

class AskingCurator : public CuratorTest {
 protected:
  AskingCurator() {
    language::EmbeddedOptions options;
    options.path = rapport::testing::smollm2_path();
    options.context_tokens = 1024;
    model_ = language::EmbeddedModel::load(options).value();
    learn();
  }
  std::filesystem::path ranker() const { return home_.path() / "asking"; }
  std::filesystem::path ease() const { return home_.path() / "retrievers" / "shop" / "ease"; }
  /// What the language model says of the best of EASE, and a ranking that reads nothing else.
  void learn() {
    const base::SystemClock clock;
    EXPECT_TRUE(shop_.save(dataset("shop")));
    const auto fit = retrieval::fit_retriever("ease", shop_, {}, {.clock = clock});
    EXPECT_TRUE(fit && retrieval::save_model(*fit, shop_, ease()));
    const auto sources = palr::load_sources({ease().string()}, shop_).value();
    const std::string answers = (home_.path() / "answers.jsonl").string();
    const auto asked = palr::score_users(
        shop_, sources, data::Split::kValidation, palr::lot_of(palr::everyone(shop_)), *model_,
        {.best = 4}, {.ask = "letters", .candidates = 4, .orders = 1, .question = {.history = 2}},
        answers, {.clock = clock});
    EXPECT_TRUE(asked) << asked.error().message;
    const auto scores = palr::LanguageScores::open(answers, shop_).value();
    palr::PalrOptions how;
    how.pool.best = 4;
    how.fraction = 1;
    how.features = {"language"};
    how.ranker.ranker = "linear";
    how.ranker.rounds = 5;
    const auto learned = palr::learn_ranking(shop_, sources, how, {.scores = &scores},
                                             {.clock = clock, .ranker = {}});
    EXPECT_TRUE(learned && palr::save_ranking_model(*learned, shop_, ranker()));
  }
  RecommendOptions options(std::int64_t ranking_ms) const {
    return {.dataset = "shop",
            .model = "ease",
            .train = false,
            .ranking = ranker().string(),
            .ranking_ms = ranking_ms,
            .diversity = 0};
  }
  Recommendation recommended(std::int64_t ranking_ms) {
    const base::SystemClock clock;  // what takes long has to be seen to
    Recommender recommender(options(ranking_ms), profile::Degree::kMemory, *store_, *keys_, slot_,
                            attribution_, clock, random_);
    RecommendationRequest request;
    request.caller.body_user = "sam";
    auto list = recommender.recommend(request);
    EXPECT_TRUE(list) << list.error().message;
    return *std::move(list);
  }

  std::unique_ptr<language::EmbeddedModel> model_;
  const data::Dataset shop_ = palr::brand_shop(30, 8, 6, 3);
};

TEST_F(AskingCurator, HasTheLanguageModelOrderTheCandidatesOrSaysWhyNot) {
  curator(options(60'000)).open();
  ASSERT_TRUE(slot_.get());
  EXPECT_EQ(slot_.get()->ranking(), nullptr);
  EXPECT_THAT(slot_.get()->why_no_ranking(), HasSubstr("language.backend"));

  language_model_ = model_.get();
  curator(options(60'000)).open();
  ASSERT_NE(slot_.get()->ranking(), nullptr) << slot_.get()->why_no_ranking();
  for (const char* item : {"item 3", "item 5", "item 8"})
    did("sam", store::InteractionKind::kLike, item);
  EXPECT_EQ(recommended(60'000).ranker, "linear");

  // Far less than the model takes to read the prompt.
  const Recommendation list = recommended(1);
  EXPECT_EQ(list.ranker, "");
  EXPECT_FALSE(list.items.empty());
  EXPECT_THAT(explanation_of(list.id)["left_out"].dump(), HasSubstr("longer than 1 ms"));
  slot_.put(nullptr);  // before the model that it asks
}

}  // namespace
}  // namespace rapport::engine
