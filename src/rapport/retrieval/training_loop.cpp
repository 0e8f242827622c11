#include "rapport/retrieval/training_loop.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <system_error>

#include "rapport/base/files.h"

namespace rapport::retrieval {
namespace {

constexpr const char* kFile = "training.safetensors";
constexpr const char* kLoop = "loop";

bool holds_training(const std::filesystem::path& checkpoint) {
  std::error_code error;
  return !checkpoint.empty() && std::filesystem::exists(checkpoint / kFile, error);
}

/// A value in a message, cut where it is long.
std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 60;
  const std::string text = value.dump();
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "…";
}

/// "options/device: none instead of "cpu"": what `found` has where it is not `expected`; the first
/// few.
std::string differences(const Json& found, const Json& expected) {
  constexpr std::size_t kMost = 3;
  std::vector<std::string> told;
  const Json patch = Json::diff(expected, found);
  for (const Json& change : patch) {
    if (told.size() == kMost) {
      told.push_back("…");
      break;
    }
    const std::string path = change["path"];
    const Json::json_pointer pointer(path);
    told.push_back(fmt::format("{}: {} instead of {}",
                               path.substr(std::min<std::size_t>(1, path.size())),
                               change.contains("value") ? shown(change["value"]) : "none",
                               expected.contains(pointer) ? shown(expected[pointer]) : "none"));
  }
  return fmt::format("{}", fmt::join(told, ", "));
}

}  // namespace

void LoopOptions::describe(base::OptionSet& set) {
  set.add("epochs", epochs, "at most so many passes over the data", 1, 100'000);
  set.add("patience", patience, "epochs without a better validation NDCG@10 before it ends", 1,
          100'000);
  set.add("evaluate_every", evaluate_every, "epochs from one validation to the next", 1, 1000);
  set.add("average", average, "epochs whose weights are averaged; 1: only the last one's count", 1,
          100'000);
}

void LoopOptions::add_to(Json& json) const {
  json["epochs"] = epochs;
  json["patience"] = patience;
  json["evaluate_every"] = evaluate_every;
  json["average"] = average;
}

Result<void> check_not_stopped(const FitContext& context, std::int64_t epoch) {
  if (!context.stop_token.stop_requested()) return {};
  return fail(ErrorCode::kCancelled,
              fmt::format("stopped in epoch {}{}", epoch, how_to_go_on(context)));
}

Result<void> check_no_stopped_training(const FitContext& context) {
  if (context.resume || !holds_training(context.checkpoint)) return {};
  return fail(ErrorCode::kConflict,
              fmt::format("{} holds a training that was stopped: go on with --resume, or delete "
                          "it to begin anew",
                          context.checkpoint.string()));
}

std::string how_to_go_on(const FitContext& context) {
  return holds_training(context.checkpoint) ? ": go on with --resume" : "";
}

void remove_checkpoint(const std::filesystem::path& checkpoint) {
  std::error_code ignored;  // one that is left behind does no harm
  if (!holds_training(checkpoint)) return;
  std::filesystem::remove(checkpoint / kFile, ignored);
  std::filesystem::remove(checkpoint, ignored);  // unless something else is in it
}

TrainingLoop::TrainingLoop(LoopOptions options, LoopHooks hooks)
    : options_(options), hooks_(std::move(hooks)) {}

Result<Json> TrainingLoop::run(const FitContext& context, const Json& fingerprint) {
  TRY_VOID(check_no_stopped_training(context));
  if (context.resume && !context.checkpoint.empty()) TRY_VOID(restore(context, fingerprint));
  while (epoch_ < options_.epochs &&
         (best_epoch_ == 0 || epoch_ - best_epoch_ < options_.patience)) {
    const std::int64_t epoch = epoch_ + 1;
    const auto start = context.clock.steady();
    TRY(const double loss, hooks_.run_epoch(epoch));
    if (!std::isfinite(loss))
      return fail(ErrorCode::kInternal,
                  fmt::format("the loss of epoch {} is not a number: train with a lower "
                              "learning_rate; the state of epoch {} is still in the checkpoint",
                              epoch, epoch_));
    const auto seconds_since_start = [&] {
      return std::chrono::duration<double>(context.clock.steady() - start).count();
    };
    const double training_seconds = seconds_since_start();
    std::optional<double> ndcg;
    if (epoch % options_.evaluate_every == 0 || epoch == options_.epochs) {
      TRY(ndcg, hooks_.validate());
      if (*ndcg > best_) {
        best_ = *ndcg;
        best_epoch_ = epoch;
        hooks_.keep_best();
      }
    }
    const double seconds = seconds_since_start();
    seconds_ += seconds;
    epoch_ = epoch;
    curve_.push_back({{"epoch", epoch},
                      {"loss", loss},
                      {"training_seconds", training_seconds},
                      {"seconds", seconds}});
    if (ndcg) curve_.back()["validation_ndcg@10"] = *ndcg;
    if (!context.checkpoint.empty()) TRY_VOID(save(context, fingerprint));
    if (context.on_progress) {
      context.on_progress(
          {.done = static_cast<double>(epoch) / static_cast<double>(options_.epochs),
           .epoch = epoch,
           .epochs = options_.epochs,
           .loss = loss,
           .validation_ndcg = ndcg,
           .seconds = seconds});
    }
    if (context.stop_token.stop_requested())
      return fail(ErrorCode::kCancelled,
                  fmt::format("stopped after epoch {}{}", epoch, how_to_go_on(context)));
  }
  return Json{{"epochs", epoch_},
              {"best_epoch", best_epoch_},
              {"seconds", seconds_},
              {"validation", {{"ndcg@10", best_}}},
              {"curve", curve_}};
}

Result<void> TrainingLoop::save(const FitContext& context, const Json& fingerprint) {
  TRY_VOID(base::ensure_directory(context.checkpoint));
  base::SafetensorsWriter writer;
  hooks_.save_state(writer);
  const std::string loop = Json{{"fingerprint", fingerprint}, {"epoch", epoch_},
                                {"best_epoch", best_epoch_},  {"best", best_},
                                {"seconds", seconds_},        {"curve", curve_}}
                               .dump();
  writer.add_bytes(kLoop, "U8", {static_cast<std::int64_t>(loop.size())}, loop);
  return writer.write(context.checkpoint / kFile);
}

Result<void> TrainingLoop::restore(const FitContext& context, const Json& fingerprint) {
  const std::filesystem::path path = context.checkpoint / kFile;
  auto file = base::Safetensors::open(path);
  if (!file && file.error().code == ErrorCode::kNotFound) return {};  // nothing to go on from
  if (!file) return fail(std::move(file).error());
  TRY(const std::string text, file->read_text(kLoop));
  auto loop = base::parse_json(text, path.string(), {.max_bytes = 64u << 20});
  if (!loop || !loop->is_object() || !loop->contains("fingerprint") || !loop->contains("curve"))
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("{} is no checkpoint: delete it and train from the start", path.string()));
  if ((*loop)["fingerprint"] != fingerprint)
    return fail(ErrorCode::kConflict,
                fmt::format("{} belongs to another training ({}): train with its data, options "
                            "and seed, or without --resume once it is deleted",
                            path.string(), differences((*loop)["fingerprint"], fingerprint)));
  TRY_VOID(hooks_.load_state(*file));
  epoch_ = loop->value("epoch", std::int64_t{0});
  best_epoch_ = loop->value("best_epoch", std::int64_t{0});
  best_ = loop->value("best", -1.0);
  seconds_ = loop->value("seconds", 0.0);
  curve_ = (*loop)["curve"];
  return {};
}

}  // namespace rapport::retrieval
