#include "rapport/retrieval/weight_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <new>

#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/full_ranking.h"

namespace rapport::retrieval {
namespace {

class Trainer {
 public:
  Trainer(const data::Dataset& dataset, const WeightTask& task, const FitContext& context)
      : dataset_(dataset), task_(task), context_(context) {
    state_.weights.resize(static_cast<std::size_t>(task.layout.total));
    base::SeededRandom random(static_cast<std::uint64_t>(context.seed));
    for (const WeightPlace& place : task.layout.places) {
      task.initialise(place,
                      std::span(state_.weights)
                          .subspan(static_cast<std::size_t>(place.offset),
                                   static_cast<std::size_t>(place.size)),
                      random);
    }
    state_.best = state_.weights;
    if (task.loop.average > 1) state_.average.resize(state_.weights.size());
    if (!task.adam) return;
    state_.first_moment.resize(state_.weights.size());
    state_.second_moment.resize(state_.weights.size());
  }

  Result<double> run_epoch(std::int64_t epoch) {
    TRY_VOID(check_not_stopped(context_, epoch));
    const auto key =
        static_cast<std::uint64_t>(context_.seed) * 1'000'003 + static_cast<std::uint64_t>(epoch);
    TRY(const double loss, task_.run_epoch(epoch, key, state_));
    if (!state_.average.empty()) state_.add_to_average(epoch, task_.loop.average);
    return loss;
  }

  Result<double> validate() {
    return validation_ndcg(*task_.model(state_.result()), dataset_, context_.threads);
  }

  void keep_best() { state_.best.assign(state_.result().begin(), state_.result().end()); }
  TrainingState& state() { return state_; }
  std::unique_ptr<Retriever> best_model() const { return task_.model(state_.best); }

 private:
  const data::Dataset& dataset_;
  const WeightTask& task_;
  const FitContext& context_;
  TrainingState state_;
};

/// What a checkpoint's arrays mean: one of another layout must not be gone on from.
Json names_and_shapes(const WeightLayout& layout) {
  Json places = Json::array();
  for (const WeightPlace& place : layout.places) places.push_back({place.name, place.shape});
  return places;
}

}  // namespace

void TrainingState::add_to_average(std::int64_t epoch, std::int64_t horizon) {
  const float share = 1 / static_cast<float>(std::min(epoch, horizon));
  for (std::size_t i = 0; i < average.size(); ++i) average[i] += share * (weights[i] - average[i]);
}

void TrainingState::save(base::SafetensorsWriter& writer) const {
  const auto add = [&](const char* name, const std::vector<float>& values) {
    writer.add(name, {static_cast<std::int64_t>(values.size())}, values);
  };
  add("weights", weights);
  add("best", best);
  if (!average.empty()) add("average", average);
  if (first_moment.empty()) return;
  add("first_moment", first_moment);
  add("second_moment", second_moment);
  const std::string count = std::to_string(steps);
  writer.add_bytes("steps", "U8", {static_cast<std::int64_t>(count.size())}, count);
}

Result<void> TrainingState::load(const base::Safetensors& file) {
  const std::vector<std::int64_t> shape{static_cast<std::int64_t>(weights.size())};
  TrainingState read;
  TRY(read.weights, file.read_floats("weights", shape));
  TRY(read.best, file.read_floats("best", shape));
  if (!average.empty()) {
    TRY(read.average, file.read_floats("average", shape));
  }
  if (!first_moment.empty()) {
    TRY(read.first_moment, file.read_floats("first_moment", shape));
    TRY(read.second_moment, file.read_floats("second_moment", shape));
    TRY(const std::string count, file.read_text("steps"));
    const char* const end = count.data() + count.size();
    const auto [rest, error] = std::from_chars(count.data(), end, read.steps);
    if (error != std::errc() || rest != end || read.steps < 0)
      return fail(ErrorCode::kCorrupt,
                  fmt::format("the checkpoint's steps are \"{}\", which is no number of them: "
                              "delete it and train from the start",
                              count));
  }
  *this = std::move(read);
  return {};
}

Result<Fit> train_weights(const data::Dataset& dataset, const WeightTask& task,
                          const FitContext& context) {
  Trainer trainer(dataset, task, context);
  TrainingLoop loop(
      task.loop,
      {.run_epoch = [&](std::int64_t epoch) { return trainer.run_epoch(epoch); },
       .validate = [&] { return trainer.validate(); },
       .keep_best = [&] { trainer.keep_best(); },
       .save_state = [&](base::SafetensorsWriter& w) { trainer.state().save(w); },
       .load_state = [&](const base::Safetensors& f) { return trainer.state().load(f); }});
  Fit fit;
  TRY(fit.report, loop.run(context, {{"algorithm", task.algorithm},
                                     {"kind", task.kind},
                                     {"options", task.options},
                                     {"seed", context.seed},
                                     {"data", dataset.checksum()},
                                     {"weights", names_and_shapes(task.layout)}}));
  fit.model = trainer.best_model();
  fit.seed = context.seed;
  fit.options = task.options;
  return fit;
}

Result<Fit> within_memory(std::string_view kind, const data::Dataset& dataset,
                          std::string_view remedy, const std::function<Result<Fit>()>& fit) {
  const auto no_memory = [&] {
    return fail(ErrorCode::kInternal,
                fmt::format("{} does not fit into memory: {} users and {} items: {}", kind,
                            dataset.users(), dataset.items(), remedy));
  };
  try {
    return fit();
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::exception& error) {  // libtorch's: a line, then its calls
    const std::string_view what = error.what();
    const std::string_view line = what.substr(0, what.find('\n'));
    if (line.find("out of memory") != line.npos || line.find("allocate memory") != line.npos)
      return no_memory();
    return fail(ErrorCode::kInternal, fmt::format("training failed: {}", line));
  }
}

Result<void> check_there_is_work(const data::Dataset& dataset, std::size_t fewest) {
  const bool has_work =
      std::ranges::any_of(data::training_histories(dataset), [&](const auto& history) {
        return history.size() >= fewest &&
               static_cast<std::int64_t>(history.size()) < dataset.items();
      });
  if (has_work) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has no user with {} interactions who does not know every item: "
                          "there is nothing to learn from",
                          dataset.name(), fewest == 1 ? "three" : "four"),
              "data");
}

Result<double> validation_ndcg(const Retriever& model, const data::Dataset& dataset,
                               std::int64_t threads) {
  TRY(const auto ranking,
      evaluation::rank_held_out(dataset,
                                [&model](std::span<const Query> queries, std::span<float> scores) {
                                  return model.score(queries, scores);
                                },
                                {.split = data::Split::kValidation, .threads = threads}));
  return ranking.metrics().mean(evaluation::ndcg_at(10));
}

void adam_step(AdamStep step, std::span<const float> gradient, TrainingThreads& threads,
               TrainingState& state) {
  step.step = ++state.steps;
  const float* const one = gradient.data();
  adam_update(step, 0, static_cast<std::int64_t>(gradient.size()), {&one, 1}, threads, state);
}

void adam_update(const AdamStep& step, std::int64_t begin, std::int64_t size,
                 std::span<const float* const> gradients, TrainingThreads& threads,
                 TrainingState& state) {
  constexpr std::int64_t kChunk = 1 << 14;
  threads.over(size, kChunk, [&](std::int64_t first, std::int64_t last) {
    std::vector<const float*> parts;
    for (const float* const gradient : gradients) parts.push_back(gradient + first);
    adam(step, last - first, parts, state.weights.data() + begin + first,
         state.first_moment.data() + begin + first, state.second_moment.data() + begin + first);
  });
}

}  // namespace rapport::retrieval
