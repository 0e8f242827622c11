#include "rapport/retrieval/training_threads.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "rapport/base/in_parallel.h"

namespace rapport::retrieval {
namespace {

/// While it lives, its thread takes and makes zeros where numbers are subnormal (floats
/// below 1.2e-38). Decayed weights and Adam's moments of what is seldom seen end there, and
/// processors compute with such numbers many times slower.
class SubnormalsAsZeros {
 public:
  SubnormalsAsZeros() : before_(control()) { set_control(before_ | kFlush); }
  ~SubnormalsAsZeros() { set_control(before_); }
  SubnormalsAsZeros(const SubnormalsAsZeros&) = delete;
  SubnormalsAsZeros& operator=(const SubnormalsAsZeros&) = delete;

 private:
#if defined(__SSE__)
  using Control = unsigned;
  static constexpr Control kFlush = 0x8040;  // MXCSR: flush to zero, and denormals are zeros
  static Control control() {
    return _mm_getcsr();
  }
  static void set_control(Control to) {
    _mm_setcsr(to);
  }
#elif defined(__aarch64__)
  using Control = std::uint64_t;
  static constexpr Control kFlush = 1 << 24;  // FPCR.FZ
  static Control control() {
    Control now;
    asm volatile("mrs %0, fpcr" : "=r"(now));
    return now;
  }
  static void set_control(Control to) {
    asm volatile("msr fpcr, %0" : : "r"(to));
  }
#else
  using Control = unsigned;
  static constexpr Control kFlush = 0;
  static Control control() {
    return 0;
  }
  static void set_control(Control) {}
#endif

  Control before_;
};

}  // namespace

WorkStep step_within(const WorkStep& step, double begin, double end) {
  if (!step) return {};
  return [=](double done) { return step(begin + (end - begin) * done); };
}

TrainingThreads::TrainingThreads(std::int64_t threads)
    : count_(base::thread_count(threads)), pool_("train", count_, count_) {}

void TrainingThreads::over(std::int64_t size, std::int64_t chunk, const Work& work) {
  std::atomic<std::int64_t> next = 0;
  base::in_parallel(pool_, count_, [&](std::size_t) {
    const SubnormalsAsZeros zeros;
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

Result<void> TrainingThreads::try_in_rounds(std::int64_t size, std::int64_t chunk,
                                            const WorkStep& step, const FallibleWork& work) {
  std::mutex mutex;
  Result<void> done;
  const auto keeping = [&](std::int64_t begin, std::int64_t end) {
    auto piece = work(begin, end);
    const std::lock_guard lock(mutex);
    if (done && !piece) done = std::move(piece);
  };
  // Between rounds no piece is at work.
  const auto checking = [&](double share) -> Result<void> {
    TRY_VOID(done);
    return step ? step(share) : Result<void>();
  };
  return over_in_rounds(size, chunk, checking, keeping);
}

}  // namespace rapport::retrieval
