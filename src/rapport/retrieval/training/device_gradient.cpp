#include "rapport/retrieval/training/device_gradient.h"

#include <torch/torch.h>

#include <algorithm>

#include "rapport/retrieval/training/network.h"

namespace rapport::retrieval {
namespace {

using torch::Tensor;

class DeviceGradient final : public BatchGradient {
 public:
  DeviceGradient(Network network, double dropout, const torch::Device& device,
                 std::int64_t logits_at_once)
      : network_(std::move(network)),
        dropout_(dropout),
        device_(device),
        rows_at_once_(std::max<std::int64_t>(1, logits_at_once / network_.items)) {}

  double add(const TrainingBatch& batch, std::span<const float> weights, const ItemPanels&,
             float scale, std::uint64_t key, std::span<float> gradients) override {
    if (batch.targets.empty()) return 0;
    const Tensor on_device = tensor_of(weights).to(device_);
    const Leaves leaves(on_device, torch::zeros_like(on_device));
    const Tensor states =
        network_.states(leaves, padded(batch), RandomDropout(dropout_, device_, key));
    // A look-up, whose gradient libtorch sums in one order on a GPU too, which index_select's is
    // not.
    const Tensor hidden =
        torch::embedding(states.reshape({-1, network_.dimension}), predicted(batch));
    Tensor read = hidden.detach().set_requires_grad(true);
    const double loss = add_loss(leaves, read, on_the_device(batch.targets), scale);
    hidden.backward(read.grad());
    tensor_of(gradients).add_(leaves.gradients().cpu());
    return loss;
  }

 private:
  /// Of `hidden` [rows × dimension], whose gradient it leaves, as that of the item embedding.
  double add_loss(const Leaves& leaves, const Tensor& hidden, const Tensor& targets,
                  float scale) const {
    const Tensor items = leaves.leaf(network_.item_embedding, {network_.items, network_.dimension});
    Tensor loss = torch::zeros({}, hidden.options().dtype(torch::kDouble));
    for (std::int64_t begin = 0; begin < targets.size(0); begin += rows_at_once_) {
      const std::int64_t end = std::min(targets.size(0), begin + rows_at_once_);
      const Tensor sum =
          at::cross_entropy_loss(torch::matmul(hidden.slice(0, begin, end), items.t()),
                                 targets.slice(0, begin, end), {}, at::Reduction::Sum);
      (sum * scale).backward();
      loss += sum.detach();
    }
    return loss.item<double>();
  }

  Tensor on_the_device(std::span<const std::int32_t> values) const {
    return torch::tensor(std::vector<std::int64_t>(values.begin(), values.end())).to(device_);
  }

  static std::int64_t longest(const PackedSequences& sequences) {
    std::int64_t length = 0;
    for (std::size_t s = 0; s + 1 < sequences.offsets.size(); ++s)
      length = std::max(length, sequences.offsets[s + 1] - sequences.offsets[s]);
    return length;
  }

  /// Calls `visit(position, place)` for each packed position and its place in the padded batch.
  template <typename Visit>
  static void each_place(const PackedSequences& sequences, const Visit& visit) {
    const auto length = static_cast<std::size_t>(longest(sequences));
    for (std::size_t s = 0; s + 1 < sequences.offsets.size(); ++s) {
      const auto begin = static_cast<std::size_t>(sequences.offsets[s]);
      const auto end = static_cast<std::size_t>(sequences.offsets[s + 1]);
      for (std::size_t i = begin; i < end; ++i) visit(i, s * length + i - begin);
    }
  }

  PaddedBatch padded(const TrainingBatch& batch) const {
    const PackedSequences& sequences = batch.sequences;
    const std::int64_t count = sequences.sequences(), length = longest(sequences);
    std::vector<std::int32_t> items(static_cast<std::size_t>(count * length)),
        positions(items.size()), lengths;
    each_place(sequences, [&](std::size_t position, std::size_t place) {
      items[place] = sequences.items[position];
      positions[place] = sequences.positions[position];
    });
    for (std::size_t s = 0; s + 1 < sequences.offsets.size(); ++s)
      lengths.push_back(static_cast<std::int32_t>(sequences.offsets[s + 1] - sequences.offsets[s]));
    return {.items = on_the_device(items).view({count, length}),
            .positions = on_the_device(positions).view({count, length}),
            .lengths = on_the_device(lengths),
            .users = on_the_device(batch.users)};
  }

  /// Where in the padded batch the predicted positions are.
  Tensor predicted(const TrainingBatch& batch) const {
    std::vector<std::int32_t> places(static_cast<std::size_t>(batch.sequences.size()));
    each_place(batch.sequences, [&](std::size_t position, std::size_t place) {
      places[position] = static_cast<std::int32_t>(place);
    });
    if (batch.predicted.empty()) return on_the_device(places);
    std::vector<std::int32_t> wanted;
    for (const std::int32_t position : batch.predicted)
      wanted.push_back(places[static_cast<std::size_t>(position)]);
    return on_the_device(wanted);
  }

  Network network_;
  double dropout_;
  torch::Device device_;
  std::int64_t rows_at_once_;
};

}  // namespace

RandomDropout::RandomDropout(double probability, const torch::Device& device, std::uint64_t key)
    : probability_(probability), generator_(at::globalContext().defaultGenerator(device).clone()) {
  generator_.set_current_seed(key);
}

Tensor RandomDropout::operator()(const Tensor& x) const {
  if (probability_ <= 0) return x;
  const Tensor kept = torch::empty_like(x).bernoulli_(1 - probability_, generator_);
  return x * kept.div_(1 - probability_);
}

Result<std::optional<c10::Device>> training_device(const std::string& name) {
  if (name == "cpu") return std::nullopt;
  if (!at::Context::hasCUDART())
    return fail(ErrorCode::kUnsupported,
                "device is \"cuda\", but Rapport was built with a libtorch that has no CUDA: build "
                "it with one that has, through -DTorch_DIR=…, or leave device at cpu",
                "device");
  if (!torch::cuda::is_available())
    return fail(ErrorCode::kUnsupported,
                "device is \"cuda\", but libtorch finds no GPU on this machine: see that "
                "nvidia-smi lists one, or leave device at cpu",
                "device");
  return torch::Device(torch::kCUDA);
}

std::unique_ptr<BatchGradient> device_gradient(const SasrecShape& shape, double dropout,
                                               c10::Device device, std::int64_t logits_at_once) {
  return std::make_unique<DeviceGradient>(network_of(shape), dropout, device, logits_at_once);
}

std::unique_ptr<BatchGradient> device_gradient(const Bert4recShape& shape, double dropout,
                                               c10::Device device, std::int64_t logits_at_once) {
  return std::make_unique<DeviceGradient>(network_of(shape), dropout, device, logits_at_once);
}

std::unique_ptr<BatchGradient> device_gradient(const Gru4recShape& shape, double dropout,
                                               c10::Device device, std::int64_t logits_at_once) {
  return std::make_unique<DeviceGradient>(network_of(shape), dropout, device, logits_at_once);
}

std::unique_ptr<BatchGradient> device_gradient(const CaserShape& shape, std::int64_t users,
                                               double dropout, c10::Device device,
                                               std::int64_t logits_at_once) {
  return std::make_unique<DeviceGradient>(network_of(shape, users), dropout, device,
                                          logits_at_once);
}

}  // namespace rapport::retrieval
