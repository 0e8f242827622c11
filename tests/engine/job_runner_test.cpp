#include "rapport/engine/job_runner.h"

#include <gmock/gmock.h>

#include <future>
#include <new>
#include <thread>

#include "engine_fixture.h"

namespace rapport::engine {
namespace {

using store::JobStatus;

class JobRunnerTest : public EngineTest {
 protected:
  void SetUp() override { responder_.reset(); }
  void enqueue(const std::string& id, std::int32_t attempts = 3) {
    store::Job job;
    job.id = id;
    job.kind = "long";
    job.max_attempts = attempts;
    ASSERT_TRUE(store_->enqueue(job));
  }
  store::Job stored(const std::string& id) { return store_->job(id).value_or(store::Job{}); }
};

TEST_F(JobRunnerTest, ProgressIsSeenWhileAJobRunsAndOnlyNowAndThenWritten) {
  enqueue("job_1");
  std::promise<store::Job> seen, between;
  JobRunner runner(*store_, clock_,
                   {{"long", [&](const store::Job&, JobContext& context) -> Result<void> {
                       context.progress(0.25);
                       between.set_value(stored("job_1"));
                       clock_.advance(std::chrono::seconds(1));
                       context.progress(0.5);
                       seen.set_value(stored("job_1"));
                       return {};
                     }}});
  EXPECT_EQ(between.get_future().get().progress, 0) << "not a commit for each step";
  const store::Job running = seen.get_future().get();
  EXPECT_EQ(running.progress, 0.5);
  EXPECT_EQ(running.status, JobStatus::kRunning);
}

TEST_F(JobRunnerTest, AnExceptionFailsTheJobAndNotTheServer) {
  enqueue("job_1", 1);
  JobRunner runner(
      *store_, clock_,
      {{"long", [](const store::Job&, JobContext&) -> Result<void> { throw std::bad_alloc(); }}});
  while (stored("job_1").status != JobStatus::kFailed) std::this_thread::yield();
  EXPECT_EQ(stored("job_1").error, "std::bad_alloc");
}

TEST_F(JobRunnerTest, TellingProgressKeepsTheLease) {
  enqueue("job_1");
  std::promise<bool> still_ours;
  JobRunner runner(*store_, clock_,
                   {{"long", [&](const store::Job&, JobContext& context) -> Result<void> {
                       for (int step = 0; step < 4; ++step) {
                         clock_.advance(std::chrono::seconds(40));
                         context.progress(0.1 * step);
                       }
                       const auto other = store_->claim_job({"long"}, std::chrono::seconds(60));
                       still_ours.set_value(other && !*other);
                       return {};
                     }}});
  EXPECT_TRUE(still_ours.get_future().get());
}

TEST_F(JobRunnerTest, AJobThatSomebodyElseTookIsToldToStopAndItsResultDropped) {
  enqueue("job_1");
  std::promise<bool> told;
  {
    JobRunner runner(*store_, clock_,
                     {{"long", [&](const store::Job&, JobContext& context) -> Result<void> {
                         // As when the machine slept.
                         clock_.advance(std::chrono::seconds(61));
                         const auto other = store_->claim_job({"long"}, std::chrono::seconds(600));
                         EXPECT_TRUE(other && *other);
                         context.progress(0.5);
                         told.set_value(context.stop_token().stop_requested());
                         return fail(ErrorCode::kCancelled, "stopped");
                       }}});
    EXPECT_TRUE(told.get_future().get());
  }
  EXPECT_EQ(stored("job_1").status, JobStatus::kRunning) << "it is the other's";
  EXPECT_EQ(stored("job_1").attempts, 2);
}

TEST_F(JobRunnerTest, TheEndOfTheRunnerStopsAJobAndTheNextOneTakesItUp) {
  enqueue("job_1");
  std::promise<void> begun;
  {
    JobRunner runner(*store_, clock_,
                     {{"long", [&](const store::Job&, JobContext& context) -> Result<void> {
                         begun.set_value();
                         std::promise<void> stopped;
                         const std::stop_callback wake(context.stop_token(),
                                                       [&] { stopped.set_value(); });
                         stopped.get_future().wait();
                         return fail(ErrorCode::kCancelled, "stopped");
                       }}});
    begun.get_future().wait();
  }
  EXPECT_EQ(stored("job_1").status, JobStatus::kQueued);
  EXPECT_EQ(stored("job_1").error, "");
  std::promise<void> again;
  JobRunner runner(*store_, clock_, {{"long", [&](const store::Job&, JobContext&) -> Result<void> {
                                        again.set_value();
                                        return {};
                                      }}});
  again.get_future().wait();
}

TEST_F(JobRunnerTest, RunnersOfDifferentKindsDoNotWaitForEachOther) {
  enqueue("job_1");
  std::promise<void> release, quick_done;
  JobRunner slow(*store_, clock_, {{"long", [&](const store::Job&, JobContext&) -> Result<void> {
                                      release.get_future().wait();
                                      return {};
                                    }}});
  store::Job quick;
  quick.id = "job_2";
  quick.kind = "quick";
  ASSERT_TRUE(store_->enqueue(quick));
  JobRunner other(*store_, clock_, {{"quick", [&](const store::Job&, JobContext&) -> Result<void> {
                                       quick_done.set_value();
                                       return {};
                                     }}});
  quick_done.get_future().wait();
  release.set_value();
}

}  // namespace
}  // namespace rapport::engine
