// Runs the store's durable jobs, one after the other, on a thread of its own.
//
//   JobRunner runner(store, clock, {{kObserveJob, [&](const store::Job& job, JobContext&) {
//                                      return observe_turns(job, store); }}});
//   runner.wake();   // something was enqueued
//
// Several runners may share a store, each with its own kinds: what takes minutes must not hold up
// what takes milliseconds.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "rapport/base/clock.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// What a running job may tell and ask.
class JobContext {
 public:
  virtual ~JobContext() = default;
  /// How much is done, in [0, 1]; cheap: it is written now and then. Thread-safe.
  virtual void progress(double share) = 0;
  /// Requested when the runner ends, or when the job is no longer ours (its lease ended while this
  /// machine slept, and somebody else took it): stop soon, with kCancelled.
  virtual std::stop_token stop_token() const = 0;
};

class JobRunner {
 public:
  /// An error puts the job back until its attempts are used up. The job stays ours for as long as
  /// this takes: its lease is renewed meanwhile. Cancelled by `stop_token`, the job goes back into
  /// the queue for the next start.
  using Work = std::function<Result<void>(const store::Job&, JobContext&)>;

  JobRunner(store::Store& store, const base::Clock& clock, std::map<std::string, Work> work);
  /// Asks the job at hand to stop and waits for it; what is queued stays in the store.
  ~JobRunner();
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  /// Looks for due jobs now. It also looks by itself, each second. Thread-safe.
  void wake();
  /// Runs what is due on the calling thread until nothing is; returns how many. For tests and
  /// commands.
  std::int64_t run_due();

 private:
  class Running;

  void loop(const std::stop_token& stop);
  void keep_lease(const std::stop_token& stop);
  bool run_one(const std::stop_token& stop);
  Result<void> run(store::Job& job, const std::stop_token& stop);

  store::Store& store_;
  const base::Clock& clock_;
  const std::map<std::string, Work> work_;
  std::vector<std::string> kinds_;
  std::mutex mutex_;
  std::condition_variable_any awake_;
  bool woken_ = true;  // jobs may wait from before the start
  std::mutex running_mutex_;
  std::condition_variable_any begun_;
  Running* running_ = nullptr;
  std::jthread thread_;
  std::jthread lease_keeper_;
};

}  // namespace rapport::engine
