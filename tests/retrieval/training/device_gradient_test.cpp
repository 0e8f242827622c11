// On the processor, as libtorch's operations are the same everywhere: what a GPU would compute
// equals the gradients by hand, of which this is the independent check.
#include "rapport/retrieval/training/device_gradient.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gradient_testing.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/training/bert4rec_gradient.h"
#include "rapport/retrieval/training/caser_gradient.h"
#include "rapport/retrieval/training/gru4rec_gradient.h"
#include "rapport/retrieval/training/sasrec_gradient.h"
#include "reference_model.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

const c10::Device kProcessor(c10::DeviceType::CPU);
const base::SystemClock kClock;

struct Model {
  std::string name;
  WeightLayout layout;
  std::int64_t item_embedding;
  std::int64_t items, dimension;
  TrainingBatch batch;
  std::function<std::unique_ptr<BatchGradient>(double dropout)> by_hand;
  std::function<std::unique_ptr<BatchGradient>(double dropout, std::int64_t logits_at_once)>
      on_device;

  struct Computed {
    double loss;
    std::vector<float> gradients;
  };
  Computed compute(BatchGradient& gradient, std::uint64_t key = 0, float scale = 1) const {
    const std::vector<float> weights = random_weights(layout, 1);
    Computed computed{0, std::vector<float>(weights.size())};
    computed.loss =
        gradient.add(batch, weights, panels_of(items, dimension, weights.data() + item_embedding),
                     scale, key, computed.gradients);
    return computed;
  }
};

template <typename Shape, typename Weights>
Model model_of(const char* name, const Shape& shape, const Weights& weights, TrainingBatch batch,
               std::function<std::unique_ptr<BatchGradient>(double dropout)> by_hand) {
  return {.name = name,
          .layout = weights,
          .item_embedding = weights.item_embedding,
          .items = shape.items,
          .dimension = shape.dimension,
          .batch = std::move(batch),
          .by_hand = std::move(by_hand),
          .on_device = [shape](double dropout, std::int64_t logits_at_once) {
            return device_gradient(shape, dropout, kProcessor, logits_at_once);
          }};
}

Model sasrec(const SasrecShape& shape, std::size_t users) {
  return model_of(
      "sasrec", shape, sasrec_weights(shape),
      batch_of(random_sequences(users, shape.items, shape.max_length), shape.max_length),
      [shape](double dropout) {
        return std::make_unique<SasrecGradient>(shape, dropout, NextItemLossOptions{},
                                                std::nullopt);
      });
}

Model bert4rec(const Bert4recShape& shape, std::size_t users) {
  return model_of(
      "bert4rec", shape, bert4rec_weights(shape),
      masked_batch_of(random_sequences(users, shape.items, shape.max_length), shape.max_length,
                      shape.mask()),
      [shape](double dropout) { return std::make_unique<Bert4recGradient>(shape, dropout); });
}

Model gru4rec(const Gru4recShape& shape, std::size_t users) {
  return model_of(
      "gru4rec", shape, gru4rec_weights(shape),
      batch_of(random_sequences(users, shape.items, shape.max_length), shape.max_length),
      [shape](double dropout) {
        return std::make_unique<Gru4recGradient>(shape, dropout, NextItemLossOptions{},
                                                 std::nullopt);
      });
}

Model caser(const CaserShape& shape, std::size_t windows) {
  const auto users = static_cast<std::int64_t>(windows / 2);  // each has two
  const CaserWeights layout = caser_training_weights(shape, users);
  return {.name = "caser",
          .layout = layout,
          .item_embedding = layout.item_embedding,
          .items = shape.items,
          .dimension = shape.scored_width(),
          .batch = windows_of(random_sequences(windows, shape.items, 12), shape.window, users),
          .by_hand =
              [=](double dropout) {
                return std::make_unique<CaserGradient>(shape, users, dropout, NextItemLossOptions{},
                                                       std::nullopt);
              },
          .on_device =
              [=](double dropout, std::int64_t logits_at_once) {
                return device_gradient(shape, users, dropout, kProcessor, logits_at_once);
              }};
}

