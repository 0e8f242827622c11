#include "rapport/tuning/training/tuning_loop.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <numeric>

#include "rapport/base/files.h"
#include "rapport/base/in_parallel.h"
#include "rapport/base/random.h"
#include "rapport/base/safetensors.h"

// OpenBLAS's own; null with another BLAS.
extern "C" {
__attribute__((weak)) void openblas_set_num_threads(int);
__attribute__((weak)) int openblas_get_num_threads();
}

namespace rapport::tuning {
namespace {

using torch::Tensor;

constexpr const char* kFile =
    "training.safetensors";  // as other trainings' (retrieval/training_loop.h)
/// Parts of a batch whose gradients are computed side by side, each on one thread, and summed in
/// this order: part of the result, so not a matter of the machine.
constexpr std::size_t kShards = 4;

}  // namespace

TuningLoop::TuningLoop(Objective& objective, const LoraOptions& options, const TuneContext& context,
                       std::string model)
    : objective_(objective),
      options_(options),
      context_(context),
      model_(std::move(model)),
      pool_("tune", base::thread_count(context.threads), kShards) {
  for (const Parameter& parameter : objective.parameters()) {
    first_moments_.push_back(torch::zeros_like(parameter.value));
    second_moments_.push_back(torch::zeros_like(parameter.value));
  }
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) add_batches(epoch);
}

Result<Json> TuningLoop::run() {
  TRY_VOID(restore());
  const auto steps = static_cast<std::int64_t>(batches_.size());
  while (step_ < steps) {
    const auto start = context_.clock.steady();
    TRY(const double loss, take_step());
    seconds_ += std::chrono::duration<double>(context_.clock.steady() - start).count();
    ++step_;
    if (context_.on_progress)
      context_.on_progress({.step = step_,
                            .steps = steps,
                            .loss = loss,
                            .tokens_per_second = static_cast<double>(tokens_) / seconds_,
                            .seconds = seconds_});
    const bool stop = context_.stop_token.stop_requested() && step_ < steps;
    if (!context_.checkpoint.empty() &&
        (stop || step_ % context_.checkpoint_every == 0 || step_ == steps))
      TRY_VOID(save());
    if (stop)
      return fail(ErrorCode::kCancelled,
                  fmt::format("stopped after step {} of {}{}", step_, steps,
                              context_.checkpoint.empty() ? "" : ": go on with --resume"));
  }
  return report();
}

/// Examples in a random order, as many a step as have batch_tokens.
void TuningLoop::add_batches(std::int64_t epoch) {
  std::vector<std::size_t> order(objective_.examples());
  std::iota(order.begin(), order.end(), 0);
  base::SplitMix64 random(static_cast<std::uint64_t>(context_.seed) * 1'000'003 +
                          static_cast<std::uint64_t>(epoch) + 1);
  base::shuffle(std::span(order), random);
  std::int64_t tokens = options_.batch_tokens;  // of the batch that is open; at first none is
  for (const std::size_t number : order) {
    const std::int64_t size = objective_.tokens(number);
    if (tokens + size > options_.batch_tokens) {
      batches_.emplace_back();
      tokens = 0;
    }
    batches_.back().push_back(number);
    tokens += size;
  }
}

/// Into parts of about as many tokens.
std::vector<TuningLoop::Batch> TuningLoop::split(const Batch& batch) const {
  std::int64_t total = 0, done = 0;
  for (const std::size_t number : batch) total += objective_.tokens(number);
  std::vector<Batch> parts(kShards);
  for (const std::size_t number : batch) {
    parts[static_cast<std::size_t>(done) * kShards / static_cast<std::size_t>(total)].push_back(
        number);
    done += objective_.tokens(number);
  }
  std::erase_if(parts, [](const Batch& part) { return part.empty(); });
  return parts;
}

TuningLoop::PartLoss TuningLoop::part_loss(const Batch& part, std::uint64_t seed,
                                           double answers_of_batch) {
  const Tensor sum = objective_.loss(part, seed);
  std::vector<Tensor> values;
  for (const Parameter& parameter : objective_.parameters()) values.push_back(parameter.value);
  return {sum.item<double>(), torch::autograd::grad({sum / answers_of_batch}, values)};
}

/// The mean loss of an answer.
Result<double> TuningLoop::take_step() {
  const Batch& batch = batches_[static_cast<std::size_t>(step_)];
  std::int64_t answers = 0;
  for (const std::size_t number : batch) {
    answers += objective_.answers(number);
    tokens_ += objective_.tokens(number);
  }
  const std::vector<Batch> parts = split(batch);
  base::SplitMix64 random((static_cast<std::uint64_t>(context_.seed) << 32) +
                          static_cast<std::uint64_t>(step_));
  std::vector<std::uint64_t> seeds(parts.size());
  for (std::uint64_t& seed : seeds) seed = random.next();
  std::vector<PartLoss> losses(parts.size());
  base::in_parallel(pool_, parts.size(), [&](std::size_t i) {
    losses[i] = part_loss(parts[i], seeds[i], static_cast<double>(answers));
  });
  double loss = 0;
  std::vector<Tensor> gradients = losses.front().gradients;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    loss += losses[i].sum;
    for (std::size_t j = 0; i > 0 && j < gradients.size(); ++j)
      gradients[j] += losses[i].gradients[j];
  }
  if (!std::isfinite(loss))
    return fail(ErrorCode::kInternal,
                fmt::format("the loss of step {} is not a number: train with a lower learning_rate",
                            step_ + 1));
  adam(gradients);
  answers_ += answers;
  loss_ += loss;
  return loss / static_cast<double>(answers);
}

