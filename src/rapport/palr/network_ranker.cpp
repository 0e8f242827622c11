#include "rapport/palr/network_ranker.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "rapport/base/random.h"
#include "rapport/palr/listwise_network.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/retriever.h"

namespace rapport::palr {
namespace {

/// A column further out says no more: a count of one item in a thousand must not decide alone.
constexpr float kFarthest = 8;

/// Columns in standard deviations from their mean.
struct Standard {
  std::vector<float> mean, inverse;  // [columns]; inverse 0 of a column that is always the same

  std::vector<float> of(std::span<const float> rows) const {
    std::vector<float> standard(rows.begin(), rows.end());
    for (std::size_t i = 0; i < standard.size(); ++i) {
      const std::size_t column = i % mean.size();
      standard[i] =
          std::clamp((standard[i] - mean[column]) * inverse[column], -kFarthest, kFarthest);
    }
    return standard;
  }
};

Standard standard_of(const RankingLists& lists) {
  const auto columns = static_cast<std::size_t>(lists.columns);
  const auto rows = static_cast<std::size_t>(lists.candidates());
  std::vector<double> sum(columns), squares(columns);
  for (std::size_t i = 0; i < rows * columns; ++i)
    sum[i % columns] += static_cast<double>(lists.values[i]);
  for (double& each : sum) each /= static_cast<double>(rows);
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const double away = static_cast<double>(lists.values[i]) - sum[i % columns];
    squares[i % columns] += away * away;
  }
  Standard standard;
  for (std::size_t c = 0; c < columns; ++c) {
    const double deviation = std::sqrt(squares[c] / static_cast<double>(rows));
    standard.mean.push_back(static_cast<float>(sum[c]));
    standard.inverse.push_back(deviation > 1e-6 * std::max(1.0, std::abs(sum[c]))
                                   ? static_cast<float>(1 / deviation)
                                   : 0.0f);
  }
  return standard;
}

class NetworkRanker final : public Ranker {
 public:
  NetworkRanker(const NetworkShape& shape, Standard standard, std::vector<float> weights)
      : Ranker(shape.columns),
        shape_(shape),
        standard_(std::move(standard)),
        weights_(std::move(weights)) {}

  std::string_view kind() const override { return shape_.hidden > 0 ? "mlp" : "linear"; }

 private:
  Result<void> do_score(std::span<const float> rows, std::span<float> scores) const override {
    network_scores(shape_, weights_, standard_.of(rows), scores);
    return {};
  }

  // Integrated gradients from the mean candidate (Sundararajan, Taly & Yan, ICML 2017), exact where
  // there is no hidden layer. What the sum of a few points misses goes to the last place.
  Result<void> do_contributions(std::span<const float> rows,
                                std::span<float> contributions) const override {
    constexpr int kPoints = 16;
    const std::vector<float> standard = standard_.of(rows);
    const auto columns = static_cast<std::size_t>(shape_.columns);
    std::vector<float> scores(rows.size() / columns), point(columns), derivatives(columns);
    network_scores(shape_, weights_, standard, scores);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const float* row = standard.data() + i * columns;
      const auto own = contributions.subspan(i * (columns + 1), columns + 1);
      std::ranges::fill(derivatives, 0.0f);
      for (int p = 0; p < kPoints; ++p) {
        const float share = (static_cast<float>(p) + 0.5f) / kPoints;
        for (std::size_t c = 0; c < columns; ++c) point[c] = share * row[c];
        add_derivatives(shape_, weights_, point, derivatives);
      }
      for (std::size_t c = 0; c < columns; ++c) own[c] = row[c] * derivatives[c] / kPoints;
      own[columns] = scores[i] - std::accumulate(own.begin(), own.end() - 1, 0.0f);
    }
    return {};
  }

  void do_save(base::SafetensorsWriter& writer) const override {
    writer.add("mean", {shape_.columns}, standard_.mean)
        .add("inverse", {shape_.columns}, standard_.inverse);
    if (shape_.hidden == 0) {
      writer.add("weights", {shape_.columns}, weights_);
      return;
    }
    const auto hidden = static_cast<std::size_t>(shape_.hidden);
    const auto all = std::span(weights_);
    const std::size_t matrix = hidden * static_cast<std::size_t>(shape_.columns);
    writer.add("hidden.weight", {shape_.hidden, shape_.columns}, all.first(matrix))
        .add("hidden.bias", {shape_.hidden}, all.subspan(matrix, hidden))
        .add("out", {shape_.hidden}, all.last(hidden));
  }

  NetworkShape shape_;
  Standard standard_;
  std::vector<float> weights_;
};

class NetworkTrainer final : public RankerTrainer {
 public:
  NetworkTrainer(const RankingLists& learned, const RankingLists& measured,
                 const NetworkOptions& options, std::int64_t hidden, std::uint64_t seed)
      : learned_(learned),
        options_(options),
        shape_{learned.columns, hidden},
        standard_(standard_of(learned)),
        rows_(standard_.of(learned.values)),
        measured_(standard_.of(measured.values)),
        weights_(shape_.weights()),
        first_moment_(weights_.size()),
        second_moment_(weights_.size()),
        random_(seed) {
    for (std::size_t list = 0; list < learned.size(); ++list)
      if (learned.targets[list] >= 0) order_.push_back(list);
    initialise();
  }

