#include "rapport/retrieval/training/closed_form.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "closed_form_reference.h"
#include "rapport/base/random.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/linear_model.h"
#include "rapport/retrieval/text_features.h"
#include "rapport/retrieval/training/positive_definite.h"
#include "rapport/retrieval/training/sparse_product.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const base::SystemClock kClock;

double random_double(base::SplitMix64& random) {
  return static_cast<double>(random.next() >> 11) * 0x1p-53;
}

// --- Equations ---------------------------------------------------------------------------------

struct System {
  std::vector<float> a, c;  // [n × n], [n × columns]
  std::int64_t n;
};

/// Positive definite as G·Gᵀ/n + I is, of sizes that end within a tile.
System random_system(std::int64_t n, std::int64_t columns, std::uint64_t seed) {
  base::SplitMix64 random(seed);
  const at::Tensor g = at::empty({n, n}, at::kDouble);
  for (std::int64_t i = 0; i < n * n; ++i) g.data_ptr<double>()[i] = random_double(random) - 0.5;
  const at::Tensor a =
      (at::mm(g, g.t()) / static_cast<double>(n) + at::eye(n, at::kDouble)).to(at::kFloat);
  System system{.a = {a.data_ptr<float>(), a.data_ptr<float>() + n * n}, .c = {}, .n = n};
  for (std::int64_t i = 0; i < n * columns; ++i)
    system.c.push_back(static_cast<float>(random_double(random)));
  return system;
}

/// The largest difference of A·x from c.
double residual(const System& system, const std::vector<float>& x) {
  const auto tensor = [&](const std::vector<float>& values) {
    return at::from_blob(const_cast<float*>(values.data()),
                         {system.n, static_cast<std::int64_t>(values.size()) / system.n},
                         at::kFloat)
        .to(at::kDouble);
  };
  return (at::mm(tensor(system.a), tensor(x)) - tensor(system.c)).abs().max().item<double>();
}

TEST(SolvePositiveDefinite, SolvesSystemsOfOneTileAndOfSeveral) {
  TrainingThreads threads(2);
  for (const std::int64_t n : {1, 3, 511, 512, 513, 1100}) {
    const System system = random_system(n, 300, static_cast<std::uint64_t>(n));
    System work = system;
    ASSERT_TRUE(solve_positive_definite(work.a, work.c, n, threads, {}));
    EXPECT_LT(residual(system, work.c), 1e-4) << n;
  }
}

TEST(SolvePositiveDefinite, Inverts) {
  System system = random_system(1100, 0, 7);
  System work = system;
  work.c.assign(work.a.size(), 5.0f);
  TrainingThreads threads(2);
  ASSERT_TRUE(solve_positive_definite(work.a, work.c, 1100, threads, {.invert = true}));
  system.c.assign(system.a.size(), 0.0f);
  for (std::size_t i = 0; i < 1100; ++i) system.c[i * 1101] = 1;
  EXPECT_LT(residual(system, work.c), 1e-4);
}

TEST(SolvePositiveDefinite, GivesTheSameBitsWhateverTheThreads) {
  const System system = random_system(1100, 600, 3);
  System one = system, three = system;
  TrainingThreads single(1), more(3);
  ASSERT_TRUE(solve_positive_definite(one.a, one.c, 1100, single, {}));
  ASSERT_TRUE(solve_positive_definite(three.a, three.c, 1100, more, {}));
  EXPECT_EQ(one.c, three.c);
}

