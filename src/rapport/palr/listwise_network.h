// The arithmetic of a small network over lists of candidates: forward, loss and gradient. Pure
// functions over flat weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rapport::palr {

/// `hidden` 0: no hidden layer. The weights lie one after the other:
///   hidden > 0:  W [hidden × columns], b [hidden], w [hidden]
///   hidden = 0:  w [columns]
struct NetworkShape {
  std::int64_t columns = 0, hidden = 0;

  std::size_t weights() const {
    return static_cast<std::size_t>(hidden > 0 ? hidden * (columns + 2) : columns);
  }
};

/// Fills `scores` [candidates] from `rows` [candidates × columns].
void network_scores(const NetworkShape& shape, std::span<const float> weights,
                    std::span<const float> rows, std::span<float> scores);

/// -log softmax(scores)[target] of one list; adds its gradient to `gradient` [weights].
double list_loss(const NetworkShape& shape, std::span<const float> weights,
                 std::span<const float> rows, std::size_t target, std::span<float> gradient);

/// Adds the derivatives of one candidate's score by its features to `sum` [columns].
void add_derivatives(const NetworkShape& shape, std::span<const float> weights,
                     std::span<const float> row, std::span<float> sum);

/// values become exp(values - max) / Σ; returns -log of what was at `target`. Not empty.
double softmax(std::span<float> values, std::size_t target);

}  // namespace rapport::palr
