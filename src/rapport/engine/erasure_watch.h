// Lets a running server notice what another process erased (`rapport users erase`): what it has in
// memory of that user goes within a second.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "rapport/engine/erasure.h"

namespace rapport::engine {

/// Looks each second from its construction to its destruction. The arguments must outlive it.
class ErasureWatch {
 public:
  ErasureWatch(store::UserKeys& keys, const Eraser& eraser);
  ErasureWatch(const ErasureWatch&) = delete;
  ErasureWatch& operator=(const ErasureWatch&) = delete;

  /// Looks now, on the calling thread; for tests.
  void look();

 private:
  store::UserKeys& keys_;
  const Eraser& eraser_;
  std::mutex mutex_;
  std::int64_t seen_ = 0;  // the erasures up to this one
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace rapport::engine
