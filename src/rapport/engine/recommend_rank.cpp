#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "rapport/base/log.h"
#include "rapport/engine/recommend_steps.h"

namespace rapport::engine {
namespace {

/// Standard deviations that a mood can turn into their contrary with its usual weight.
constexpr double kReached = 2;

/// Asked between the steps of a ranking whether its time is over.
class Deadline {
 public:
  Deadline(const base::Clock& clock, std::int64_t milliseconds)
      : clock_(clock), at_(clock.steady() + std::chrono::milliseconds(milliseconds)) {}
  bool passed() const { return clock_.steady() > at_; }

 private:
  const base::Clock& clock_;
  std::chrono::steady_clock::time_point at_;
};

/// Stops a language model once its time is over: within an answer nothing else asks.
class Alarm {
 public:
  explicit Alarm(std::int64_t milliseconds)
      : thread_([this, milliseconds](const std::stop_token& over) {
          std::unique_lock lock(mutex_);
          silence_.wait_for(lock, over, std::chrono::milliseconds(milliseconds),
                            [] { return false; });
          if (!over.stop_requested()) stop_.request_stop();
        }) {}

  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any silence_;
  std::jthread thread_;  // the last, so that it ends before what it uses
};

}  // namespace

std::optional<palr::RankedList> learned_ranking(const ServedCatalogue& served, const Taste& taste,
                                                const Allowed& allowed,
                                                std::vector<Candidate>& candidates,
                                                const RecommendOptions& options,
                                                const base::Clock& clock,
                                                std::vector<LeftOut>& left_out) {
  if (served.ranking() == nullptr || taste.sequence.empty()) return std::nullopt;
  palr::PoolFilter filter{
      .admits = [&](data::ItemIndex item) { return allowed.refuses(item) == nullptr; }};
  for (const Candidate& each : candidates) filter.also.push_back(each.item);
  const Deadline deadline(clock, options.ranking_ms);
  std::optional<Alarm> alarm;
  if (served.ranking()->asks_a_language_model()) alarm.emplace(options.ranking_ms);
  auto list = served.ranking()->rank(
      {.history = taste.sequence}, filter, [&] { return deadline.passed(); },
      alarm ? alarm->token() : std::stop_token());
  if (!list) {
    // The model's own order is good enough, and better than no list.
    const bool late = list.error().code == ErrorCode::kTimeout ||
                      (alarm && list.error().code == ErrorCode::kCancelled);
    const std::string why =
        late ? fmt::format("it took longer than {} ms", options.ranking_ms) : list.error().message;
    left_out.push_back({"the learned ranking", fmt::format("{}: the list is in the order of {}",
                                                           why, served.model().kind())});
    if (!late) base::log_warning("a learned ranking failed", {{"error", list.error().message}});
    return std::nullopt;
  }
  candidates.clear();
  for (std::size_t i = 0; i < list->pool.size(); ++i)
    candidates.push_back({list->pool.items[i], static_cast<double>(list->scores[i]), 0});
  return *std::move(list);
}

void rank(std::vector<Candidate>& candidates, const Taste& taste, const ServedCatalogue& served,
          bool reads_history, const RecommendOptions& options) {
  if (candidates.empty()) return;
  const auto count = static_cast<double>(candidates.size());
  double sum = 0, squares = 0;
  for (const Candidate& each : candidates) sum += each.score;
  const double mean = sum / count;
  for (const Candidate& each : candidates) squares += (each.score - mean) * (each.score - mean);
  // Equal scores say nothing: then the weights alone decide.
  const double deviation = squares > 0 ? std::sqrt(squares / count) : 1;

  for (Candidate& each : candidates) {
    each.fused = (each.score - mean) / deviation;
    // The best of a model that is sure of them lie many deviations out, where no mood would reach.
    if (!taste.moods.empty()) each.fused = std::clamp(each.fused, -kReached, kReached);
    const auto categories = served.categories(each.item);
    const bool favourite = std::ranges::any_of(taste.favourites, [&](CategoryIndex category) {
      return std::ranges::binary_search(categories, category);
    });
    if (favourite) each.fused += options.favourite_weight;
    const auto has_any = [&](const std::vector<CategoryIndex>& of_mood) {
      return std::ranges::any_of(of_mood, [&](CategoryIndex category) {
        return std::ranges::binary_search(categories, category);
      });
    };
    for (const Mood& mood : taste.moods) {
      if (has_any(mood.raised)) each.fused += options.mood_weight;
      if (has_any(mood.lowered)) each.fused -= options.mood_weight;
    }
    // A model that reads the history knows of its interests, and better.
    if (reads_history) continue;
    double share = 0;
    for (const Interest& interest : taste.interests) {
      if (std::ranges::binary_search(categories, interest.category)) share += interest.share;
    }
    each.fused += options.interest_weight * share;
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    if (a.fused != b.fused) return a.fused > b.fused;
    return a.score != b.score ? a.score > b.score : a.item < b.item;
  });
}

}  // namespace rapport::engine
