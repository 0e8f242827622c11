#include "rapport/tuning/training/lora_trainer.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numbers>
#include <numeric>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/in_parallel.h"
#include "rapport/base/random.h"
#include "rapport/base/safetensors.h"
#include "rapport/tuning/training/llama_network.h"

// OpenBLAS's own; null with another BLAS.
extern "C" {
__attribute__((weak)) void openblas_set_num_threads(int);
__attribute__((weak)) int openblas_get_num_threads();
}

namespace rapport::tuning {
namespace {

using torch::Tensor;

constexpr const char* kFile = "tuning.safetensors";
/// Parts of a batch whose gradients are computed side by side, each on one thread, and summed in
/// this order: part of the result, so not a matter of the machine.
constexpr std::size_t kShards = 4;

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

/// All of a training that changes from step to step.
struct State {
  struct Parameter {
    std::string name;
    Tensor value, first_moment, second_moment;
  };
  std::vector<Parameter> parameters;
  std::int64_t step = 0;  // done
  double seconds = 0;     // of those
  double loss = 0;        // sum since the last epoch began
  std::int64_t tokens = 0, answer_tokens = 0;
};

class Trainer {
 public:
  Trainer(const LlamaNetwork& network, std::span<const TrainingText> texts,
          const LoraOptions& options, const TuneContext& context)
      : network_(network),
        texts_(texts),
        options_(options),
        context_(context),
        first_layer_(options.layers == 0
                         ? 0
                         : std::max<std::int64_t>(0, network.shape().layers - options.layers)),
        kept_(texts.size()),
        pool_("tune", base::thread_count(context.threads), kShards) {
    begin_lora();
    for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) add_batches(epoch);
  }

  Result<TunedAdapter> run() {
    TRY_VOID(restore());
    const auto steps = static_cast<std::int64_t>(batches_.size());
    while (state_.step < steps) {
      const auto start = context_.clock.steady();
      TRY(const double loss, take_step());
      const double seconds = std::chrono::duration<double>(context_.clock.steady() - start).count();
      state_.seconds += seconds;
      ++state_.step;
      if (context_.on_progress)
        context_.on_progress(
            {.step = state_.step,
             .steps = steps,
             .loss = loss,
             .tokens_per_second = static_cast<double>(state_.tokens) / state_.seconds,
             .seconds = state_.seconds});
      const bool stop = context_.stop_token.stop_requested() && state_.step < steps;
      if (!context_.checkpoint.empty() &&
          (stop || state_.step % context_.checkpoint_every == 0 || state_.step == steps))
        TRY_VOID(save());
      if (stop)
        return fail(ErrorCode::kCancelled,
                    fmt::format("stopped after step {} of {}{}", state_.step, steps,
                                context_.checkpoint.empty() ? "" : ": go on with --resume"));
    }
    return TunedAdapter{.adapter = adapter(), .report = report()};
  }

 private:
  using Batch = std::vector<std::size_t>;  // numbers of texts

  /// The product of each pair is nothing at first: `up` is zero. Source: Hu et al. 2021.
  void begin_lora() {
    lora_.scale = options_.alpha / static_cast<double>(options_.rank);
    base::SplitMix64 random(static_cast<std::uint64_t>(context_.seed));
    for (std::int64_t layer = first_layer_; layer < network_.shape().layers; ++layer) {
      for (const std::string& target : options_.targets) {
        const auto [out, in] = layer_matrix_shape(network_.shape(), target);
        std::vector<float> values(static_cast<std::size_t>(options_.rank * in));
        const double bound = 1 / std::sqrt(static_cast<double>(in));
        for (float& value : values)
          value = static_cast<float>(bound *
                                     (2 * static_cast<double>(random.next() >> 11) * 0x1p-53 - 1));
        const std::string name = layer_tensor(layer, target);
        LoraPair& pair = lora_.pairs[name];
        pair.down =
            add_parameter(name + ".lora_a",
                          torch::tensor(at::ArrayRef<float>(values)).reshape({options_.rank, in}));
        pair.up = add_parameter(name + ".lora_b", torch::zeros({out, options_.rank}));
      }
    }
  }

  Tensor add_parameter(std::string name, Tensor value) {
    value.requires_grad_(true);
    state_.parameters.push_back(
        {std::move(name), value, torch::zeros_like(value), torch::zeros_like(value)});
    return value;
  }

