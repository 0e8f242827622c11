// Ctrl-C and SIGTERM, as values instead of as interruptions.
#pragma once

#include <functional>
#include <thread>

namespace rapport::cli {

/// While it lives, SIGINT and SIGTERM do not end the process but call `on_signal`, on a thread of
/// this object, once for each. By a handler, not by blocking them: libraries may start
/// threads before main, which inherit nothing of ours and would take the signal. One at a time.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void(int signal)> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// While a person types there is nothing to stop but the program: with `true`, signals end the
  /// process as usual.
  static void let_signals_end_us(bool yes);

 private:
  std::function<void(int)> on_signal_;
  std::jthread thread_;
};

}  // namespace rapport::cli
