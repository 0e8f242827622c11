#include "rapport/palr/ranker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <numeric>

#include "rapport/base/random.h"
#include "rapport/palr/listwise_network.h"
#include "rapport/palr/ranker_training.h"
#include "testing/temporary_directory.h"

namespace rapport::palr {
namespace {

using ::testing::HasSubstr;

constexpr evaluation::Metric kWhole = evaluation::ndcg_at(evaluation::Metric::kAllItems);

/// Lists of 12 candidates with three columns by lot. The target is the one for which `taste` is
/// highest; of every fifth list it is not in the pool.
template <typename Taste>
RankingLists lists_by(std::size_t users, std::uint64_t seed, const Taste& taste) {
  constexpr std::size_t kCandidates = 12, kColumns = 3;
  base::SplitMix64 random(seed);
  RankingLists lists{.columns = kColumns};
  for (std::size_t user = 0; user < users; ++user) {
    std::size_t best = 0;
    float highest = -1e9f;
    for (std::size_t i = 0; i < kCandidates; ++i) {
      float row[kColumns];
      for (float& value : row) value = static_cast<float>(random.next() >> 40) * 0x1.0p-23f - 1;
      lists.values.insert(lists.values.end(), std::begin(row), std::end(row));
      if (const float own = taste(row); own > highest) {
        best = i;
        highest = own;
      }
    }
    lists.offsets.push_back(lists.offsets.back() + static_cast<std::int64_t>(kCandidates));
    lists.targets.push_back(user % 5 == 4 ? -1 : static_cast<std::int64_t>(best));
  }
  return lists;
}

float linear_taste(const float* row) {
  return 2 * row[0] - row[1];
}
/// No weighted sum orders by this.
float crooked_taste(const float* row) {
  return -std::abs(row[0] - 0.3f) + 0.2f * row[1];
}

RankerOptions options_of(const std::string& ranker) {
  RankerOptions options{.ranker = ranker, .rounds = 60, .patience = 60, .folds = 3};
  options.trees.shrinkage = 0.3;
  options.network.learning_rate = 0.02;
  options.network.batch_lists = 16;
  return options;
}

double ndcg_of(const Ranker& ranker, const RankingLists& lists) {
  std::vector<float> scores(static_cast<std::size_t>(lists.candidates()));
  EXPECT_TRUE(ranker.score(lists.values, scores));
  return mean_of(evaluation::ndcg_at(10), lists, scores);
}

class Rankers : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Rankers, ::testing::Values("xgboost", "mlp", "linear"));

TEST_P(Rankers, LearnWhatMakesTheTarget) {
  const auto fit = train_ranker(lists_by(300, 1, linear_taste), options_of(GetParam()), {});
  ASSERT_TRUE(fit) << fit.error().message;
  EXPECT_EQ(fit->ranker->kind(), GetParam());
  // Four of five targets are in the pool; chance puts them at place 5 or 6 of 12.
  EXPECT_GT(ndcg_of(*fit->ranker, lists_by(200, 2, linear_taste)), 0.68);
}

TEST_P(Rankers, GiveTheSameForTheSameSeedWhateverTheThreads) {
  const RankingLists lists = lists_by(60, 1, linear_taste);
  auto options = options_of(GetParam());
  options.rounds = 8;
  const auto scores_of = [&](std::int64_t seed, std::int64_t threads) {
    const auto fit = train_ranker(lists, options, {.seed = seed, .threads = threads}).value();
    std::vector<float> scores(static_cast<std::size_t>(lists.candidates()));
    EXPECT_TRUE(fit.ranker->score(lists.values, scores));
    return std::pair(scores, fit.course);
  };
  EXPECT_EQ(scores_of(1, 1), scores_of(1, 3));
  EXPECT_NE(scores_of(1, 1), scores_of(2, 1));
}

TEST_P(Rankers, AreSavedAndReadBackWithTheSameScores) {
  const RankingLists lists = lists_by(60, 1, linear_taste);
  const auto fit = train_ranker(lists, options_of(GetParam()), {}).value();
  testing::TemporaryDirectory home;
  base::SafetensorsWriter writer;
  fit.ranker->save(writer);
  ASSERT_TRUE(writer.write(home.file("weights")));
  const auto file = base::Safetensors::open(home.file("weights")).value();
  const RankerKind& kind = *find_ranker_kind(GetParam()).value();
  const auto again = kind.load(file, 3);
  ASSERT_TRUE(again) << again.error().message;
  std::vector<float> before(static_cast<std::size_t>(lists.candidates())), after(before.size());
  ASSERT_TRUE(fit.ranker->score(lists.values, before));
  ASSERT_TRUE((*again)->score(lists.values, after));
  EXPECT_EQ(before, after);
  const auto other = kind.load(file, 4);
  ASSERT_FALSE(other) << "of other columns";
  EXPECT_EQ(other.error().code, ErrorCode::kCorrupt);
}

TEST_P(Rankers, SayWhatEachColumnBroughtToTheScore) {
  const RankingLists lists = lists_by(200, 1, linear_taste);
  const auto fit = train_ranker(lists, options_of(GetParam()), {}).value();
  const auto rows = lists.rows(3);
  std::vector<float> scores(rows.size() / 3);
  ASSERT_TRUE(fit.ranker->score(rows, scores));
  const auto contributions = fit.ranker->contributions(rows).value();
  ASSERT_EQ(contributions.size(), scores.size() * 4);
  double first = 0, last = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto own = std::span(contributions).subspan(i * 4, 4);
    EXPECT_NEAR(std::accumulate(own.begin(), own.end(), 0.0f), scores[i], 1e-3f);
    first += std::abs(static_cast<double>(own[0]));
    last += std::abs(static_cast<double>(own[2]));
  }
  EXPECT_GT(first, 3 * last) << "the third column has no part in the taste";
}