double TuningLoop::learning_rate() const {
  const auto steps = static_cast<double>(batches_.size());
  const double done = (static_cast<double>(step_) + 1) / steps;
  if (done <= options_.warmup) return options_.learning_rate * done / options_.warmup;
  const double rest = (done - options_.warmup) / std::max(1e-9, 1 - options_.warmup);
  return options_.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * rest));
}

/// Kingma & Ba 2015, gradients longer than 1 in all cut to that (Pascanu et al. 2013).
void TuningLoop::adam(const std::vector<Tensor>& gradients) {
  const torch::NoGradGuard no_gradient;
  double squares = 0;
  for (const Tensor& gradient : gradients) squares += gradient.square().sum().item<double>();
  const double cut = 1 / std::max(1.0, std::sqrt(squares));
  constexpr double kFirst = 0.9, kSecond = 0.999, kEpsilon = 1e-8;
  const auto step = static_cast<double>(step_) + 1;
  const double rate = learning_rate() / (1 - std::pow(kFirst, step));
  const double correction = 1 / (1 - std::pow(kSecond, step));
  const auto parameters = objective_.parameters();
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Tensor gradient = gradients[i] * cut;
    first_moments_[i].mul_(kFirst).add_(gradient, 1 - kFirst);
    second_moments_[i].mul_(kSecond).addcmul_(gradient, gradient, 1 - kSecond);
    Tensor value = parameters[i].value;
    value.addcdiv_(first_moments_[i], (second_moments_[i] * correction).sqrt_().add_(kEpsilon),
                   -rate);
  }
}

Json TuningLoop::report() const {
  return {{"steps", step_},
          {"loss", loss_ / static_cast<double>(std::max<std::int64_t>(1, answers_))},
          {"tokens", tokens_},
          {"answer_tokens", answers_},
          {"seconds", seconds_},
          {"tokens_per_second", seconds_ > 0 ? static_cast<double>(tokens_) / seconds_ : 0}};
}

Json TuningLoop::fingerprint() const {
  return {{"objective", objective_.fingerprint()}, {"seed", context_.seed}, {"model", model_}};
}

Result<void> TuningLoop::save() const {
  TRY_VOID(base::ensure_directory(context_.checkpoint));
  base::SafetensorsWriter writer;
  const auto add = [&](const std::string& name, const Tensor& t) {
    writer.add(name, {t.size(0), t.size(1)},
               std::span(t.data_ptr<float>(), static_cast<std::size_t>(t.numel())));
  };
  const auto parameters = objective_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    add(parameters[i].name, parameters[i].value);
    add(parameters[i].name + ".first", first_moments_[i]);
    add(parameters[i].name + ".second", second_moments_[i]);
  }
  const std::string about = Json{
      {"fingerprint", fingerprint()},
      {"step", step_},
      {"seconds", seconds_},
      {"loss", loss_},
      {"tokens", tokens_},
      {"answer_tokens",
       answers_}}.dump();
  writer.add_bytes("about", "U8", {static_cast<std::int64_t>(about.size())}, about);
  return writer.write(context_.checkpoint / kFile);
}

Result<void> TuningLoop::restore() {
  if (context_.checkpoint.empty()) return {};
  const std::filesystem::path path = context_.checkpoint / kFile;
  std::error_code error;
  if (!context_.resume && std::filesystem::exists(path, error))
    return fail(ErrorCode::kConflict,
                fmt::format("{} holds a training that was stopped: go on with --resume, or delete "
                            "it to begin anew",
                            context_.checkpoint.string()));
  auto file = base::Safetensors::open(path);
  if (!file && file.error().code == ErrorCode::kNotFound) return {};  // nothing to go on from
  if (!file) return fail(std::move(file).error());
  TRY(const std::string text, file->read_text("about"));
  TRY(const Json about, base::parse_json(text, path.string()));
  if (!about.is_object() || !about.contains("fingerprint") || about["fingerprint"] != fingerprint())
    return fail(ErrorCode::kConflict,
                fmt::format("{} belongs to another training: go on with its model, texts, options "
                            "and seed, or delete it",
                            path.string()));
  const torch::NoGradGuard no_gradient;
  const auto parameters = objective_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto read = [&](const std::string& name, const Tensor& into) -> Result<void> {
      TRY(const std::vector<float> values, file->read_floats(name, {into.size(0), into.size(1)}));
      std::ranges::copy(values, into.data_ptr<float>());
      return {};
    };
    TRY_VOID(read(parameters[i].name, parameters[i].value));
    TRY_VOID(read(parameters[i].name + ".first", first_moments_[i]));
    TRY_VOID(read(parameters[i].name + ".second", second_moments_[i]));
  }
  step_ = about.value("step", std::int64_t{0});
  seconds_ = about.value("seconds", 0.0);
  loss_ = about.value("loss", 0.0);
  tokens_ = about.value("tokens", std::int64_t{0});
  answers_ = about.value("answer_tokens", std::int64_t{0});
  if (step_ < 0 || step_ > static_cast<std::int64_t>(batches_.size()))
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: it is at step {} of {}: delete it and begin anew", path.string(),
                            step_, batches_.size()));
  return {};
}

OneThreadEach::OneThreadEach() : torch_(at::get_num_threads()) {
  at::set_num_threads(1);
  if (openblas_set_num_threads == nullptr || openblas_get_num_threads == nullptr) return;
  blas_ = openblas_get_num_threads();
  openblas_set_num_threads(1);
}

OneThreadEach::~OneThreadEach() {
  at::set_num_threads(torch_);
  if (blas_ > 0) openblas_set_num_threads(blas_);
}

}  // namespace rapport::tuning