  /// Texts in a random order, as many a step as have batch_tokens.
  void add_batches(std::int64_t epoch) {
    std::vector<std::size_t> order(texts_.size());
    std::iota(order.begin(), order.end(), 0);
    base::SplitMix64 random(static_cast<std::uint64_t>(context_.seed) * 1'000'003 +
                            static_cast<std::uint64_t>(epoch) + 1);
    base::shuffle(std::span(order), random);
    std::int64_t tokens = options_.batch_tokens;  // of the batch that is open; at first none is
    for (const std::size_t number : order) {
      const auto size = static_cast<std::int64_t>(texts_[number].tokens.size());
      if (tokens + size > options_.batch_tokens) {
        batches_.emplace_back();
        tokens = 0;
      }
      batches_.back().push_back(number);
      tokens += size;
    }
  }

  /// What the first trained layer gets.
  Tensor frozen(const PackedTexts& texts, const Batch& part) {
    const torch::NoGradGuard no_gradient;
    if (first_layer_ == 0) return network_.embed(texts);
    std::vector<Tensor> kept;
    for (const std::size_t number : part)
      if (kept_[number].defined()) kept.push_back(kept_[number]);
    if (kept.size() == part.size()) return torch::cat(kept);
    Tensor hidden = network_.run(network_.embed(texts), texts, 0, first_layer_, nullptr);
    for (std::size_t i = 0; i < part.size() && options_.epochs > 1; ++i) {
      const auto& place = texts.places[i];
      const std::int64_t bytes = (place.end - place.begin) * network_.shape().dimension *
                                 static_cast<std::int64_t>(sizeof(float));
      if (kept_[part[i]].defined() || (kept_bytes_ += bytes) > options_.cache_mib << 20) continue;
      kept_[part[i]] = hidden.slice(0, place.begin, place.end).clone();
    }
    return hidden;
  }

  struct PartLoss {
    double sum = 0;
    std::vector<Tensor> gradients;  // of the mean over the batch, by parameter
  };

  PartLoss part_loss(const Batch& part, double answers_of_batch) {
    std::vector<const TrainingText*> chosen;
    for (const std::size_t number : part) chosen.push_back(&texts_[number]);
    const PackedTexts texts(chosen);
    const Tensor hidden =
        network_.run(frozen(texts, part), texts, first_layer_, network_.shape().layers, &lora_);
    const Tensor sum = torch::nn::functional::cross_entropy(
        network_.logits(hidden), texts.answers,
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
    std::vector<Tensor> values;
    for (const auto& p : state_.parameters) values.push_back(p.value);
    return {sum.item<double>(), torch::autograd::grad({sum / answers_of_batch}, values)};
  }

  /// Into parts of about as many tokens.
  std::vector<Batch> split(const Batch& batch) const {
    const auto tokens = [&](std::size_t number) { return texts_[number].tokens.size(); };
    std::size_t total = 0, done = 0;
    for (const std::size_t number : batch) total += tokens(number);
    std::vector<Batch> parts(kShards);
    for (const std::size_t number : batch) {
      parts[done * kShards / total].push_back(number);
      done += tokens(number);
    }
    std::erase_if(parts, [](const Batch& part) { return part.empty(); });
    return parts;
  }

  /// The mean loss of an answer's token.
  Result<double> take_step() {
    const Batch& batch = batches_[static_cast<std::size_t>(state_.step)];
    std::int64_t answers = 0;
    for (const std::size_t number : batch) {
      const auto size = static_cast<std::int64_t>(texts_[number].tokens.size());
      answers += size - texts_[number].answer;
      state_.tokens += size;
    }
    const std::vector<Batch> parts = split(batch);
    std::vector<PartLoss> losses(parts.size());
    base::in_parallel(pool_, parts.size(), [&](std::size_t i) {
      losses[i] = part_loss(parts[i], static_cast<double>(answers));
    });
    double loss = 0;
    std::vector<Tensor> gradients = losses.front().gradients;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      loss += losses[i].sum;
      for (std::size_t j = 0; i > 0 && j < gradients.size(); ++j)
        gradients[j] += losses[i].gradients[j];
    }
    if (!std::isfinite(loss))
      return fail(
          ErrorCode::kInternal,
          fmt::format("the loss of step {} is not a number: train with a lower learning_rate",
                      state_.step + 1));
    adam(gradients);
    state_.answer_tokens += answers;
    state_.loss += loss;
    return loss / static_cast<double>(answers);
  }