TEST_P(Rankers, RefuseRowsThatDoNotFit) {
  const auto fit = train_ranker(lists_by(30, 1, linear_taste), options_of(GetParam()), {}).value();
  std::vector<float> scores(2);
  EXPECT_EQ(fit.ranker->score(std::vector<float>(5), scores).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(fit.ranker->contributions(std::vector<float>(5)).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_TRUE(fit.ranker->score({}, {}));
}

TEST(RankerKinds, DifferInWhatTheyCanLearn) {
  const RankingLists learned = lists_by(400, 1, crooked_taste),
                     other = lists_by(200, 2, crooked_taste);
  const auto ndcg = [&](const char* kind) {
    return ndcg_of(*train_ranker(learned, options_of(kind), {}).value().ranker, other);
  };
  const double linear = ndcg("linear");
  EXPECT_GT(ndcg("mlp"), linear + 0.1);
  EXPECT_GT(ndcg("xgboost"), linear + 0.1);
}

TEST(RankerKinds, LearnByXgboostsOwnObjectiveToo) {
  auto options = options_of("xgboost");
  options.trees.objective = "ndcg";
  const auto fit = train_ranker(lists_by(300, 1, linear_taste), options, {}).value();
  EXPECT_GT(ndcg_of(*fit.ranker, lists_by(200, 2, linear_taste)), 0.68);
}

TEST(RankerTraining, TakesTheRoundThatServesHeldBackUsersBest) {
  const RankingLists lists = lists_by(100, 1, linear_taste);
  auto options = options_of("linear");
  options.patience = 5;
  std::vector<std::int64_t> rounds, finals;
  const auto fit = train_ranker(lists, options,
                                {.on_progress =
                                     [&](const RankerProgress& at) {
                                       (at.is_final ? finals : rounds).push_back(at.round);
                                     }})
                       .value();
  const auto best = std::ranges::max_element(fit.course);
  EXPECT_EQ(fit.rounds, best - fit.course.begin() + 1);
  EXPECT_LE(static_cast<std::int64_t>(fit.course.size()), fit.rounds + options.patience);
  EXPECT_EQ(rounds.size(), fit.course.size());
  EXPECT_EQ(static_cast<std::int64_t>(finals.size()), fit.rounds);
  EXPECT_DOUBLE_EQ(mean_of(kWhole, lists, fit.held_back), *best);
}

TEST(RankerTraining, HoldsEveryUserBackFromTheTrainerThatRanksThem) {
  // Targets by lot: whoever learned from a user would do better on them than chance.
  RankingLists lists = lists_by(200, 1, linear_taste);
  base::SplitMix64 random(9);
  for (auto& target : lists.targets)
    target =
        static_cast<std::int64_t>(base::below(static_cast<std::uint32_t>(random.next() >> 32), 12));
  auto options = options_of("xgboost");
  options.rounds = 30;
  options.trees.depth = 8;
  options.trees.l2 = 0;
  options.trees.min_weight = 0;
  const auto fit = train_ranker(lists, options, {}).value();
  double chance = 0;
  for (int rank = 0; rank < 12; ++rank) chance += 1 / std::log2(rank + 2.0) / 12;
  EXPECT_LT(fit.course.back(), chance + 0.06);
  EXPECT_GT(ndcg_of(*fit.ranker, lists), chance + 0.2) << "of those it learned from, it does";
}

TEST(RankerTraining, RefusesWhatCannotBeLearned) {
  RankingLists lists = lists_by(10, 1, linear_taste);
  for (auto& target : lists.targets) target = -1;
  const auto refused = train_ranker(lists, options_of("linear"), {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("of 10 users 0 have"));
  const struct {
    const char* key;
    RankerOptions options;
  } cases[] = {{"ranker", {.ranker = "forest"}}, {"objective", {.trees = {.objective = "pairs"}}}};
  for (const auto& c : cases) {
    const auto wrong = train_ranker(lists, c.options, {});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().param, c.key);
  }
}

TEST(RankerTraining, StopsWhenItIsToldTo) {
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = train_ranker(lists_by(50, 1, linear_taste), options_of("linear"),
                                    {.stop_token = stop.get_token()});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

/// -log softmax(scores)[target] in double precision, from the scores of the network.
double loss_of(const NetworkShape& shape, const std::vector<float>& weights,
               const std::vector<float>& rows, std::size_t target) {
  std::vector<float> scores(rows.size() / static_cast<std::size_t>(shape.columns));
  network_scores(shape, weights, rows, scores);
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score));
  return std::log(sum) - static_cast<double>(scores[target]);
}

TEST(ListwiseNetwork, HasTheGradientOfItsLoss) {
  for (const std::int64_t hidden : {0, 4}) {
    const NetworkShape shape{3, hidden};
    base::SplitMix64 random(7);
    const auto draw = [&] { return static_cast<float>(random.next() >> 40) * 0x1.0p-23f - 1; };
    std::vector<float> weights(shape.weights()), rows(5 * 3), gradient(weights.size());
    for (float& each : weights) each = draw();
    for (float& each : rows) each = draw();
    const double loss = list_loss(shape, weights, rows, 2, gradient);
    EXPECT_NEAR(loss, loss_of(shape, weights, rows, 2), 1e-5);
    for (std::size_t w = 0; w < weights.size(); ++w) {
      constexpr float kStep = 1e-2f;
      auto up = weights, down = weights;
      up[w] += kStep;
      down[w] -= kStep;
      const double slope = (loss_of(shape, up, rows, 2) - loss_of(shape, down, rows, 2)) /
                           (2 * static_cast<double>(kStep));
      EXPECT_NEAR(static_cast<double>(gradient[w]), slope, 3e-3) << hidden << ": " << w;
    }
  }
}

RC_GTEST_PROP(ListwiseNetwork, MakesSharesThatSumToOne, (std::vector<float> values)) {
  RC_PRE(!values.empty());
  for (float& value : values) value = std::isfinite(value) ? std::fmod(value, 100.0f) : 0;
  const double loss = softmax(values, 0);
  RC_ASSERT(loss >= -1e-6);
  RC_ASSERT(std::abs(std::accumulate(values.begin(), values.end(), 0.0) - 1) < 1e-4);
}

TEST(RankingLists, CountTiesAgainstTheTarget) {
  EXPECT_EQ(rank_in_list(std::vector<float>{1, 1, 0}, 0), 1);
  EXPECT_EQ(rank_in_list(std::vector<float>{2, 1, 0}, 0), 0);
  const RankingLists lists{.columns = 0, .offsets = {0, 2, 4}, .values = {}, .targets = {0, -1}};
  EXPECT_DOUBLE_EQ(mean_of(kWhole, lists, std::vector<float>{2, 1, 5, 5}), 0.5)
      << "a target outside of the pool counts 0";
}

}  // namespace
}  // namespace rapport::palr
