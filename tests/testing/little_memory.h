// For death tests of what must fit into little memory, or say that it does not.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

// Sanitizers take address space of their own, and do not throw when there is none left.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RAPPORT_LIMITS_MEMORY 0
#else
#define RAPPORT_LIMITS_MEMORY 1
#endif

namespace rapport::testing {

/// From now on this process gets no more than `bytes` beside what it has, for good.
inline void allow_no_more_memory_than(std::int64_t bytes) {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const auto limit = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + bytes);
  const rlimit memory = {.rlim_cur = limit, .rlim_max = limit};
  setrlimit(RLIMIT_AS, &memory);
}

}  // namespace rapport::testing
