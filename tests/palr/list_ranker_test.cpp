#include "rapport/palr/list_ranker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "palr_testing.h"
#include "rapport/palr/learning.h"
#include "rapport/retrieval/model_directory.h"
#include "testing/temporary_directory.h"

namespace rapport::palr {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ListRankers : public ::testing::Test {
 protected:
  ListRankers() {
    for (const char* kind : {"popularity", "ease"}) {
      const auto fit = retrieval::fit_retriever(kind, shop_, {}, {.clock = clock_});
      EXPECT_TRUE(fit && retrieval::save_model(*fit, shop_, retrievers() / kind));
    }
    const auto sources = load_sources(
        {(retrievers() / "popularity").string(), (retrievers() / "ease").string()}, shop_);
    EXPECT_TRUE(sources) << sources.error().message;
    PalrOptions options;
    options.pool.best = 5;
    options.fraction = 1;
    options.ranker.rounds = 20;
    const auto model = learn_ranking(shop_, *sources, options, {}, {.clock = clock_, .ranker = {}});
    EXPECT_TRUE(model) << model.error().message;
    EXPECT_TRUE(save_ranking_model(*model, shop_, directory()));
  }
  std::filesystem::path retrievers() const { return home_.path() / "retrievers"; }
  std::filesystem::path directory() const { return home_.path() / "ranker"; }
  Result<std::shared_ptr<const ListRanker>> opened() const {
    TRY(RankingModel model, load_ranking_model(directory(), shop_));
    TRY(auto sources, find_sources(model, retrievers(), shop_, {}));
    return ListRanker::create(std::move(model), std::move(sources), shop_, 1);
  }

  const base::SystemClock clock_{};
  const data::Dataset shop_ = brand_shop(120, 6, 6, 3);
  const std::vector<data::ItemIndex> history_ = {3, 5, 8};  // of one brand
  testing::TemporaryDirectory home_;
};

TEST_F(ListRankers, RanksAsTheEvaluationDoes) {
  const auto ranker = opened();
  ASSERT_TRUE(ranker) << ranker.error().message;
  const auto list = (*ranker)->rank({.history = history_}, {});
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_THAT(list->pool.items, Not(Contains(5))) << "it was taken";

  const RankingModel model = load_ranking_model(directory(), shop_).value();
  retrieval::TrainingThreads threads(1);
  const FeatureSet features =
      palr_features(shop_, (*ranker)->sources(), model.options, {}, threads).value();
  const Pool pool =
      candidates((*ranker)->sources(), {.history = history_}, model.options.pool).value();
  EXPECT_EQ(list->pool.items, pool.items);
  std::vector<float> rows;
  ASSERT_TRUE(features.rows({.history = history_, .pool = pool}, rows));
  EXPECT_EQ(list->rows, rows);
  std::vector<float> scores(pool.size());
  ASSERT_TRUE(model.ranker->score(rows, scores));
  EXPECT_EQ(list->scores, scores);
  const auto best = std::ranges::max_element(list->scores) - list->scores.begin();
  EXPECT_LT(list->pool.items[static_cast<std::size_t>(best)], 10) << "the history's brand";
}

TEST_F(ListRankers, KeepToTheFilterWhateverIsProposed) {
  const auto ranker = opened().value();
  const PoolFilter even{.admits = [](data::ItemIndex item) { return item % 2 == 0; },
                        .also = {41, 42, 8}};
  const auto list = ranker->rank({.history = history_}, even);
  ASSERT_TRUE(list);
  EXPECT_THAT(list->pool.items, Each(::testing::Truly([](auto item) { return item % 2 == 0; })));
  EXPECT_THAT(list->pool.items, Contains(42)) << "though no retriever's best";
  EXPECT_THAT(list->pool.items, Contains(8)) << "known, and admitted";
  EXPECT_THAT(
      list->pool.items,
      SizeIs(std::set<data::ItemIndex>(list->pool.items.begin(), list->pool.items.end()).size()));
  const auto nothing =
      ranker->rank({.history = history_}, {.admits = [](data::ItemIndex) { return false; }});
  ASSERT_TRUE(nothing);
  EXPECT_THAT(nothing->pool.items, IsEmpty());
}

TEST_F(ListRankers, NameWhatRaisedACandidate) {
  const auto ranker = opened().value();
  const auto list = ranker->rank({.history = history_}, {}).value();
  const auto best =
      static_cast<std::size_t>(std::ranges::max_element(list.scores) - list.scores.begin());
  const auto raised = ranker->raised_by(list, std::vector<std::size_t>{best}, 3);
  ASSERT_TRUE(raised) << raised.error().message;
  ASSERT_THAT(*raised, SizeIs(1));
  ASSERT_THAT(raised->front(), Not(IsEmpty()));
  ASSERT_LE(raised->front().size(), 3u);
  float before = std::numeric_limits<float>::infinity();
  for (const Contribution& each : raised->front()) {
    EXPECT_GT(each.amount, 0);
    EXPECT_LE(each.amount, before);
    EXPECT_THAT(ranker->columns()[each.column].name, Not(HasSubstr("within user")))
        << "a feature counts once, by its own name";
    before = each.amount;
  }
}

TEST_F(ListRankers, GiveUpWhenItIsLate) {
  const auto ranker = opened().value();
  // Before each of two retrievers, the features and the scores.
  for (int when = 1; when <= 4; ++when) {
    int asked = 0;
    const auto late = ranker->rank({.history = history_}, {}, [&] { return ++asked == when; });
    ASSERT_FALSE(late) << when;
    EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
  }
  EXPECT_TRUE(ranker->rank({.history = history_}, {}, [] { return false; }));
}

TEST_F(ListRankers, FindTheirRetrieversByTheirWeightsWhateverTheFoldersAreCalled) {
  std::filesystem::rename(retrievers() / "ease", retrievers() / "mine");
  const auto other = retrieval::fit_retriever("ease", shop_, {{"lambda", "7"}}, {.clock = clock_});
  ASSERT_TRUE(other && retrieval::save_model(*other, shop_, retrievers() / "ease"));
  std::filesystem::create_directory(retrievers() / "half a model");
  const auto ranker = opened();
  ASSERT_TRUE(ranker) << ranker.error().message;
  EXPECT_EQ((*ranker)->sources()[1].name, "ease");

  const RankingModel model = load_ranking_model(directory(), shop_).value();
  const auto loaded = load_sources({(retrievers() / "mine").string()}, shop_).value();
  std::filesystem::remove_all(retrievers() / "mine");
  const auto sources = find_sources(model, retrievers(), shop_, loaded);
  ASSERT_TRUE(sources) << sources.error().message;
  EXPECT_EQ((*sources)[1].model, loaded.front().model) << "what is loaded is not loaded again";
}

TEST_F(ListRankers, AreRefusedWithoutTheRetrieversThatTheyLearnedFrom) {
  std::filesystem::remove_all(retrievers() / "ease");
  const auto missing = opened();
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("ease"));
  const auto other = retrieval::fit_retriever("ease", shop_, {{"lambda", "7"}}, {.clock = clock_});
  ASSERT_TRUE(other && retrieval::save_model(*other, shop_, retrievers() / "ease"));
  const auto changed = opened();
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kConflict);
  EXPECT_THAT(changed.error().message, HasSubstr("train the ranking again"));
}

}  // namespace
}  // namespace rapport::palr
