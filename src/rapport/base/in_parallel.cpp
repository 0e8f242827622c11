#include "rapport/base/in_parallel.h"

#include <algorithm>
#include <exception>
#include <latch>
#include <thread>
#include <vector>

namespace rapport::base {

std::size_t thread_count(std::int64_t asked) {
  return asked > 0 ? static_cast<std::size_t>(asked)
                   : std::max<std::size_t>(1, std::thread::hardware_concurrency());
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
