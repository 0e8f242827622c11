// A fixed number of threads and a bounded queue.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::base {

class ThreadPool {
 public:
  /// `name` prefixes the threads' names (15 characters at most are shown by the system).
  ThreadPool(std::string name, std::size_t threads, std::size_t max_queued);
  /// Runs what is queued, then joins.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Errors: kUnavailable when `max_queued` tasks wait, or after shutdown. A task must not throw.
  /// Thread-safe.
  Result<void> post(std::function<void()> task);
  /// Refuses new tasks, finishes the queued ones, joins. Idempotent; not from a pool thread.
  void shutdown();
  std::size_t queued() const;

 private:
  void run(std::size_t index);

  const std::string name_;
  const std::size_t max_queued_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rapport::base
