#include "rapport/base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <future>
#include <latch>

namespace rapport::base {
namespace {

using ::testing::HasSubstr;

TEST(ThreadPool, RunsEveryTaskOnceBeforeItGoes) {
  std::vector<std::atomic<int>> runs(500);
  {
    ThreadPool pool("work", 3, runs.size());
    for (auto& count : runs) ASSERT_TRUE(pool.post([&count] { ++count; }));
  }
  for (const auto& count : runs) EXPECT_EQ(count, 1);
}

TEST(ThreadPool, HasAsManyThreadsAsItSays) {
  // Every task waits for all the others: with fewer threads this would never end.
  ThreadPool pool("work", 4, 8);
  std::latch all(5);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(pool.post([&] { all.arrive_and_wait(); }));
  all.arrive_and_wait();
}

TEST(ThreadPool, RefusesWhatDoesNotFitItsQueueAndTakesItAgainLater) {
  ThreadPool pool("work", 1, 2);
  std::promise<void> started, go_on;
  ASSERT_TRUE(pool.post([&] {
    started.set_value();
    go_on.get_future().wait();
  }));
  started.get_future().wait();  // the thread is taken, the queue empty
  EXPECT_TRUE(pool.post([] {}));
  EXPECT_TRUE(pool.post([] {}));
  EXPECT_EQ(pool.queued(), 2u);
  const auto refused = pool.post([] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("work is busy: 2 tasks wait"));

  std::promise<void> drained;
  go_on.set_value();
  // The queue empties at some moment; the last task tells when, and then there is room again.
  while (!pool.post([&] { drained.set_value(); })) std::this_thread::yield();
  drained.get_future().wait();
  EXPECT_EQ(pool.queued(), 0u);
}

TEST(ThreadPool, ShutdownFinishesWhatIsQueuedRefusesTheRestAndMayBeRepeated) {
  ThreadPool pool("work", 1, 10);
  std::atomic<int> runs{0};
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool.post([&] { ++runs; }));
  pool.shutdown();
  EXPECT_EQ(runs, 10);
  const auto refused = pool.post([&] { ++runs; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  pool.shutdown();
  EXPECT_EQ(runs, 10);
}

TEST(ThreadPool, ATaskMayPostAndSoMayTheDestructorOfWhatItHeld) {
  std::promise<void> posted_by_task, posted_by_destructor;
  ThreadPool pool("work", 1, 4);
  auto held = std::shared_ptr<void>(
      nullptr, [&](void*) { EXPECT_TRUE(pool.post([&] { posted_by_destructor.set_value(); })); });
  ASSERT_TRUE(pool.post([&, held = std::move(held)] {
    EXPECT_TRUE(pool.post([&] { posted_by_task.set_value(); }));
  }));
  // A lock held meanwhile would block the only thread for ever.
  posted_by_task.get_future().wait();
  posted_by_destructor.get_future().wait();
}

TEST(ThreadPool, ThreadsShowTheNameAndTheirNumberInTheFifteenCharactersThereAre) {
  const auto name_of_a_thread = [](const char* name) {
    ThreadPool pool(name, 1, 1);
    std::promise<std::string> shown;
    EXPECT_TRUE(pool.post([&] {
      char buffer[32] = {};
      pthread_getname_np(pthread_self(), buffer, sizeof buffer);
      shown.set_value(buffer);
    }));
    return shown.get_future().get();
  };
  EXPECT_EQ(name_of_a_thread("writer"), "writer-0");
  EXPECT_EQ(name_of_a_thread("background-learning"), "background-le-0");
}

TEST(ThreadPool, TakesTasksFromManyThreads) {
  std::atomic<int> runs{0};
  int accepted = 0;
  {
    ThreadPool pool("work", 2, 16);
    std::atomic<int> accepted_by_all{0};
    {
      std::vector<std::jthread> posters;
      for (int t = 0; t < 4; ++t) {
        posters.emplace_back([&] {
          for (int i = 0; i < 200; ++i)
            if (pool.post([&] { ++runs; })) ++accepted_by_all;
        });
      }
    }
    accepted = accepted_by_all;
  }
  EXPECT_EQ(runs, accepted);
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace rapport::base