TEST(SolvePositiveDefinite, RefusesAMatrixThatIsNotPositiveDefinite) {
  System system = random_system(600, 10, 3);
  system.a[599 * 601] = -1;  // in the last tile
  TrainingThreads threads(1);
  const auto solved = solve_positive_definite(system.a, system.c, 600, threads, {});
  ASSERT_FALSE(solved);
  EXPECT_EQ(solved.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(solved.error().message, HasSubstr("raise lambda"));
}

TEST(SolvePositiveDefinite, TellsHowFarItIsAndEndsWhenTold) {
  const System system = random_system(1100, 600, 3);
  System work = system;
  TrainingThreads threads(1);
  std::vector<double> told;
  const auto tell = [&](double done) -> Result<void> {
    told.push_back(done);
    return {};
  };
  ASSERT_TRUE(solve_positive_definite(work.a, work.c, 1100, threads, {.step = tell}));
  ASSERT_GE(told.size(), 4u);
  EXPECT_TRUE(std::ranges::is_sorted(told));
  EXPECT_EQ(told.back(), 1);
  for (std::size_t stop = 0; stop < told.size(); ++stop) {
    work = system;
    std::size_t calls = 0;
    const auto end = [&](double) -> Result<void> {
      if (calls++ < stop) return {};
      return fail(ErrorCode::kCancelled, "enough");
    };
    const auto ended = solve_positive_definite(work.a, work.c, 1100, threads, {.step = end});
    ASSERT_FALSE(ended);
    EXPECT_EQ(calls, stop + 1);
  }
}

TEST(AddProduct, IsTheSumOverRowsWhateverTheThreads) {
  base::SplitMix64 random(5);
  SparseMatrix a{.columns = 70}, b{.columns = 50};
  Matrix dense_a, dense_b;
  for (int row = 0; row < 200; ++row) {
    for (auto [sparse, dense] : {std::pair(&a, &dense_a), std::pair(&b, &dense_b)}) {
      std::vector<float> values(static_cast<std::size_t>(sparse->columns));
      for (float& value : values)
        value = random.next() % 4 == 0 ? static_cast<float>(random_double(random)) : 0;
      append_largest(values, sparse->columns, *sparse);
      dense->emplace_back(values.begin(), values.end());
    }
  }
  std::vector<float> one(70 * 50, 1.0f), three = one;
  TrainingThreads single(1), more(3);
  ASSERT_TRUE(add_product(a, b, 0.5f, single, {}, one));
  ASSERT_TRUE(add_product(a, b, 0.5f, more, {}, three));
  EXPECT_EQ(one, three);
  const Matrix expected = product(transposed(dense_a), dense_b);
  for (std::size_t i = 0; i < 70; ++i)
    for (std::size_t j = 0; j < 50; ++j)
      EXPECT_NEAR(one[i * 50 + j], 1 + 0.5 * expected[i][j], 1e-4);
}

// --- Models ------------------------------------------------------------------------------------

const LinearModel& linear(const Fit& fit) {
  return dynamic_cast<const LinearModel&>(*fit.model);
}

Matrix weights_of(const Fit& fit) {
  const SparseMatrix& weights = linear(fit).weights();
  Matrix dense =
      zeros(static_cast<std::size_t>(weights.rows()), static_cast<std::size_t>(weights.columns));
  for (std::int64_t i = 0; i < weights.rows(); ++i) {
    for (std::size_t k = 0; k < weights.row_indices(i).size(); ++k)
      dense[static_cast<std::size_t>(i)][static_cast<std::size_t>(weights.row_indices(i)[k])] =
          static_cast<double>(weights.row_values(i)[k]);
  }
  return dense;
}

void expect_near(const Matrix& actual, const Matrix& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (std::size_t j = 0; j < expected.size(); ++j)
      EXPECT_NEAR(actual[i][j], expected[i][j], 2e-5) << i << ", " << j;
}

Fit fit_of(std::string_view model, const data::Dataset& dataset, const Assignments& assignments,
           std::int64_t threads = 2) {
  auto fit = fit_retriever(model, dataset, assignments, {.clock = kClock, .threads = threads});
  EXPECT_TRUE(fit) << fit.error().message;
  return std::move(fit).value();
}

Matrix taken(const data::Dataset& dataset) {
  Matrix x =
      zeros(static_cast<std::size_t>(dataset.users()), static_cast<std::size_t>(dataset.items()));
  for (data::UserIndex user = 0; user < dataset.users(); ++user)
    for (const data::ItemIndex item : data::training_history(dataset, user))
      x[static_cast<std::size_t>(user)][static_cast<std::size_t>(item)] = 1;
  return x;
}

/// B = I − P·diag(1 / diag P), P = (XᵀX + λI)⁻¹: equations 6 to 8 of Steck 2019.
Matrix reference_ease(const Matrix& x, double lambda) {
  Matrix a = product(transposed(x), x);
  for (std::size_t i = 0; i < a.size(); ++i) a[i][i] += lambda;
  const Matrix p = inverse(a);
  Matrix b = zeros(a.size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a.size(); ++j) b[i][j] = (i == j ? 1.0 : 0.0) - p[i][j] / p[j][j];
  return b;
}

/// ‖X − X·B‖² + λ‖B‖².
double ease_loss(const Matrix& x, const Matrix& b, double lambda) {
  const Matrix predicted = product(x, b);
  double loss = 0;
  for (std::size_t u = 0; u < x.size(); ++u)
    for (std::size_t i = 0; i < b.size(); ++i)
      loss += (x[u][i] - predicted[u][i]) * (x[u][i] - predicted[u][i]);
  for (const auto& row : b)
    for (const double weight : row) loss += lambda * weight * weight;
  return loss;
}

RC_GTEST_PROP(FitEase, IsThePapersClosedFormWithAZeroDiagonal, ()) {
  const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000);
  const auto items = *rc::gen::inRange<std::int64_t>(8, 40);
  const double lambda = *rc::gen::element(0.5, 5.0, 100.0);
  const data::Dataset dataset = rapport::testing::random_dataset(50, items, seed);
  const Matrix weights = weights_of(fit_of("ease", dataset, {{"lambda", std::to_string(lambda)}}));
  expect_near(weights, reference_ease(taken(dataset), lambda));
  for (std::size_t i = 0; i < weights.size(); ++i) RC_ASSERT(weights[i][i] == 0);
}

