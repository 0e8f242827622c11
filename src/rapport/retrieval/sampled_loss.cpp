#include "rapport/retrieval/sampled_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// `weight` is that of what came next: 1, or β of gbce.
RAPPORT_VECTORISED float bce(SampledRow& row, float weight) {
  float loss = weight * softplus(-row.own);
  for (std::int64_t i = 0; i < row.count; ++i) {
    const float s = row.scores[i];
    loss += row.valid[i] * softplus(s);
    row.scores[i] = row.valid[i] * sigmoid(s);
  }
  row.own_gradient = weight * (sigmoid(row.own) - 1);
  return loss;
}

/// The other losses compare: without a negative there is nothing to learn.
float nothing(SampledRow& row) {
  std::fill_n(row.scores, row.count, 0.0f);
  return 0;
}

RAPPORT_VECTORISED float bpr(SampledRow& row) {
  const float share = 1 / row.others;
  float loss = 0, sum = 0;
  for (std::int64_t i = 0; i < row.count; ++i) {
    const float difference = row.scores[i] - row.own;
    loss += share * row.valid[i] * softplus(difference);
    row.scores[i] = share * row.valid[i] * sigmoid(difference);
    sum += row.scores[i];
  }
  row.own_gradient = -sum;
  return loss;
}

RAPPORT_VECTORISED float top1(SampledRow& row) {
  const float share = 1 / row.others;
  float loss = 0, sum = 0;
#pragma omp simd reduction(+ : loss, sum)
  for (std::int64_t i = 0; i < row.count; ++i) {
    const float s = row.scores[i], weight = share * row.valid[i];
    const float better = sigmoid(s - row.own), size = sigmoid(s * s);
    loss += weight * (better + size);
    const float slope = weight * better * (1 - better);
    row.scores[i] = slope + weight * 2 * s * size * (1 - size);
    sum += slope;
  }
  row.own_gradient = -sum;
  return loss;
}

/// `shares` and `better` [count] are scratch.
RAPPORT_VECTORISED float bpr_max(SampledRow& row, float penalty, float* shares, float* better) {
  float most = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < row.count; ++i)
    most = row.valid[i] > 0 && most < row.scores[i] ? row.scores[i] : most;
  float total = 0, average = 0, squares = 0, slope = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < row.count; ++i) {
    shares[i] = row.valid[i] * exponential(row.scores[i] - most);
    better[i] = sigmoid(row.own - row.scores[i]);
    total += shares[i];
  }
  total =
      std::max(total, 1e-30f);  // where only a negative that is left out has a score to speak of
#pragma omp simd reduction(+ : average, squares, slope)
  for (std::int64_t i = 0; i < row.count; ++i) {
    shares[i] /= total;
    average += shares[i] * better[i];
    squares += shares[i] * row.scores[i] * row.scores[i];
    slope += shares[i] * better[i] * (1 - better[i]);
  }
  for (std::int64_t i = 0; i < row.count; ++i) {
    const float s = row.scores[i];
    row.scores[i] = shares[i] * ((better[i] * (1 - better[i]) - better[i] + average) / average +
                                 penalty * (2 * s + s * s - squares));
  }
  row.own_gradient = -slope / average;
  return penalty * squares - std::log(average);
}

RAPPORT_VECTORISED float sampled_ce(SampledRow& row) {
  float most = row.own;
  for (std::int64_t i = 0; i < row.count; ++i) {
    row.scores[i] -= row.log_expected[i];
    most = row.valid[i] > 0 && most < row.scores[i] ? row.scores[i] : most;
  }
  const float own = exponential(row.own - most);
  float total = own;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < row.count; ++i) {
    row.scores[i] = row.valid[i] * exponential(row.scores[i] - most);
    total += row.scores[i];
  }
  for (std::int64_t i = 0; i < row.count; ++i) row.scores[i] /= total;
  row.own_gradient = own / total - 1;
  return most - row.own + std::log(total);
}

}  // namespace

ItemSampler::ItemSampler(std::span<const std::int64_t> counts, double exponent) {
  double sum = 0;
  cumulative_.reserve(counts.size());
  for (const std::int64_t count : counts) {
    // An item that nobody took may be drawn too, as one that was taken once.
    sum += std::pow(static_cast<double>(std::max<std::int64_t>(count, 1)), exponent);
    cumulative_.push_back(sum);
  }
}

std::int32_t ItemSampler::draw(base::SplitMix64& random) const {
  const double at = static_cast<double>(random.next() >> 11) * 0x1p-53 * cumulative_.back();
  const auto found = std::ranges::upper_bound(cumulative_, at);
  const auto last = static_cast<std::ptrdiff_t>(cumulative_.size()) - 1;
  return static_cast<std::int32_t>(std::min(found - cumulative_.begin(), last));
}

double ItemSampler::probability(std::int32_t item) const {
  const auto i = static_cast<std::size_t>(item);
  return (cumulative_[i] - (i == 0 ? 0 : cumulative_[i - 1])) / cumulative_.back();
}