/// Sequences longer than what is read and than the pieces that are computed at a time; one block,
/// layer or head and several; filters as high as the window and lower ones.
std::vector<Model> models() {
  return {
      sasrec({.items = 60, .dimension = 16, .blocks = 2, .heads = 1, .max_length = 70}, 20),
      sasrec({.items = 300, .dimension = 24, .blocks = 3, .heads = 3, .max_length = 12}, 40),
      bert4rec(
          {.items = 60, .dimension = 16, .blocks = 2, .heads = 4, .inner = 24, .max_length = 70},
          15),
      bert4rec(
          {.items = 300, .dimension = 12, .blocks = 1, .heads = 1, .inner = 7, .max_length = 12},
          30),
      bert4rec(
          {.items = 90, .dimension = 18, .blocks = 3, .heads = 3, .inner = 20, .max_length = 30},
          10),
      gru4rec({.items = 60, .dimension = 16, .hidden = 24, .layers = 1, .max_length = 70}, 12),
      gru4rec({.items = 300, .dimension = 20, .hidden = 9, .layers = 3, .max_length = 12}, 40),
      caser(
          {.items = 30, .dimension = 16, .window = 4, .heights = 4, .horizontal = 5, .vertical = 2},
          12),
      caser({.items = 90,
             .dimension = 10,
             .window = 7,
             .heights = 3,
             .horizontal = 16,
             .vertical = 4,
             .history = 100},
            12)};
}

/// One of each kind.
std::vector<Model> few_models() {
  return {sasrec({.items = 60, .dimension = 12, .max_length = 15}, 8),
          bert4rec({.items = 60, .dimension = 12, .inner = 20, .max_length = 15}, 8),
          gru4rec({.items = 60, .dimension = 12, .hidden = 9, .max_length = 15}, 8),
          caser({.items = 60, .dimension = 12, .history = 9}, 40)};
}

TEST(DeviceGradient, EqualsTheOneByHand) {
  for (const Model& model : models()) {
    const auto own = model.compute(*model.by_hand(0));
    const auto theirs = model.compute(*model.on_device(0, kLogitsAtOnce));
    EXPECT_NEAR(own.loss / theirs.loss, 1, 1e-5) << model.name;
    for (const WeightPlace& place : model.layout.places) {
      auto begin = static_cast<std::size_t>(place.offset);
      auto size = static_cast<std::size_t>(place.size);
      // The gradient of the key's bias is zero: it moves all logits of a row alike.
      if (place.name.ends_with("key_value.bias")) {
        for (std::size_t i = 0; i < size / 2; ++i) {
          EXPECT_NEAR(own.gradients[begin + i], 0, 1e-3) << model.name;
          EXPECT_NEAR(theirs.gradients[begin + i], 0, 1e-3) << model.name;
        }
        begin += size / 2;
        size /= 2;
      }
      EXPECT_LT(relative_error(std::span(own.gradients).subspan(begin, size),
                               std::span(theirs.gradients).subspan(begin, size)),
                1e-4)
          << model.name << ": " << place.name;
    }
  }
}

TEST(DeviceGradient, IsTheSameHoweverFewLogitsThereAreAtOnce) {
  for (const Model& model : few_models()) {
    const auto whole = model.compute(*model.on_device(0, kLogitsAtOnce));
    for (const std::int64_t logits : {std::int64_t{1}, 7 * model.items}) {
      const auto pieces = model.compute(*model.on_device(0, logits));
      EXPECT_NEAR(pieces.loss / whole.loss, 1, 1e-6) << model.name;
      EXPECT_LT(relative_error(pieces.gradients, whole.gradients), 1e-5) << model.name;
    }
  }
}

TEST(DeviceGradient, DropsWhatTheKeySays) {
  for (const Model& model : few_models()) {
    const auto gradient = model.on_device(0.3, kLogitsAtOnce);
    const auto one = model.compute(*gradient, 5), other = model.compute(*gradient, 6);
    const auto again = model.compute(*model.on_device(0.3, kLogitsAtOnce), 5);
    EXPECT_EQ(one.loss, again.loss) << model.name;
    EXPECT_EQ(one.gradients, again.gradients) << model.name;
    EXPECT_NE(one.loss, other.loss) << model.name;
  }
}

