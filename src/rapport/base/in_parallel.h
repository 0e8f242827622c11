// A loop whose rounds run side by side on a pool.
//
//   in_parallel(pool, parts.size(), [&](std::size_t i) { compute(parts[i]); });
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "rapport/base/thread_pool.h"

namespace rapport::base {

/// `asked`, or for 0 or less one for each core that this process may run on, at most
/// limit_threads.
std::size_t thread_count(std::int64_t asked);
/// From now on, where nobody asks for a number; 0: no limit. A program's --threads.
void limit_threads(std::int64_t most);

/// work(0) … work(count - 1) on the pool, as far as its queue has room, and the rest here; returns
/// when all are done. An exception of `work` is thrown here then: none may leave a pool's thread.
/// Not from a thread of the pool.
void in_parallel(ThreadPool& pool, std::size_t count, const std::function<void(std::size_t)>& work);

}  // namespace rapport::base
