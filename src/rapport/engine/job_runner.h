// Runs the store's durable jobs, one after the other, on a thread of its own.
//
//   JobRunner runner(store, clock, {{kObserveJob, [&](const store::Job& job) { return
//   observe_turns(job, store); }}}); runner.wake();   // something was enqueued
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "rapport/base/clock.h"
#include "rapport/store/store.h"

namespace rapport::engine {

class JobRunner {
 public:
  /// Must not block for longer than the lease (60 s). An error puts the job back until its attempts
  /// are used up.
  using Work = std::function<Result<void>(const store::Job&)>;

  JobRunner(store::Store& store, const base::Clock& clock, std::map<std::string, Work> work);
  /// Finishes the job at hand; what is queued stays in the store.
  ~JobRunner();
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  /// Looks for due jobs now. It also looks by itself, each second. Thread-safe.
  void wake();
  /// Runs what is due on the calling thread until nothing is; returns how many. For tests and
  /// commands.
  std::int64_t run_due();

 private:
  void loop(const std::stop_token& stop);
  bool run_one();

  store::Store& store_;
  const base::Clock& clock_;
  const std::map<std::string, Work> work_;
  std::vector<std::string> kinds_;
  std::mutex mutex_;
  std::condition_variable_any awake_;
  bool woken_ = true;  // jobs may wait from before the start
  std::jthread thread_;
};

}  // namespace rapport::engine
