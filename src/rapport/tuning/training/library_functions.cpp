#include "rapport/tuning/training/library_functions.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/base/digest.h"
#include "rapport/tuning/training/item_objective.h"
#include "rapport/tuning/training/lora_weights.h"
#include "rapport/tuning/training/text_objective.h"
#include "rapport/tuning/training/tuning_loop.h"

namespace rapport::tuning {
namespace {

using torch::Tensor;

Result<void> check(const TrainingText& text, std::size_t number, const LlamaShape& shape) {
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("text {}: {}", number, what), "texts");
  };
  const auto size = static_cast<std::int64_t>(text.tokens.size());
  if (size > shape.context)
    return refuse(
        fmt::format("its {} tokens are more than the model's context of {}", size, shape.context));
  if (text.answer < 1 || text.answer >= size)
    return refuse(
        fmt::format("an answer from token {} on is none, of {} tokens", text.answer, size));
  for (const std::int32_t token : text.tokens)
    if (token < 0 || token >= shape.vocabulary)
      return refuse(fmt::format("the model has no token {}", token));
  return {};
}

Result<void> check(const ItemSequences& learnt, const LlamaShape& shape) {
  const auto refuse = [](std::string what) {
    return fail(ErrorCode::kInvalidArgument, std::move(what), "sequences");
  };
  if (learnt.sequences() == 0) return refuse("there are no sequences to learn from");
  for (std::size_t i = 0; i < learnt.sequences(); ++i) {
    const std::int64_t size = learnt.offsets[i + 1] - learnt.offsets[i];
    if (size < 2) return refuse(fmt::format("sequence {}: of {} items, none is next", i + 1, size));
    if (size > shape.context)
      return refuse(fmt::format("sequence {}: its {} items are more than the model's context of {}",
                                i + 1, size, shape.context));
  }
  for (const std::int32_t item : learnt.items)
    if (item < 0 || item >= learnt.catalogue())
      return refuse(fmt::format("there is no item {}", item));
  return {};
}

/// What libtorch throws becomes an error.
template <typename Function>
auto caught(const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& error) {
    const std::string_view what = error.what();
    return fail(ErrorCode::kInternal,
                fmt::format("tuning failed: {}", what.substr(0, what.find('\n'))));
  }
}

}  // namespace

Result<TunedAdapter> train_lora_with_libtorch(const std::filesystem::path& model,
                                              std::span<const TrainingText> texts,
                                              const LoraOptions& options,
                                              const TuneContext& context) {
  return caught([&]() -> Result<TunedAdapter> {
    if (texts.empty())
      return fail(ErrorCode::kInvalidArgument, "there are no texts to learn from", "texts");
    const OneThreadEach one_thread_each;
    TRY(const LlamaNetwork network, LlamaNetwork::load(model));
    for (std::size_t i = 0; i < texts.size(); ++i)
      TRY_VOID(check(texts[i], i + 1, network.shape()));
    TRY(const std::string checksum, base::sha256_file(model.string()));
    TextObjective objective(network, texts, options, context.seed);
    TRY(Json report, TuningLoop(objective, options, context, checksum).run());
    return TunedAdapter{.adapter = adapter_of(objective.lora(), network, options, context.seed),
                        .report = std::move(report)};
  });
}

Result<std::vector<float>> answer_logits_with_libtorch(const std::filesystem::path& model,
                                                       const TrainingText& text,
                                                       const LoraAdapter* adapter) {
  return caught([&]() -> Result<std::vector<float>> {
    TRY(const LlamaNetwork network, LlamaNetwork::load(model));
    TRY_VOID(check(text, 1, network.shape()));
    const OneThreadEach one_thread_each;
    Lora lora;
    if (adapter != nullptr) {
      TRY(lora, Lora::from(*adapter, network.shape()));
    }
    const torch::NoGradGuard no_gradient;
    const TrainingText* const one = &text;
    const PackedTexts packed({&one, 1});
    return floats(network.logits(
        network.run(network.embed(packed), packed.packing, 0, network.shape().layers, &lora)));
  });
}

Result<TunedItemReader> tune_item_reader_with_libtorch(const std::filesystem::path& model,
                                                       const ItemSequences& learnt,
                                                       const ItemReadingOptions& options,
                                                       const TuneContext& context) {
  return caught([&]() -> Result<TunedItemReader> {
    const OneThreadEach one_thread_each;
    TRY(const LlamaNetwork network, LlamaNetwork::load(model));
    TRY_VOID(check(learnt, network.shape()));
    TRY(const std::string checksum, base::sha256_file(model.string()));
    ItemObjective objective(network, learnt, options, context.seed);
    TRY(Json report, TuningLoop(objective, options.lora, context, checksum).run());
    return TunedItemReader{
        .adapter = adapter_of(objective.lora(), network, options.lora, context.seed),
        .inputs = floats(objective.inputs()),
        .output = floats(objective.output()),
        .report = std::move(report)};
  });
}

Result<std::vector<float>> next_item_logits_with_libtorch(const std::filesystem::path& model,
                                                          const TunedItemReader& tuned,
                                                          std::span<const float> vectors,
                                                          std::span<const std::int32_t> sequence) {
  return caught([&]() -> Result<std::vector<float>> {
    const OneThreadEach one_thread_each;
    TRY(const LlamaNetwork network, LlamaNetwork::load(model));
    TRY(const Lora lora, Lora::from(tuned.adapter, network.shape()));
    const std::int64_t d = network.shape().dimension;
    const auto matrix = [](std::span<const float> values, std::int64_t columns) {
      return torch::tensor(at::ArrayRef<float>(values.data(), values.size()))
          .reshape({-1, columns});
    };
    const Tensor inputs = matrix(tuned.inputs, d), output = matrix(tuned.output, d);
    const auto length = static_cast<std::int64_t>(sequence.size());
    std::vector<std::int64_t> rows = {inputs.size(0) - 1};
    rows.insert(rows.end(), sequence.begin(), sequence.end());
    Packer packer;
    packer.add(length + 1, 1);
    const torch::NoGradGuard no_gradient;
    const Tensor states =
        network.normed(network.run(inputs.index_select(0, torch::tensor(rows, torch::kInt64)),
                                   packer.done(), 0, network.shape().layers, &lora));
    return floats(
        torch::matmul(torch::matmul(states, output.t()), matrix(vectors, output.size(0)).t()));
  });
}

}  // namespace rapport::tuning
