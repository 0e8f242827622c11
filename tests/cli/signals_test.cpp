#include "rapport/cli/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

namespace rapport::cli {
namespace {

TEST(SignalWatch, TakesASignalThatAnotherThreadGets) {
  // As a library's thread may be: there before the watch, with nothing blocked.
  std::atomic<bool> end = false;
  std::thread other([&] {
    while (!end) std::this_thread::yield();
  });
  {
    std::mutex mutex;
    std::condition_variable came;
    int last = 0;
    const SignalWatch watch([&](int signal) {
      const std::lock_guard lock(mutex);
      last = signal;
      came.notify_all();
    });
    for (const int signal : {SIGTERM, SIGINT}) {
      pthread_kill(other.native_handle(), signal);
      std::unique_lock lock(mutex);
      EXPECT_TRUE(came.wait_for(lock, std::chrono::seconds(20), [&] { return last == signal; }));
    }
  }
  end = true;
  other.join();
}

TEST(SignalWatch, LeavesSignalsAsUsualWhenItEnds) {
  {
    const SignalWatch watch([](int) {});
  }
  EXPECT_EXIT(raise(SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace rapport::cli
