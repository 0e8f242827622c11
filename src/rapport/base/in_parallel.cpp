#include "rapport/base/in_parallel.h"

#include <exception>
#include <latch>
#include <vector>

namespace rapport::base {

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
