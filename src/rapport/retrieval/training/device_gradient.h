// The loss of a model of sequences and its gradient by libtorch's own operations and autograd, on a
// device that ours do not run on: a GPU. Weights and gradients cross to it and back once a batch.
//
//   TRY(const auto device, training_device("cuda"));
//   const auto gradient = device_gradient(shape, dropout, *device);
//   const double loss = gradient->add(batch, weights, panels, scale, key, gradients);
//
// Cross-entropy over all items only, without text. The same as the gradients by hand but for
// rounding and for what dropout drops, which follows from `key` on one kind of device.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "rapport/retrieval/bert4rec.h"
#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/sasrec.h"
#include "rapport/retrieval/training/sequence_trainer.h"

namespace rapport::retrieval {

/// Of TrainingOptions::device; none for "cpu", where the gradients by hand are faster. Errors:
/// kUnsupported where libtorch has no CUDA, or the machine no GPU.
Result<std::optional<c10::Device>> training_device(const std::string& name);

/// 256 MB; the backward pass takes about three times that.
inline constexpr std::int64_t kLogitsAtOnce = std::int64_t{1} << 26;

/// [positions × items] logits never exist: at most `logits_at_once`, or those of one position.
std::unique_ptr<BatchGradient> device_gradient(const SasrecShape& shape, double dropout,
                                               c10::Device device,
                                               std::int64_t logits_at_once = kLogitsAtOnce);
std::unique_ptr<BatchGradient> device_gradient(const Bert4recShape& shape, double dropout,
                                               c10::Device device,
                                               std::int64_t logits_at_once = kLogitsAtOnce);
std::unique_ptr<BatchGradient> device_gradient(const Gru4recShape& shape, double dropout,
                                               c10::Device device,
                                               std::int64_t logits_at_once = kLogitsAtOnce);
std::unique_ptr<BatchGradient> device_gradient(const CaserShape& shape, std::int64_t users,
                                               double dropout, c10::Device device,
                                               std::int64_t logits_at_once = kLogitsAtOnce);

}  // namespace rapport::retrieval
