// Models of sequences that read text, from their gradient to what they learn.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "gradient_testing.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/training/gru4rec_gradient.h"
#include "rapport/retrieval/training/sasrec_gradient.h"
#include "resume_testing.h"
#include "sequence_model_testing.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

const base::SystemClock kClock;
constexpr std::int64_t kItems = 40, kDimension = 12, kRead = 3;

/// Either model, with the text gate behind its weights.
struct Model {
  std::string kind;
  WeightLayout layout;
  std::int64_t own = 0;  // weights before the gate
  std::int64_t item_embedding = 0;
  std::function<std::unique_ptr<BatchGradient>(const ItemText&, double dropout)> gradient;
  std::function<std::unique_ptr<Retriever>(std::vector<float>, TextScores)> model;
};

std::vector<Model> models() {
  const SasrecShape sasrec{.items = kItems, .dimension = kDimension, .max_length = 9};
  const Gru4recShape gru4rec{
      .items = kItems, .dimension = kDimension, .hidden = 10, .max_length = 9};
  std::vector<Model> models;
  models.push_back({.kind = "sasrec",
                    .layout = sasrec_weights(sasrec),
                    .item_embedding = sasrec_weights(sasrec).item_embedding,
                    .gradient =
                        [=](const ItemText& text, double dropout) {
                          return std::make_unique<SasrecGradient>(
                              sasrec, dropout, NextItemLossOptions{}, std::nullopt, &text);
                        },
                    .model =
                        [=](std::vector<float> weights, TextScores text) {
                          return std::make_unique<Sasrec>(sasrec, std::move(weights),
                                                          std::move(text));
                        }});
  models.push_back({.kind = "gru4rec",
                    .layout = gru4rec_weights(gru4rec),
                    .item_embedding = gru4rec_weights(gru4rec).item_embedding,
                    .gradient =
                        [=](const ItemText& text, double dropout) {
                          return std::make_unique<Gru4recGradient>(
                              gru4rec, dropout, NextItemLossOptions{}, std::nullopt, &text);
                        },
                    .model =
                        [=](std::vector<float> weights, TextScores text) {
                          return std::make_unique<Gru4rec>(gru4rec, std::move(weights),
                                                           std::move(text));
                        }});
  for (Model& model : models) {
    model.own = model.layout.total;
    add_text_gate(model.layout, kDimension, kRead);
  }
  return models;
}

std::unique_ptr<const ItemText> text() {
  std::vector<std::string> titles;
  for (std::int64_t i = 0; i < kItems; ++i)
    titles.push_back("w" + std::to_string(i * i % 7) + " v" + std::to_string(i % 3));
  const auto dataset = rapport::testing::titled_dataset({{0, 1, 2, 3}}, titles);
  return read_item_text(dataset, {.text = true, .text_items = kRead, .neighbours = 8},
                        {.clock = kClock})
      .value();
}

ItemPanels panels_of(const Model& model, const std::vector<float>& weights) {
  return retrieval::panels_of(kItems, kDimension, weights.data() + model.item_embedding);
}

TEST(TextGradient, IsTheSlopeOfTheLoss) {
  const auto item_text = text();
  std::mt19937 random(2);
  TrainingBatch batch;
  for (int user = 0; user < 30; ++user) {
    std::vector<data::ItemIndex> sequence(2 + random() % 18);  // longer than what is read, too
    for (auto& item : sequence) item = static_cast<data::ItemIndex>(random() % kItems);
    batch.add(sequence, 9);
  }
  for (const Model& model : models()) {
    const std::vector<float> weights = random_weights(model.layout, 1);
    const auto gradient = model.gradient(*item_text, /*dropout=*/0.3);
    const auto loss = [&](const std::vector<float>& at, std::vector<float>& gradients) {
      return gradient->add(batch, at, panels_of(model, at), 1, /*key=*/5, gradients);
    };
    expect_slope(model.layout, weights, /*step=*/3e-3, loss, model.kind);
  }
}