  double learning_rate() const {
    const auto steps = static_cast<double>(batches_.size());
    const double done = (static_cast<double>(state_.step) + 1) / steps;
    if (done <= options_.warmup) return options_.learning_rate * done / options_.warmup;
    const double rest = (done - options_.warmup) / std::max(1e-9, 1 - options_.warmup);
    return options_.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * rest));
  }

  /// Kingma & Ba 2015, gradients longer than 1 in all cut to that (Pascanu et al. 2013).
  void adam(const std::vector<Tensor>& gradients) {
    const torch::NoGradGuard no_gradient;
    double squares = 0;
    for (const Tensor& gradient : gradients) squares += gradient.square().sum().item<double>();
    const double cut = 1 / std::max(1.0, std::sqrt(squares));
    constexpr double kFirst = 0.9, kSecond = 0.999, kEpsilon = 1e-8;
    const auto step = static_cast<double>(state_.step) + 1;
    const double rate = learning_rate() / (1 - std::pow(kFirst, step));
    const double correction = 1 / (1 - std::pow(kSecond, step));
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      State::Parameter& p = state_.parameters[i];
      const Tensor gradient = gradients[i] * cut;
      p.first_moment.mul_(kFirst).add_(gradient, 1 - kFirst);
      p.second_moment.mul_(kSecond).addcmul_(gradient, gradient, 1 - kSecond);
      p.value.addcdiv_(p.first_moment, (p.second_moment * correction).sqrt_().add_(kEpsilon),
                       -rate);
    }
  }

  LoraAdapter adapter() const {
    const auto floats = [](const Tensor& t) {
      const float* const data = t.data_ptr<float>();
      return std::vector<float>(data, data + t.numel());
    };
    LoraAdapter adapter{.rank = options_.rank,
                        .alpha = options_.alpha,
                        .base = network_.name(),
                        .matrices = {},
                        .about = {{"options", options_.to_json()}, {"seed", context_.seed}}};
    for (const auto& [name, pair] : lora_.pairs)
      adapter.matrices.push_back({.tensor = name,
                                  .in = pair.down.size(1),
                                  .out = pair.up.size(0),
                                  .down = floats(pair.down),
                                  .up = floats(pair.up)});
    return adapter;
  }

  Json report() const {
    return {{"steps", state_.step},
            {"loss",
             state_.loss / static_cast<double>(std::max<std::int64_t>(1, state_.answer_tokens))},
            {"tokens", state_.tokens},
            {"answer_tokens", state_.answer_tokens},
            {"seconds", state_.seconds},
            {"tokens_per_second",
             state_.seconds > 0 ? static_cast<double>(state_.tokens) / state_.seconds : 0}};
  }

  /// All that the result depends on.
  Json fingerprint() const {
    std::string bytes;
    for (const TrainingText& text : texts_) {
      bytes += fmt::format("{} {}\n", text.tokens.size(), text.answer);
      bytes.append(reinterpret_cast<const char*>(text.tokens.data()),
                   text.tokens.size() * sizeof(std::int32_t));
    }
    return {{"options", options_.to_json()},     {"seed", context_.seed},
            {"texts", base::digest(bytes)},      {"model", network_.name()},
            {"layers", network_.shape().layers}, {"dimension", network_.shape().dimension}};
  }

  Result<void> save() const {
    TRY_VOID(base::ensure_directory(context_.checkpoint));
    base::SafetensorsWriter writer;
    const auto add = [&](const std::string& name, const Tensor& t) {
      writer.add(name, {t.size(0), t.size(1)},
                 std::span(t.data_ptr<float>(), static_cast<std::size_t>(t.numel())));
    };
    for (const auto& p : state_.parameters) {
      add(p.name, p.value);
      add(p.name + ".first", p.first_moment);
      add(p.name + ".second", p.second_moment);
    }
    const std::string about =
        Json{{"fingerprint", fingerprint()}, {"step", state_.step},
             {"seconds", state_.seconds},    {"loss", state_.loss},
             {"tokens", state_.tokens},      {"answer_tokens", state_.answer_tokens}}
            .dump();
    writer.add_bytes("about", "U8", {static_cast<std::int64_t>(about.size())}, about);
    return writer.write(context_.checkpoint / kFile);
  }

  Result<void> restore() {
    if (context_.checkpoint.empty()) return {};
    const std::filesystem::path path = context_.checkpoint / kFile;
    std::error_code error;
    if (!context_.resume && std::filesystem::exists(path, error))
      return fail(
          ErrorCode::kConflict,
          fmt::format("{} holds a training that was stopped: go on with --resume, or delete "
                      "it to begin anew",
                      context_.checkpoint.string()));
    auto file = base::Safetensors::open(path);
    if (!file && file.error().code == ErrorCode::kNotFound) return {};  // nothing to go on from
    if (!file) return fail(std::move(file).error());
    TRY(const std::string text, file->read_text("about"));
    TRY(const Json about, base::parse_json(text, path.string()));
    if (!about.is_object() || !about.contains("fingerprint") ||
        about["fingerprint"] != fingerprint())
      return fail(
          ErrorCode::kConflict,
          fmt::format("{} belongs to another training: go on with its model, texts, options "
                      "and seed, or delete it",
                      path.string()));
    const torch::NoGradGuard no_gradient;
    for (auto& p : state_.parameters) {
      const auto read = [&](const std::string& name, Tensor& into) -> Result<void> {
        TRY(const std::vector<float> values, file->read_floats(name, {into.size(0), into.size(1)}));
        std::ranges::copy(values, into.data_ptr<float>());
        return {};
      };
      TRY_VOID(read(p.name, p.value));
      TRY_VOID(read(p.name + ".first", p.first_moment));
      TRY_VOID(read(p.name + ".second", p.second_moment));
    }
    state_.step = about.value("step", std::int64_t{0});
    state_.seconds = about.value("seconds", 0.0);
    state_.loss = about.value("loss", 0.0);
    state_.tokens = about.value("tokens", std::int64_t{0});
    state_.answer_tokens = about.value("answer_tokens", std::int64_t{0});
    return {};
  }

  const LlamaNetwork& network_;
  std::span<const TrainingText> texts_;
  const LoraOptions& options_;
  const TuneContext& context_;
  const std::int64_t first_layer_;
  std::vector<Batch> batches_;
  Lora lora_;
  State state_;
  std::vector<Tensor> kept_;  // by text: what the first trained layer gets, where there was room
  std::atomic<std::int64_t> kept_bytes_ = 0;
  base::ThreadPool pool_;
};

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

