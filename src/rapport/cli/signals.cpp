#include "rapport/cli/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace rapport::cli {
namespace {

constexpr int kWatched[] = {SIGINT, SIGTERM};
constexpr unsigned char kEnd = 0;  // no signal has this number

/// From the handler, which may do next to nothing, to the watch's thread. Open as long as the
/// process: a handler may still be running on another thread when a watch ends.
struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) ends[0] = ends[1] = -1;
  }
};

const Pipe& signal_pipe() {
  static const Pipe kPipe;
  return kPipe;
}

void send(unsigned char byte) {
  while (::write(signal_pipe().ends[1], &byte, 1) < 0 && errno == EINTR) {
  }
}

extern "C" void note_signal(int signal) {
  const int saved = errno;
  send(static_cast<unsigned char>(signal));
  errno = saved;
}

}  // namespace

SignalWatch::SignalWatch(std::function<void(int)> on_signal) : on_signal_(std::move(on_signal)) {
  signal_pipe();  // made here: a handler must not
  let_signals_end_us(false);
  thread_ = std::jthread([this] {
    for (unsigned char byte = 0;;) {
      const ssize_t got = ::read(signal_pipe().ends[0], &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got != 1 || byte == kEnd) return;
      on_signal_(byte);
    }
  });
}

SignalWatch::~SignalWatch() {
  let_signals_end_us(true);
  send(kEnd);
  thread_.join();
}

void SignalWatch::let_signals_end_us(bool yes) {
  struct sigaction action = {};
  action.sa_handler = yes ? SIG_DFL : note_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : kWatched) sigaction(signal, &action, nullptr);
}

}  // namespace rapport::cli
