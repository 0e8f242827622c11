#include "rapport/retrieval/fold_in.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace rapport::retrieval {
namespace {

/// Of the ridge regression, relative to the mean square of its inputs.
constexpr double kPenalty = 1e-3;
/// Their means are held at a time.
constexpr std::size_t kUsersAtOnce = 2048;

/// matrix [n × n] · x = right [n × width] for x, in place of `right`, by Cholesky's factors in
/// place of the matrix, which is symmetric and positive definite.
void solve(std::vector<double>& matrix, std::size_t n, std::vector<double>& right,
           std::size_t width) {
  const auto subtract = [&](std::size_t row, std::size_t other, double factor) {
    for (std::size_t c = 0; c < width; ++c)
      right[row * width + c] -= factor * right[other * width + c];
  };
  const auto divide = [&](std::size_t row) {
    for (std::size_t c = 0; c < width; ++c) right[row * width + c] /= matrix[row * (n + 1)];
  };
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = matrix[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= matrix[i * n + k] * matrix[j * n + k];
      matrix[i * n + j] = i == j ? std::sqrt(sum) : sum / matrix[j * n + j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) subtract(i, k, matrix[i * n + k]);
    divide(i);
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) subtract(i, k, matrix[k * n + i]);
    divide(i);
  }
}

/// mean [item_width + 1] of the items' factors, and a one for the offset.
void mean_with_offset(const FoldIn& fold_in, std::span<const data::ItemIndex> history,
                      float* mean) {
  std::fill_n(mean, fold_in.item_width, 0.0f);
  if (!history.empty()) add_mean_of(history, fold_in.item_factors, fold_in.item_width, mean);
  mean[fold_in.item_width] = 1;
}

}  // namespace

void add_mean_of(std::span<const data::ItemIndex> history, const float* taken, std::int64_t width,
                 float* user) {
  const float share = 1 / static_cast<float>(history.size());
  for (const data::ItemIndex item : history) {
    const float* const row = taken + item * width;
    for (std::int64_t i = 0; i < width; ++i) user[i] += share * row[i];
  }
}

void fit_fold_in(const FoldIn& fold_in, std::span<const std::span<const data::ItemIndex>> histories,
                 TrainingThreads& threads, std::span<float> taken) {
  assert(taken.size() == static_cast<std::size_t>(fold_in.items * fold_in.user_width));
  const auto width = static_cast<std::size_t>(fold_in.user_width);
  const std::size_t n = static_cast<std::size_t>(fold_in.item_width) + 1;  // and the offset
  std::vector<double> squares(n * n), products(n * width);
  std::vector<float> means(kUsersAtOnce * n);
  for (std::size_t first = 0; first < histories.size(); first += kUsersAtOnce) {
    const auto some = histories.subspan(first, std::min(kUsersAtOnce, histories.size() - first));
    threads.over(static_cast<std::int64_t>(some.size()), 64,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t user = begin; user < end; ++user)
                     mean_with_offset(fold_in, some[static_cast<std::size_t>(user)],
                                      means.data() + static_cast<std::size_t>(user) * n);
                 });
    // Each row of the sums is one thread's, in the order of users.
    threads.over(static_cast<std::int64_t>(n), 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::size_t user = 0; user < some.size(); ++user) {
        if (some[user].empty()) continue;
        const float* const mean = means.data() + user * n;
        const float* const factors = fold_in.user_factors + (first + user) * width;
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          for (std::size_t j = 0; j < n; ++j)
            squares[i * n + j] += static_cast<double>(mean[i] * mean[j]);
          for (std::size_t j = 0; j < width; ++j)
            products[i * width + j] += static_cast<double>(mean[i] * factors[j]);
        }
      }
    });
  }
  std::ranges::fill(taken, 0.0f);
  double trace = 0;  // without the offset, which is not held back
  for (std::size_t i = 0; i + 1 < n; ++i) trace += squares[i * (n + 1)];
  if (!(trace > 0)) return;
  for (std::size_t i = 0; i + 1 < n; ++i)
    squares[i * (n + 1)] += kPenalty * trace / static_cast<double>(n - 1);
  solve(squares, n, products, width);

  const std::vector<float> map(products.begin(), products.end());
  threads.over(fold_in.items, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      float* const row = taken.data() + item * fold_in.user_width;
      std::copy_n(map.data() + (n - 1) * width, width, row);
      for (std::size_t i = 0; i + 1 < n; ++i) {
        const float factor =
            fold_in.item_factors[item * fold_in.item_width + static_cast<std::int64_t>(i)];
        for (std::size_t j = 0; j < width; ++j) row[j] += factor * map[i * width + j];
      }
    }
  });
}

}  // namespace rapport::retrieval
