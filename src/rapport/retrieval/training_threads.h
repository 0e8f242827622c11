// The threads of one fit: a loop's pieces side by side, and in rounds where it must be stoppable.
//
//   TrainingThreads threads(context.threads);
//   threads.over(rows, 256, [&](std::int64_t begin, std::int64_t end) { … });
//   TRY_VOID(threads.over_in_rounds(rows, 256, step, work));
//
// What is computed must not depend on the number of threads: pieces are cut by size alone, and each
// writes what no other does. Subnormal numbers (floats below 1.2e-38) are zeros there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "rapport/base/result.h"
#include "rapport/base/thread_pool.h"

namespace rapport::retrieval {

/// Called between parts of a long work, on the thread that began it, with the share that is done,
/// (0, 1]: reports it. An error ends the work.
using WorkStep = std::function<Result<void>(double done)>;

/// `step` for a part of its work, from `begin` to `end` of the whole; empty for an empty one.
WorkStep step_within(const WorkStep& step, double begin, double end);

class TrainingThreads {
 public:
  /// `threads`, or one a core for 0.
  explicit TrainingThreads(std::int64_t threads);

  std::size_t count() const { return count_; }

  /// work(begin, end) for each `chunk` in a row of [0, size), the last one shorter, in any order.
  /// Returns when all are done. An exception of `work` is thrown here; what has not begun by then
  /// is left out. Not from a thread of the pool.
  using Work = std::function<void(std::int64_t begin, std::int64_t end)>;
  void over(std::int64_t size, std::int64_t chunk, const Work& work);
  /// work(0) … work(size - 1), likewise.
  void each(std::int64_t size, const std::function<void(std::int64_t i)>& work);
  /// As `over`, with `step`, which may be empty, after each few chunks a thread. Errors: those of
  /// `step`.
  Result<void> over_in_rounds(std::int64_t size, std::int64_t chunk, const WorkStep& step,
                              const Work& work);
  /// The same of work that can fail, until a round in which a piece does. Errors: those of `step`
  /// and of the first piece that failed.
  using FallibleWork = std::function<Result<void>(std::int64_t begin, std::int64_t end)>;
  Result<void> try_in_rounds(std::int64_t size, std::int64_t chunk, const WorkStep& step,
                             const FallibleWork& work);

 private:
  std::size_t count_;
  base::ThreadPool pool_;
};

}  // namespace rapport::retrieval