/// libtorch's threads and its BLAS's are kept out: ours work on parts of a batch, and three pools
/// on the same cores wait for each other most of the time.
class OneThreadEach {
 public:
  OneThreadEach() : torch_(at::get_num_threads()) {
    at::set_num_threads(1);
    if (openblas_set_num_threads == nullptr || openblas_get_num_threads == nullptr) return;
    blas_ = openblas_get_num_threads();
    openblas_set_num_threads(1);
  }
  ~OneThreadEach() {
    at::set_num_threads(torch_);
    if (blas_ > 0) openblas_set_num_threads(blas_);
  }
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int torch_, blas_ = 0;
};

}  // namespace

Result<TunedAdapter> train_with_libtorch(const std::filesystem::path& model,
                                         std::span<const TrainingText> texts,
                                         const LoraOptions& options, const TuneContext& context) {
  return caught([&]() -> Result<TunedAdapter> {
    if (texts.empty())
      return fail(ErrorCode::kInvalidArgument, "there are no texts to learn from", "texts");
    const OneThreadEach one_thread_each;
    TRY(const LlamaNetwork network, LlamaNetwork::load(model));
    for (std::size_t i = 0; i < texts.size(); ++i)
      TRY_VOID(check(texts[i], i + 1, network.shape()));
    return Trainer(network, texts, options, context).run();
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
    const Tensor logits =
        network.logits(network.run(network.embed(packed), packed, 0, network.shape().layers, &lora))
            .contiguous();
    const float* const data = logits.data_ptr<float>();
    return std::vector<float>(data, data + logits.numel());
  });
}

}  // namespace rapport::tuning
