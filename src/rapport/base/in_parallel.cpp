#include "rapport/base/in_parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <latch>
#include <thread>
#include <vector>

namespace rapport::base {

namespace {

/// std::thread::hardware_concurrency counts cores that taskset or a container keeps from us too:
/// threads that wait for each other by spinning are many times as slow where they share one.
std::size_t permitted_cores() {
  cpu_set_t permitted;
  if (sched_getaffinity(0, sizeof(permitted), &permitted) == 0)
    return static_cast<std::size_t>(CPU_COUNT(&permitted));
  return std::thread::hardware_concurrency();  // more cores than the set has places for
}

std::atomic<std::int64_t> most_threads = 0;

}  // namespace

std::size_t thread_count(std::int64_t asked) {
  if (asked > 0) return static_cast<std::size_t>(asked);
  const std::size_t cores = std::max<std::size_t>(1, permitted_cores());
  const std::int64_t most = most_threads;
  return most > 0 ? std::min(cores, static_cast<std::size_t>(most)) : cores;
}

void limit_threads(std::int64_t most) {
  most_threads = most;
}

void in_parallel(ThreadPool& pool, std::size_t count,
                 const std::function<void(std::size_t)>& work) {
  std::latch done(static_cast<std::ptrdiff_t>(count));
  std::vector<std::exception_ptr> thrown(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto task = [&, i] {
      try {
        work(i);
      } catch (...) {
        thrown[i] = std::current_exception();
      }
      done.count_down();
    };
    if (!pool.post(task)) task();
  }
  done.wait();
  for (const std::exception_ptr& each : thrown)
    if (each) std::rethrow_exception(each);
}

}  // namespace rapport::base
