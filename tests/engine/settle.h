// Waiting for what runs in the background.
#pragma once

#include <algorithm>
#include <thread>

#include "rapport/store/store.h"

namespace rapport::engine {

/// Returns when no job is queued or running.
inline void settle(store::Store& store) {
  const auto open = [](const store::Job& job) {
    return job.status == store::JobStatus::kQueued || job.status == store::JobStatus::kRunning;
  };
  while (std::ranges::any_of(*store.jobs({1000, 0}), open)) std::this_thread::yield();
}

}  // namespace rapport::engine
