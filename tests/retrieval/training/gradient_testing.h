// What the tests of hand-written gradients of sequence models share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "rapport/retrieval/training/sequence_trainer.h"
#include "sequence_model_testing.h"

namespace rapport::retrieval {

/// Of 2 items to more than `max_length` can take.
inline std::vector<std::vector<data::ItemIndex>> random_sequences(std::size_t users,
                                                                  std::int64_t items,
                                                                  std::int64_t max_length) {
  std::mt19937 random(1);
  std::vector<std::vector<data::ItemIndex>> sequences(users);
  for (auto& sequence : sequences) {
    sequence.resize(2 + random() % static_cast<unsigned>(2 * max_length));
    for (auto& item : sequence)
      item = static_cast<data::ItemIndex>(random() % static_cast<unsigned>(items));
  }
  return sequences;
}

inline TrainingBatch batch_of(std::span<const std::vector<data::ItemIndex>> sequences,
                              std::int64_t max_length) {
  TrainingBatch batch;
  for (const auto& sequence : sequences) batch.add(sequence, max_length);
  return batch;
}

/// The newest window of so many items of each sequence; users take turns.
inline TrainingBatch windows_of(std::span<const std::vector<data::ItemIndex>> sequences,
                                std::int64_t window, std::int64_t users) {
  TrainingBatch batch;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const std::span<const data::ItemIndex> sequence = sequences[i];
    const auto read = std::min(sequence.size(), static_cast<std::size_t>(window) + 1);
    batch.add_window(sequence.last(read),
                     static_cast<data::UserIndex>(static_cast<std::int64_t>(i) % users));
  }
  return batch;
}

/// A third of the items masked, a fifth of the sequences at their end alone.
inline TrainingBatch masked_batch_of(std::span<const std::vector<data::ItemIndex>> sequences,
                                     std::int64_t max_length, data::ItemIndex mask) {
  base::SplitMix64 masks(2);
  TrainingBatch batch;
  for (const auto& sequence : sequences)
    batch.add_masked(sequence, max_length, {.mask = mask, .mask_share = 0.33, .last_share = 0.2},
                     masks);
  return batch;
}

inline ItemPanels panels_of(std::int64_t items, std::int64_t width, const float* embedding) {
  ItemPanels panels(items, width);
  panels.fill(embedding, 0, panels.count());
  return panels;
}

/// A step along the gradient, part by part, must change the loss as the slope says. `loss` adds to
/// the gradient that it is given.
inline void expect_slope(
    const WeightLayout& layout, const std::vector<float>& weights, double step,
    const std::function<double(const std::vector<float>& at, std::vector<float>& gradient)>& loss,
    const std::string& what) {
  std::vector<float> slope(weights.size()), unused(weights.size());
  loss(weights, slope);
  for (const WeightPlace& place : layout.places) {
    const auto begin = static_cast<std::size_t>(place.offset);
    const std::size_t end = begin + static_cast<std::size_t>(place.size);
    double squares = 0;
    for (std::size_t i = begin; i < end; ++i) squares += static_cast<double>(slope[i]) * slope[i];
    ASSERT_GT(squares, 0) << what << ": " << place.name;
    const auto moved = [&](double sign) {
      std::vector<float> at = weights;
      for (std::size_t i = begin; i < end; ++i)
        at[i] += static_cast<float>(sign * step / std::sqrt(squares) * slope[i]);
      return loss(at, unused);
    };
    EXPECT_NEAR((moved(1) - moved(-1)) / (2 * step) / std::sqrt(squares), 1, 0.02)
        << what << ": " << place.name;
  }
}

}  // namespace rapport::retrieval
