#include "rapport/retrieval/training_threads.h"

#include <algorithm>
#include <atomic>

#include "rapport/base/in_parallel.h"

namespace rapport::retrieval {

WorkStep step_within(const WorkStep& step, double begin, double end) {
  if (!step) return {};
  return [=](double done) { return step(begin + (end - begin) * done); };
}

TrainingThreads::TrainingThreads(std::int64_t threads)
    : count_(base::thread_count(threads)), pool_("train", count_, count_) {}

void TrainingThreads::over(std::int64_t size, std::int64_t chunk, const Work& work) {
  std::atomic<std::int64_t> next = 0;
  base::in_parallel(pool_, count_, [&](std::size_t) {
    try {
      for (std::int64_t begin = next.fetch_add(chunk); begin < size; begin = next.fetch_add(chunk))
        work(begin, std::min(size, begin + chunk));
    } catch (...) {
      next = size;
      throw;
    }
  });
}

void TrainingThreads::each(std::int64_t size, const std::function<void(std::int64_t i)>& work) {
  over(size, 1, [&](std::int64_t i, std::int64_t) { work(i); });
}

Result<void> TrainingThreads::over_in_rounds(std::int64_t size, std::int64_t chunk,
                                             const WorkStep& step, const Work& work) {
  constexpr std::int64_t kChunks = 2;  // of a thread in a round, so that a stop is soon noticed
  const std::int64_t round = kChunks * static_cast<std::int64_t>(count_) * chunk;
  for (std::int64_t first = 0; first < size; first += round) {
    const std::int64_t last = std::min(size, first + round);
    over(last - first, chunk,
         [&](std::int64_t begin, std::int64_t end) { work(first + begin, first + end); });
    if (step) TRY_VOID(step(static_cast<double>(last) / static_cast<double>(size)));
  }
  return {};
}

}  // namespace rapport::retrieval
