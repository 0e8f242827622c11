#include "rapport/engine/erasure_watch.h"

#include "rapport/base/log.h"

namespace rapport::engine {

ErasureWatch::ErasureWatch(store::UserKeys& keys, const Eraser& eraser)
    : keys_(keys), eraser_(eraser) {
  if (const auto all = keys_.erasures(); all && !all->empty()) seen_ = all->back().seq;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex waiting;
    std::unique_lock lock(waiting);
    while (!stopped_.wait_for(lock, stop, std::chrono::seconds(1),
                              [&stop] { return stop.stop_requested(); })) {
      look();
    }
  });
}

void ErasureWatch::look() {
  const std::lock_guard lock(mutex_);
  const auto fresh = keys_.erasures(seen_);
  if (!fresh) {
    base::log_warning("cannot look for erasures", {{"error", fresh.error().message}});
    return;
  }
  for (const store::ErasureRecord& erasure : *fresh) {
    eraser_.forget(erasure.user);
    seen_ = erasure.seq;
  }
}

}  // namespace rapport::engine