/// The lots are others, but the losses are the same on average, and vary as much.
TEST(DeviceGradient, DropsWhereTheOneByHandDoes) {
  constexpr std::uint64_t kKeys = 80;
  struct Moments {
    double mean = 0, variance = 0;
  };
  for (const Model& model : few_models()) {
    const auto moments = [&](BatchGradient& gradient) {
      double sum = 0, squares = 0;
      for (std::uint64_t key = 0; key < kKeys; ++key) {
        const double loss = model.compute(gradient, 7919 * key).loss;
        sum += loss;
        squares += loss * loss;
      }
      const double mean = sum / kKeys;
      return Moments{.mean = mean, .variance = squares / kKeys - mean * mean};
    };
    const Moments own = moments(*model.by_hand(0.5));
    const Moments theirs = moments(*model.on_device(0.5, kLogitsAtOnce));
    const double error = std::sqrt((own.variance + theirs.variance) / kKeys);
    EXPECT_NEAR((own.mean - theirs.mean) / error, 0, 3) << model.name;
    EXPECT_NEAR(std::log(own.variance / theirs.variance), 0, 0.7) << model.name;
    // Without dropout it is another loss by far.
    EXPECT_GT(std::abs(model.compute(*model.by_hand(0)).loss - own.mean) / error, 4) << model.name;
  }
}

TEST(DeviceGradient, IsScaledAndAddedToWhatIsThere) {
  for (const Model& model : few_models()) {
    const auto gradient = model.on_device(0, kLogitsAtOnce);
    const std::vector<float> weights = random_weights(model.layout, 1);
    const auto whole = model.compute(*gradient), half = model.compute(*gradient, 0, 0.5f);
    std::vector<float> sum = half.gradients;
    const double loss =
        gradient->add(model.batch, weights, panels_of(model.items, model.dimension, weights.data()),
                      0.5f, 0, sum);
    EXPECT_NEAR(loss / whole.loss, 1, 1e-9) << model.name;
    EXPECT_LT(relative_error(sum, whole.gradients), 1e-6) << model.name;
    EXPECT_EQ(gradient->add({}, weights, panels_of(model.items, model.dimension, weights.data()), 1,
                            0, sum),
              0);
  }
}

struct Refused {
  const char* kind;
  Assignments assignments;
  ErrorCode code;
  const char* message;
};

/// Where there is a GPU, it trains.
TEST(TrainingDevice, IsRefusedWithTheRemedyWhereItCannotTrain) {
  const auto data = rapport::testing::random_dataset(30, 10, 1);
  for (const auto& [kind, assignments, code, message] :
       {Refused{"sasrec", {{"device", "gpu"}}, ErrorCode::kInvalidArgument, "cpu or cuda"},
        Refused{"sasrec",
                {{"device", "cuda"}, {"loss", "gbce"}},
                ErrorCode::kInvalidArgument,
                "set loss=ce"},
        Refused{"caser",
                {{"device", "cuda"}, {"loss", "bce"}},
                ErrorCode::kInvalidArgument,
                "leave device at cpu"},
        Refused{"bprmf", {{"device", "cuda"}}, ErrorCode::kInvalidArgument, "leave device out"},
        Refused{"ease", {{"device", "cuda"}}, ErrorCode::kInvalidArgument, "leave device out"}}) {
    const auto fit = fit_retriever(kind, data, assignments, {.clock = kClock});
    ASSERT_FALSE(fit) << kind;
    EXPECT_EQ(fit.error().code, code) << kind;
    EXPECT_EQ(fit.error().param, "device") << kind;
    EXPECT_THAT(fit.error().message, HasSubstr(message)) << kind;
  }
  for (const char* const kind : {"sasrec", "bert4rec", "gru4rec", "caser"}) {
    const auto fit =
        fit_retriever(kind, data, {{"device", "cuda"}, {"epochs", "1"}}, {.clock = kClock});
    if (fit) continue;
    EXPECT_EQ(fit.error().code, ErrorCode::kUnsupported) << kind;
    EXPECT_THAT(fit.error().message, HasSubstr("leave device at cpu")) << kind;
  }
}

}  // namespace
}  // namespace rapport::retrieval