/// Another target at the last position changes the loss by the difference of the scores that
/// inference gives the two.
TEST(TextGradient, PredictsWhatInferenceScores) {
  const auto item_text = text();
  const std::vector<data::ItemIndex> history = {3, 8, 1, 29, 0, 8, 14};
  for (const Model& model : models()) {
    const std::vector<float> weights = random_weights(model.layout, 1);
    const auto gate = weights.begin() + model.own;
    const auto retriever = model.model(
        {weights.begin(), gate},
        TextScores(item_text->kernel, kDimension, kRead, std::vector<float>(gate, weights.end())));
    std::vector<float> scores(kItems);
    const Query query{.history = history};
    ASSERT_TRUE(retriever->score({&query, 1}, scores));
    const auto gradient = model.gradient(*item_text, /*dropout=*/0);
    std::vector<float> unused(weights.size());
    const auto loss = [&](data::ItemIndex target) {
      std::vector<data::ItemIndex> sequence = history;
      sequence.push_back(target);
      TrainingBatch batch;
      batch.add(sequence, 9);
      return gradient->add(batch, weights, panels_of(model, weights), 1, /*key=*/0, unused);
    };
    for (const data::ItemIndex target : {2, 17, 29})
      EXPECT_NEAR(loss(0) - loss(target), scores[static_cast<std::size_t>(target)] - scores[0],
                  1e-4)
          << model.kind;
  }
}

constexpr std::int64_t kTopics = 12, kOfTopic = 5;

/// Everybody reads about one topic; the last they take is of it too, but nobody's training has it.
data::Dataset topics() {
  std::vector<std::string> titles;
  for (std::int64_t item = 0; item < kTopics * kOfTopic; ++item)
    titles.push_back("topic" + std::to_string(item / kOfTopic) + " part" + std::to_string(item));
  std::vector<std::vector<data::ItemIndex>> histories;
  for (std::int64_t user = 0; user < 72; ++user) {
    const std::int64_t first = user % kTopics * kOfTopic;
    std::vector<data::ItemIndex> history;
    for (std::int64_t i = 0; i < kOfTopic - 1; ++i)
      history.push_back(static_cast<data::ItemIndex>(first + (user + i) % (kOfTopic - 1)));
    history.push_back(static_cast<data::ItemIndex>(first + kOfTopic - 1));
    histories.push_back(std::move(history));
  }
  return rapport::testing::titled_dataset(histories, titles);
}

Assignments small(const char* epochs, const char* text) {
  return {{"dimension", "16"},       {"max_length", "10"}, {"dropout", "0.2"},
          {"batch_positions", "60"}, {"epochs", epochs},   {"text", text},
          {"learning_rate", "0.01"}};
}

double first_hits(const Retriever& model, const data::Dataset& dataset) {
  const auto ranking = evaluation::rank_held_out(
      dataset, [&](auto queries, auto scores) { return model.score(queries, scores); }, {});
  return ranking.value().metrics().mean(evaluation::hit_rate_at(1));
}

TEST(FitWithText, RecommendsWhatNobodyTookForItsWords) {
  const data::Dataset dataset = topics();
  for (const char* const kind : {"sasrec", "gru4rec"}) {
    const auto with = fit_retriever(kind, dataset, small("25", "true"), {.clock = kClock});
    const auto without = fit_retriever(kind, dataset, small("25", "false"), {.clock = kClock});
    ASSERT_TRUE(with && without);
    EXPECT_GT(first_hits(*with->model, dataset), 0.95) << kind;
    EXPECT_LT(first_hits(*without->model, dataset), 0.2) << kind;
  }
}

TEST(FitWithText, IsRefusedOnAGpuWhichDoesNotReadIt) {
  for (const char* const kind : {"gru4rec", "sasrec"}) {
    const auto fit =
        fit_retriever(kind, topics(), {{"text", "true"}, {"device", "cuda"}}, {.clock = kClock});
    ASSERT_FALSE(fit) << kind;
    EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument) << kind;
    EXPECT_EQ(fit.error().param, "device") << kind;
  }
}

TEST(FitWithText, GivesTheSameWeightsWhateverTheThreadsAndWhenResumed) {
  const data::Dataset dataset = topics();
  const Assignments options = small("4", "true");
  for (const char* const kind : {"sasrec", "gru4rec"}) {
    const auto one = fit_retriever(kind, dataset, options, {.clock = kClock, .threads = 1});
    const auto three = fit_retriever(kind, dataset, options, {.clock = kClock, .threads = 3});
    ASSERT_TRUE(one && three);
    EXPECT_EQ(scores_of(*one->model, {3, 4, 5}), scores_of(*three->model, {3, 4, 5})) << kind;
    const auto resumed = stopped_and_resumed(kClock, 2, [&](const FitContext& context) {
      return fit_retriever(kind, dataset, options, context);
    });
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(scores_of(*resumed->model, {3, 4, 5}), scores_of(*one->model, {3, 4, 5})) << kind;
  }
}

}  // namespace
}  // namespace rapport::retrieval
