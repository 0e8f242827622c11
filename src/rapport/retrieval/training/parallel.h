// Independent pieces of work on several threads.
#pragma once

#include <cstdint>
#include <functional>

namespace rapport::retrieval {

/// `threads`, or one a core for 0.
std::int64_t thread_count(std::int64_t threads);

/// Calls work(0), …, work(tasks - 1), each once, on `threads` threads, and returns when all are
/// done. The first exception of a task is thrown here; tasks not begun by then are left out.
void in_parallel(std::int64_t threads, std::int64_t tasks,
                 const std::function<void(std::int64_t)>& work);

}  // namespace rapport::retrieval
