#include "rapport/engine/job_runner.h"

#include "rapport/base/log.h"

namespace rapport::engine {
namespace {

constexpr std::chrono::seconds kLease{60};
// Another process (a command) may have enqueued something, or a job is due again after a failure.
constexpr std::chrono::seconds kLookAgain{1};

// 2, 4, 8 … seconds: a job that fails at once must not keep the disk busy.
base::UnixMillis back_off(std::int32_t attempts) {
  return std::int64_t{1000} << std::min(attempts, 10);
}

}  // namespace

JobRunner::JobRunner(store::Store& store, const base::Clock& clock,
                     std::map<std::string, Work> work)
    : store_(store), clock_(clock), work_(std::move(work)) {
  for (const auto& [kind, ignored] : work_) kinds_.push_back(kind);
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

JobRunner::~JobRunner() {
  thread_.request_stop();
  thread_.join();
}

void JobRunner::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  awake_.notify_one();
}

std::int64_t JobRunner::run_due() {
  std::int64_t count = 0;
  while (run_one()) ++count;
  return count;
}

void JobRunner::loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      awake_.wait_for(lock, stop, kLookAgain, [this] { return woken_; });
      woken_ = false;
    }
    while (!stop.stop_requested() && run_one()) {
    }
  }
}

bool JobRunner::run_one() {
  auto claimed = store_.claim_job(kinds_, kLease);
  if (!claimed) {
    base::log_warning("cannot claim a job", {{"error", claimed.error().message}});
    return false;
  }
  if (!*claimed) return false;
  store::Job job = **std::move(claimed);
  const Result<void> done = work_.at(job.kind)(job);
  job.updated = clock_.now();
  if (done) {
    job.status = store::JobStatus::kDone;
    job.progress = 1;
  } else {
    job.error = done.error().message;
    job.status =
        job.attempts < job.max_attempts ? store::JobStatus::kQueued : store::JobStatus::kFailed;
    job.not_before = job.updated + back_off(job.attempts);
    base::log_warning("a job failed", {{"job", job.id},
                                       {"kind", job.kind},
                                       {"attempt", job.attempts},
                                       {"error", std::string(name(done.error().code))}});
  }
  if (const auto updated = store_.update_job(job); !updated) {
    base::log_warning("cannot update a job", {{"job", job.id}, {"error", updated.error().message}});
    return false;
  }
  return true;
}

}  // namespace rapport::engine