TEST(FitEase, IsTheBestOfAllWeightsWithoutADiagonal) {
  const data::Dataset dataset = rapport::testing::random_dataset(60, 12, 4);
  const Matrix x = taken(dataset);
  const Matrix best = weights_of(fit_of("ease", dataset, {{"lambda", "3"}}));
  const double least = ease_loss(x, best, 3);
  for (std::size_t i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < 12; ++j) {
      if (i == j) continue;
      for (const double change : {-0.01, 0.01}) {
        Matrix other = best;
        other[i][j] += change;
        EXPECT_GT(ease_loss(x, other, 3), least) << i << ", " << j;
      }
    }
  }
}

TEST(FitEase, CountsAnItemThatAUserTookTwiceOnce) {
  const auto twice = rapport::testing::made_up_dataset({{0, 1, 0, 2, 3}, {1, 2, 3, 0}}, 4);
  const auto once = rapport::testing::made_up_dataset({{0, 1, 2, 3}, {1, 2, 3, 0}}, 4);
  EXPECT_EQ(weights_of(fit_of("ease", twice, {{"lambda", "1"}})),
            weights_of(fit_of("ease", once, {{"lambda", "1"}})));
}

/// Titles of two words out of ten, so that many share some.
data::Dataset with_titles(std::int64_t users, std::int64_t items, std::uint64_t seed) {
  const data::Dataset plain = rapport::testing::random_dataset(users, items, seed);
  std::vector<std::vector<data::ItemIndex>> histories;
  for (data::UserIndex user = 0; user < users; ++user) {
    const auto history = plain.history(user);
    histories.emplace_back(history.begin(), history.end());
  }
  std::vector<std::string> titles;
  for (std::int64_t i = 0; i < items; ++i)
    titles.push_back("w" + std::to_string(i * i % 7) + " v" + std::to_string(i % 3));
  return rapport::testing::titled_dataset(histories, titles);
}

/// B = (SᵀS + αK + λI)⁻¹ (SᵀY + α(K − diag K)), with every matrix written out.
Matrix reference_ridge(const data::Dataset& dataset, double decay, std::size_t window,
                       double lambda, double alpha) {
  const auto items = static_cast<std::size_t>(dataset.items());
  Matrix s, y;
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    const auto history = data::training_history(dataset, user);
    for (std::size_t t = 1; t < history.size(); ++t) {
      s.emplace_back(items);
      y.emplace_back(items);
      for (std::size_t age = 0; age < window && age < t; ++age)
        s.back()[static_cast<std::size_t>(history[t - 1 - age])] +=
            std::pow(decay, static_cast<double>(age));
      y.back()[static_cast<std::size_t>(history[t])] = 1;
    }
  }
  Matrix left = product(transposed(s), s), right = product(transposed(s), y);
  TrainingThreads threads(1);
  const SparseMatrix features = text_features(dataset.catalogue(), {}, threads).value();
  Matrix f = zeros(items, std::max<std::size_t>(1, static_cast<std::size_t>(features.columns)));
  for (std::size_t i = 0; i < items; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    for (std::size_t k = 0; k < features.row_indices(row).size(); ++k)
      f[i][static_cast<std::size_t>(features.row_indices(row)[k])] =
          static_cast<double>(features.row_values(row)[k]);
  }
  const Matrix kernel = product(f, transposed(f));
  for (std::size_t i = 0; i < items; ++i) {
    for (std::size_t j = 0; j < items; ++j) {
      left[i][j] += alpha * kernel[i][j] + (i == j ? lambda : 0);
      if (i != j) right[i][j] += alpha * kernel[i][j];
    }
  }
  return product(inverse(left), right);
}

