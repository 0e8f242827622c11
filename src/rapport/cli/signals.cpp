#include "rapport/cli/signals.h"

#include <pthread.h>

#include <csignal>
#include <ctime>

namespace rapport::cli {
namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

SignalWatch::SignalWatch(std::function<void(int)> on_signal) : on_signal_(std::move(on_signal)) {
  let_signals_end_us(false);
  thread_ = std::jthread([this](const std::stop_token& stop) {
    const sigset_t signals = watched();
    // A wait that ends by itself, so that the object can go away without a signal.
    const timespec often{0, 100'000'000};
    while (!stop.stop_requested()) {
      const int signal = sigtimedwait(&signals, nullptr, &often);
      if (signal > 0) on_signal_(signal);
    }
  });
}

SignalWatch::~SignalWatch() {
  thread_.request_stop();
  thread_.join();
  let_signals_end_us(true);
}

void SignalWatch::let_signals_end_us(bool yes) {
  const sigset_t set = watched();
  pthread_sigmask(yes ? SIG_UNBLOCK : SIG_BLOCK, &set, nullptr);
}

}  // namespace rapport::cli
