#include "rapport/retrieval/weight_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <new>
#include <thread>

#include "rapport/base/in_parallel.h"
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
    best_ = state_.weights;
    if (!task.adam) return;
    state_.first_moment.resize(state_.weights.size());
    state_.second_moment.resize(state_.weights.size());
  }

  Result<double> run_epoch(std::int64_t epoch) {
    TRY_VOID(check_not_stopped(context_, epoch));
    const auto key =
        static_cast<std::uint64_t>(context_.seed) * 1'000'003 + static_cast<std::uint64_t>(epoch);
    return task_.run_epoch(epoch, key, state_);
  }

  Result<double> validate() {
    const std::unique_ptr<Retriever> model = task_.model(state_.weights);
    TRY(const auto ranking, evaluation::rank_held_out(
                                dataset_,
                                [&model](std::span<const Query> queries, std::span<float> scores) {
                                  return model->score(queries, scores);
                                },
                                {.split = data::Split::kValidation, .threads = context_.threads}));
    return ranking.metrics().mean(evaluation::ndcg_at(10));
  }

  void keep_best() { best_ = state_.weights; }

  void save(base::SafetensorsWriter& writer) const {
    const auto add = [&](const char* name, const std::vector<float>& values) {
      writer.add(name, {static_cast<std::int64_t>(values.size())}, values);
    };
    add("weights", state_.weights);
    add("best", best_);
    if (!task_.adam) return;
    add("first_moment", state_.first_moment);
    add("second_moment", state_.second_moment);
    const std::string steps = std::to_string(state_.steps);
    writer.add_bytes("steps", "U8", {static_cast<std::int64_t>(steps.size())}, steps);
  }

  Result<void> load(const base::Safetensors& file) {
    const std::vector<std::int64_t> shape{task_.layout.total};
    TrainingState state;
    TRY(state.weights, file.read_floats("weights", shape));
    TRY(auto best, file.read_floats("best", shape));
    if (task_.adam) {
      TRY(state.first_moment, file.read_floats("first_moment", shape));
      TRY(state.second_moment, file.read_floats("second_moment", shape));
      TRY(const std::string steps, file.read_text("steps"));
      std::from_chars(steps.data(), steps.data() + steps.size(), state.steps);
    }
    state_ = std::move(state);
    best_ = std::move(best);
    return {};
  }

  std::unique_ptr<Retriever> best_model() const { return task_.model(best_); }

 private:
  const data::Dataset& dataset_;
  const WeightTask& task_;
  const FitContext& context_;
  TrainingState state_;
  std::vector<float> best_;
};

}  // namespace

Result<Fit> train_weights(const data::Dataset& dataset, const WeightTask& task,
                          const FitContext& context) {
  Trainer trainer(dataset, task, context);
  TrainingLoop loop(task.loop,
                    {.run_epoch = [&](std::int64_t epoch) { return trainer.run_epoch(epoch); },
                     .validate = [&] { return trainer.validate(); },
                     .keep_best = [&] { trainer.keep_best(); },
                     .save_state = [&](base::SafetensorsWriter& w) { trainer.save(w); },
                     .load_state = [&](const base::Safetensors& f) { return trainer.load(f); }});
  Fit fit;
  TRY(fit.report, loop.run(context, {{"algorithm", task.algorithm},
                                     {"kind", task.kind},
                                     {"options", task.options},
                                     {"seed", context.seed},
                                     {"data", dataset.checksum()}}));
  fit.model = trainer.best_model();
  fit.seed = context.seed;
  fit.options = task.options;
  return fit;
}

TrainingThreads::TrainingThreads(const FitContext& context)
    : count_(context.threads > 0 ? static_cast<std::size_t>(context.threads)
                                 : std::max<std::size_t>(1, std::thread::hardware_concurrency())),
      pool_("train", count_, count_) {}

void TrainingThreads::over(std::int64_t size, std::int64_t chunk,
                           const std::function<void(std::int64_t begin, std::int64_t end)>& work) {
  std::atomic<std::int64_t> next = 0;
  base::in_parallel(pool_, count_, [&](std::size_t) {
    for (std::int64_t begin = next.fetch_add(chunk); begin < size; begin = next.fetch_add(chunk))
      work(begin, std::min(size, begin + chunk));
  });
}

Result<Fit> within_memory(std::string_view kind, const data::Dataset& dataset,
                          std::string_view remedy, const std::function<Result<Fit>()>& fit) {
  try {
    return fit();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kInternal,
                fmt::format("{} does not fit into memory: {} users and {} items: lower {}", kind,
                            dataset.users(), dataset.items(), remedy));
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

void adam_step(AdamStep step, std::span<const float> gradients, TrainingThreads& threads,
               TrainingState& state) {
  constexpr std::int64_t kChunk = 1 << 14;
  step.step = ++state.steps;
  threads.over(static_cast<std::int64_t>(gradients.size()), kChunk,
               [&](std::int64_t begin, std::int64_t end) {
                 const float* const own[] = {gradients.data() + begin};
                 adam(step, end - begin, own, state.weights.data() + begin,
                      state.first_moment.data() + begin, state.second_moment.data() + begin);
               });
}

Result<void> check_not_stopped(const FitContext& context, std::int64_t epoch) {
  if (!context.stop_token.stop_requested()) return {};
  return fail(ErrorCode::kCancelled,
              fmt::format("stopped in epoch {}{}", epoch,
                          context.checkpoint.empty() ? "" : ": go on with --resume"));
}

}  // namespace rapport::retrieval