RC_GTEST_PROP(FitRidge, IsTheFormula, ()) {
  const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000);
  const auto items = *rc::gen::inRange<std::int64_t>(8, 40);
  const auto window = *rc::gen::inRange<std::size_t>(1, 25);
  const double decay = *rc::gen::element(0.3, 0.7, 1.0);
  const double alpha = *rc::gen::element(0.0, 2.0);
  const data::Dataset dataset = with_titles(50, items, seed);
  const Fit fit = fit_of("ridge", dataset,
                         {{"decay", std::to_string(decay)},
                          {"window", std::to_string(window)},
                          {"lambda", "4"},
                          {"alpha", std::to_string(alpha)},
                          {"history", "9"}});
  expect_near(weights_of(fit), reference_ridge(dataset, decay, window, 4, alpha));
  RC_ASSERT(linear(fit).reading().decay == decay);
  RC_ASSERT(linear(fit).reading().history == 9);
}

const Assignments kRidge = {{"lambda", "4"}, {"alpha", "2"}, {"decay", "0.7"}};
const Assignments kEase = {{"lambda", "4"}};

TEST(ClosedForms, DoNotDependOnTheThreadsNorOnTheSeed) {
  const data::Dataset dataset = with_titles(80, 600, 3);  // more than one tile
  for (const auto& [model, assignments] : {std::pair("ease", kEase), std::pair("ridge", kRidge)}) {
    const auto one = fit_retriever(model, dataset, assignments, {.clock = kClock, .threads = 1});
    const auto three =
        fit_retriever(model, dataset, assignments, {.clock = kClock, .seed = 2, .threads = 3});
    ASSERT_TRUE(one && three) << model;
    EXPECT_EQ(weights_of(*one), weights_of(*three)) << model;
  }
}

/// The same people, titles and histories, items numbered by `number`.
data::Dataset renumbered(const data::Dataset& dataset, const std::vector<data::ItemIndex>& number) {
  data::DatasetParts parts;
  parts.name = dataset.name();
  parts.offsets = {0};
  std::vector<data::Person> people;
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    for (const data::ItemIndex item : dataset.history(user))
      parts.sequence.push_back(number[static_cast<std::size_t>(item)]);
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    people.push_back({.id = "user " + std::to_string(user)});
  }
  std::vector<data::Item> catalogue(number.size());
  for (std::size_t i = 0; i < number.size(); ++i)
    catalogue[static_cast<std::size_t>(number[i])] =
        dataset.catalogue().item(static_cast<data::ItemIndex>(i));
  parts.catalogue = data::Catalogue::create(std::move(catalogue)).value();
  parts.people = data::People::create(std::move(people)).value();
  return data::Dataset::create(std::move(parts)).value();
}

TEST(ClosedForms, DoNotDependOnHowItemsAreNumbered) {
  const data::Dataset dataset = with_titles(80, 60, 3);
  std::vector<data::ItemIndex> number(60);
  std::iota(number.begin(), number.end(), 0);
  base::SplitMix64 random(9);
  for (std::size_t i = number.size(); i > 1; --i)
    std::swap(number[i - 1], number[static_cast<std::size_t>(random.next() % i)]);
  const data::Dataset other = renumbered(dataset, number);
  for (const auto& [model, assignments] : {std::pair("ease", kEase), std::pair("ridge", kRidge)}) {
    const Matrix a = weights_of(fit_of(model, dataset, assignments));
    const Matrix b = weights_of(fit_of(model, other, assignments));
    for (std::size_t i = 0; i < 60; ++i)
      for (std::size_t j = 0; j < 60; ++j)
        EXPECT_NEAR(a[i][j],
                    b[static_cast<std::size_t>(number[i])][static_cast<std::size_t>(number[j])],
                    1e-6)
            << model;
  }
}

