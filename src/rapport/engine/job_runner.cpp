#include "rapport/engine/job_runner.h"

#include <algorithm>
#include <exception>

#include "rapport/base/log.h"

namespace rapport::engine {
namespace {

constexpr std::chrono::seconds kLease{60};
// A third of the lease: two renewals may fail before the job is anybody's.
constexpr std::chrono::seconds kRenew{20};
// Another process (a command) may have enqueued something, or a job is due again after a failure.
constexpr std::chrono::seconds kLookAgain{1};
// Each is a commit; what people see moves once a second at most.
constexpr base::UnixMillis kBetweenWrites = 1'000;

// 2, 4, 8 … seconds: a job that fails at once must not keep the disk busy.
base::UnixMillis back_off(std::int32_t attempts) {
  return std::int64_t{1000} << std::min(attempts, 10);
}

}  // namespace

// The job at hand. Its work and the lease keeper both write its row.
class JobRunner::Running final : public JobContext {
 public:
  Running(store::Store& store, const base::Clock& clock, store::Job job,
          const std::stop_token& runner)
      : store_(store),
        clock_(clock),
        job_(std::move(job)),
        written_(clock.now()),
        runner_ended_(runner, [this] { stop_.request_stop(); }) {}

  void progress(double share) override {
    const std::lock_guard lock(mutex_);
    job_.progress = std::clamp(share, 0.0, 1.0);
    if (clock_.now() - written_ >= kBetweenWrites) write();
  }
  std::stop_token stop_token() const override { return stop_.get_token(); }

  void renew() {
    const std::lock_guard lock(mutex_);
    write();
  }
  double done() {
    const std::lock_guard lock(mutex_);
    return job_.progress;
  }

 private:
  void write() {
    written_ = clock_.now();
    job_.status = store::JobStatus::kRunning;
    const auto updated = store_.update_job(job_);
    if (updated) return;
    base::log_warning("cannot renew a job's lease",
                      {{"job", job_.id}, {"error", updated.error().message}});
    if (updated.error().code == ErrorCode::kConflict) stop_.request_stop();
  }

  store::Store& store_;
  const base::Clock& clock_;
  std::mutex mutex_;
  store::Job job_;
  base::UnixMillis written_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> runner_ended_;
};

JobRunner::JobRunner(store::Store& store, const base::Clock& clock,
                     std::map<std::string, Work> work)
    : store_(store), clock_(clock), work_(std::move(work)) {
  for (const auto& [kind, ignored] : work_) kinds_.push_back(kind);
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
  lease_keeper_ = std::jthread([this](const std::stop_token& stop) { keep_lease(stop); });
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
  while (run_one({})) ++count;
  return count;
}

void JobRunner::loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      awake_.wait_for(lock, stop, kLookAgain, [this] { return woken_; });
      woken_ = false;
    }
    while (!stop.stop_requested() && run_one(stop)) {
    }
  }
}

// Sleeps without a job, so that an idle server has one thread less to wake.
void JobRunner::keep_lease(const std::stop_token& stop) {
  std::unique_lock lock(running_mutex_);
  while (!stop.stop_requested()) {
    begun_.wait(lock, stop, [this] { return running_ != nullptr; });
    const Running* const at_hand = running_;
    begun_.wait_for(lock, stop, kRenew, [&] { return running_ != at_hand; });
    if (running_ != nullptr && running_ == at_hand && !stop.stop_requested()) running_->renew();
  }
}

Result<void> JobRunner::run(store::Job& job, const std::stop_token& stop) {
  Running running(store_, clock_, job, stop);
  const auto set_running = [this](Running* now) {
    {
      const std::lock_guard lock(running_mutex_);
      running_ = now;
    }
    begun_.notify_all();
  };
  set_running(&running);
  Result<void> done;
  try {
    done = work_.at(job.kind)(job, running);
  } catch (const std::exception& error) {  // a library's, or no memory: the server goes on
    done = fail(ErrorCode::kInternal, error.what());
  }
  set_running(nullptr);
  job.progress = done ? 1 : running.done();
  return done;
}

bool JobRunner::run_one(const std::stop_token& stop) {
  auto claimed = store_.claim_job(kinds_, kLease);
  if (!claimed) {
    base::log_warning("cannot claim a job", {{"error", claimed.error().message}});
    return false;
  }
  if (!*claimed) return false;
  store::Job job = **std::move(claimed);
  const Result<void> done = run(job, stop);
  job.updated = clock_.now();
  if (done) {
    job.status = store::JobStatus::kDone;
    job.error.clear();
  } else if (done.error().code == ErrorCode::kCancelled && stop.stop_requested()) {
    job.status = store::JobStatus::kQueued;
    job.not_before = job.updated;
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