SampledLoss::SampledLoss(const SampledLossOptions& options, const ItemSampler& sampler,
                         std::int64_t width)
    : options_(options), sampler_(sampler), width_(width) {
  const std::int64_t others = std::max<std::int64_t>(1, sampler.items() - 1);
  // β is of a sample of the others; more than all of them would outweigh what came next.
  if (options.kind == SampledLossKind::kGbce)
    options_.negatives = std::min(options.negatives, others);
  const auto n = static_cast<std::size_t>(options_.negatives);
  const auto w = static_cast<std::size_t>(width);
  negatives_.resize(n);
  items_.resize(n * w);
  transposed_.resize(n * w);
  scores_.resize(static_cast<std::size_t>(options.rows_that_share) * n);
  valid_.resize(n);
  scratch_.resize(2 * n);
  log_expected_.resize(n);
  if (options.kind == SampledLossKind::kGbce) {
    const double share = static_cast<double>(options_.negatives) / static_cast<double>(others);
    const auto t = static_cast<double>(options.calibration);
    positive_weight_ = static_cast<float>(share * (t * (1 - 1 / share) + 1 / share));
  }
}

double SampledLoss::add(const CrossEntropy::Batch& batch, std::uint64_t key) {
  base::SplitMix64 random(key);
  double loss = 0;
  for (std::int64_t begin = 0; begin < batch.rows; begin += options_.rows_that_share) {
    CrossEntropy::Batch chunk = batch;
    chunk.rows = std::min(options_.rows_that_share, batch.rows - begin);
    chunk.hidden += begin * width_;
    chunk.targets += begin;
    chunk.hidden_gradient += begin * width_;
    loss += add_chunk(chunk, random);
  }
  return loss;
}

float SampledLoss::loss_of(SampledRow& row) {
  if (options_.kind == SampledLossKind::kBce || options_.kind == SampledLossKind::kGbce)
    return bce(row, positive_weight_);
  if (row.others == 0) return nothing(row);
  if (options_.kind == SampledLossKind::kBpr) return bpr(row);
  if (options_.kind == SampledLossKind::kTop1) return top1(row);
  if (options_.kind == SampledLossKind::kSampledCe) return sampled_ce(row);
  return bpr_max(row, options_.penalty, scratch_.data(), scratch_.data() + options_.negatives);
}

double SampledLoss::add_chunk(const CrossEntropy::Batch& batch, base::SplitMix64& random) {
  const std::int64_t n = options_.negatives, rows = batch.rows;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t item = sampler_.draw(random);
    negatives_[static_cast<std::size_t>(i)] = item;
    if (options_.kind == SampledLossKind::kSampledCe)
      log_expected_[static_cast<std::size_t>(i)] =
          static_cast<float>(std::log(static_cast<double>(n) * sampler_.probability(item)));
    const float* const vector = batch.embedding + item * width_;
    std::copy_n(vector, width_, items_.data() + i * width_);
    for (std::int64_t k = 0; k < width_; ++k)
      transposed_[static_cast<std::size_t>(k * n + i)] = vector[k];
  }
  multiply_narrow(
      {.m = rows, .n = n, .k = width_, .row_stride = width_, .stride_b = n, .stride_c = n},
      batch.hidden, transposed_.data(), scores_.data());

  double loss = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* const hidden = batch.hidden + r * width_;
    const std::int64_t target = batch.targets[r];
    const float* const item = batch.embedding + target * width_;
    SampledRow row{.count = n,
                   .others = 0,
                   .valid = valid_.data(),
                   .log_expected = log_expected_.data(),
                   .own = 0,
                   .scores = scores_.data() + r * n};
    for (std::int64_t i = 0; i < n; ++i) {
      valid_[static_cast<std::size_t>(i)] =
          negatives_[static_cast<std::size_t>(i)] != target ? 1.0f : 0.0f;
      row.others += valid_[static_cast<std::size_t>(i)];
    }
    for (std::int64_t k = 0; k < width_; ++k) row.own += hidden[k] * item[k];
    loss += static_cast<double>(loss_of(row));
    for (std::int64_t i = 0; i < n; ++i) row.scores[i] *= batch.scale;
    const float own = row.own_gradient * batch.scale;
    float* const gradient = batch.embedding_gradient + target * width_;
    for (std::int64_t k = 0; k < width_; ++k) {
      batch.hidden_gradient[r * width_ + k] = own * item[k];
      gradient[k] += own * hidden[k];
    }
  }

  multiply_narrow({.m = rows,
                   .n = width_,
                   .k = n,
                   .row_stride = n,
                   .stride_b = width_,
                   .stride_c = width_,
                   .add = true},
                  scores_.data(), items_.data(), batch.hidden_gradient);
  multiply_narrow({.m = n,
                   .n = width_,
                   .k = rows,
                   .row_stride = 1,
                   .column_stride = n,
                   .stride_b = width_,
                   .stride_c = width_},
                  scores_.data(), batch.hidden, items_.data());
  for (std::int64_t i = 0; i < n; ++i) {
    float* const gradient =
        batch.embedding_gradient + negatives_[static_cast<std::size_t>(i)] * width_;
    for (std::int64_t k = 0; k < width_; ++k)
      gradient[k] += items_[static_cast<std::size_t>(i * width_ + k)];
  }
  return loss;
}

}  // namespace rapport::retrieval