TEST(ClosedForms, KeepOnlyTheLargestWeightsWhenAsked) {
  const data::Dataset dataset = with_titles(80, 60, 3);
  for (const auto& [model, assignments] : {std::pair("ease", kEase), std::pair("ridge", kRidge)}) {
    const Matrix whole = weights_of(fit_of(model, dataset, assignments));
    Assignments few = assignments;
    few.emplace_back("entries", "5");
    const Matrix kept = weights_of(fit_of(model, dataset, few));
    for (std::size_t i = 0; i < 60; ++i) {
      std::vector<double> sizes;
      for (const double weight : whole[i]) sizes.push_back(std::abs(weight));
      std::ranges::sort(sizes, std::greater<>());
      for (std::size_t j = 0; j < 60; ++j)
        EXPECT_EQ(kept[i][j], std::abs(whole[i][j]) >= sizes[4] ? whole[i][j] : 0) << model;
    }
  }
}

TEST(FitRidge, LearnsWhatComesNext) {
  std::vector<std::vector<data::ItemIndex>> histories;
  for (int user = 0; user < 60; ++user) {
    histories.emplace_back();
    for (int i = 0; i < 8; ++i) histories.back().push_back((7 * user + i) % 20);
  }
  const data::Dataset dataset = rapport::testing::made_up_dataset(histories, 20);
  const Fit fit = fit_of("ridge", dataset, {{"lambda", "1"}});
  const auto ranking = evaluation::rank_held_out(
      dataset, [&](auto queries, auto scores) { return fit.model->score(queries, scores); }, {});
  EXPECT_EQ(ranking.value().metrics().mean(evaluation::hit_rate_at(1)), 1);
  EXPECT_EQ(fit.report["validation"]["ndcg@10"], 1);
}

TEST(ClosedForms, TellEachStageAndCanBeStoppedInAnyOfThem) {
  const data::Dataset dataset = with_titles(30, 20, 3);
  std::vector<std::string> stages;
  FitContext context{.clock = kClock};
  context.on_progress = [&](const FitProgress& progress) {
    EXPECT_EQ(progress.epochs, 5);
    if (progress.stage_done == 1) stages.emplace_back(progress.stage);
  };
  const auto fit = fit_retriever("ridge", dataset, kRidge, context);
  ASSERT_TRUE(fit) << fit.error().message;
  EXPECT_THAT(stages, ElementsAre("text", "products", "solution", "largest weights", "validation"));
  EXPECT_GT(fit->report["seconds"].get<double>(), 0);

  for (const std::string& last : std::vector(stages.begin(), stages.end() - 1)) {
    std::stop_source stop;
    context.stop_token = stop.get_token();
    context.on_progress = [&](const FitProgress& progress) {
      if (progress.stage == last) stop.request_stop();
    };
    const auto stopped = fit_retriever("ridge", dataset, kRidge, context);
    ASSERT_FALSE(stopped) << last;
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled) << last;
  }
}

TEST(ClosedForms, RefuseACatalogueWhoseMatricesDoNotFitIntoMemory) {
  const data::Dataset dataset = rapport::testing::random_dataset(20, 1000, 1);
  EXPECT_TRUE(check_closed_form(dataset, 2, 2));
  const auto refused = check_closed_form(dataset, 1'000'000'000, 2);  // 4 PB
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().param, "data");
  EXPECT_THAT(refused.error().message, HasSubstr("1000 items"));
}

TEST(ClosedForms, RefuseWhatTheyCannotLearnFrom) {
  struct Case {
    const char* model;
    data::Dataset dataset;
    Assignments assignments;
    const char *param, *says;
  };
  const Case cases[] = {
      {"ease", rapport::testing::made_up_dataset({{0, 1, 2}, {1}}, 4), {}, "data", "nothing"},
      {"ridge", rapport::testing::made_up_dataset({{0, 1, 2}, {1}}, 4), {}, "data", "nothing"},
      {"ridge", rapport::testing::random_dataset(20, 10, 1), {{"alpha", "5"}}, "alpha", "titles"},
      {"ridge", with_titles(20, 10, 1), {{"alpha", "5"}, {"min_df", "10"}}, "alpha", "min_df"},
      {"ease", rapport::testing::random_dataset(20, 10, 1), {{"lambda", "-1"}}, "lambda", "lambda"},
  };
  for (const Case& c : cases) {
    const auto fit = fit_retriever(c.model, c.dataset, c.assignments, {.clock = kClock});
    ASSERT_FALSE(fit) << c.model << ' ' << c.says;
    EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(fit.error().param, c.param);
    EXPECT_THAT(fit.error().message, HasSubstr(c.says));
  }
}

}  // namespace
}  // namespace rapport::retrieval