  Result<void> advance() override {
    base::shuffle(std::span(order_), random_);
    const auto batch = static_cast<std::size_t>(options_.batch_lists);
    for (std::size_t begin = 0; begin < order_.size(); begin += batch)
      step(std::span(order_).subspan(begin, std::min(batch, order_.size() - begin)));
    return {};
  }

  Result<void> score_measured(std::span<float> scores) override {
    network_scores(shape_, weights_, measured_, scores);
    return {};
  }

  Result<std::unique_ptr<Ranker>> ranker() const override {
    return std::make_unique<NetworkRanker>(shape_, standard_, weights_);
  }

 private:
  /// Uniform within ±√(6 / (in + out)) (Glorot & Bengio 2010); without a hidden layer from zero, as
  /// its loss has one minimum.
  void initialise() {
    if (shape_.hidden == 0) return;
    const auto hidden = static_cast<std::size_t>(shape_.hidden);
    const std::size_t matrix = hidden * static_cast<std::size_t>(shape_.columns);
    const auto fill = [&](std::span<float> values, std::int64_t in_and_out) {
      const double bound = std::sqrt(6.0 / static_cast<double>(in_and_out));
      for (float& value : values)
        value = static_cast<float>(bound *
                                   (2 * static_cast<double>(random_.next() >> 11) * 0x1.0p-53 - 1));
    };
    fill(std::span(weights_).first(matrix), shape_.columns + shape_.hidden);
    fill(std::span(weights_).last(hidden), shape_.hidden + 1);
  }

  void step(std::span<const std::size_t> lists) {
    std::vector<float> gradient(weights_.size());
    const auto columns = static_cast<std::size_t>(shape_.columns);
    for (const std::size_t list : lists) {
      const auto first = static_cast<std::size_t>(learned_.offsets[list]) * columns;
      const auto count = static_cast<std::size_t>(learned_.candidates(list)) * columns;
      list_loss(shape_, weights_, std::span(rows_).subspan(first, count),
                static_cast<std::size_t>(learned_.targets[list]), gradient);
    }
    for (float& each : gradient) each /= static_cast<float>(lists.size());
    const float* const gradients[] = {gradient.data()};
    retrieval::adam({.learning_rate = static_cast<float>(options_.learning_rate),
                     .weight_decay = static_cast<float>(options_.weight_decay),
                     .step = ++steps_},
                    static_cast<std::int64_t>(weights_.size()), gradients, weights_.data(),
                    first_moment_.data(), second_moment_.data());
  }

  const RankingLists& learned_;
  const NetworkOptions options_;
  const NetworkShape shape_;
  const Standard standard_;
  const std::vector<float> rows_, measured_;
  std::vector<float> weights_, first_moment_, second_moment_;
  base::SplitMix64 random_;
  std::vector<std::size_t> order_;
  std::int64_t steps_ = 0;
};

Result<Standard> read_standard(const base::Safetensors& file, std::int64_t columns) {
  Standard standard;
  TRY(standard.mean, retrieval::read_weights(file, "mean", {columns}));
  TRY(standard.inverse, retrieval::read_weights(file, "inverse", {columns}));
  return standard;
}

}  // namespace

Result<std::unique_ptr<RankerTrainer>> train_mlp(const RankingLists& learned,
                                                 const RankingLists& measured,
                                                 const RankerOptions& options, std::uint64_t seed) {
  return std::make_unique<NetworkTrainer>(learned, measured, options.network,
                                          options.network.hidden, seed);
}

Result<std::unique_ptr<RankerTrainer>> train_linear(const RankingLists& learned,
                                                    const RankingLists& measured,
                                                    const RankerOptions& options,
                                                    std::uint64_t seed) {
  return std::make_unique<NetworkTrainer>(learned, measured, options.network, 0, seed);
}

Result<std::unique_ptr<Ranker>> load_mlp(const base::Safetensors& file, std::int64_t columns) {
  const auto bias = file.tensors().find("hidden.bias");
  if (bias == file.tensors().end() || bias->second.shape.size() != 1 || bias->second.elements < 1)
    return fail(ErrorCode::kCorrupt, "the weights of the mlp have no hidden layer");
  const NetworkShape shape{columns, bias->second.elements};
  TRY(Standard standard, read_standard(file, columns));
  TRY(std::vector<float> weights,
      retrieval::read_weights(file, "hidden.weight", {shape.hidden, columns}));
  for (const char* name : {"hidden.bias", "out"}) {
    TRY(const std::vector<float> part, retrieval::read_weights(file, name, {shape.hidden}));
    weights.insert(weights.end(), part.begin(), part.end());
  }
  return std::make_unique<NetworkRanker>(shape, std::move(standard), std::move(weights));
}

Result<std::unique_ptr<Ranker>> load_linear(const base::Safetensors& file, std::int64_t columns) {
  TRY(Standard standard, read_standard(file, columns));
  TRY(std::vector<float> weights, retrieval::read_weights(file, "weights", {columns}));
  return std::make_unique<NetworkRanker>(NetworkShape{columns, 0}, std::move(standard),
                                         std::move(weights));
}

}  // namespace rapport::palr
