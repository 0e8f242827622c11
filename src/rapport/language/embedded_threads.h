// How many threads to compute with while other programs want the processor too.
#pragma once

#include <algorithm>
#include <cstdint>

namespace rapport::language {

/// llama.cpp's threads wait for each other by spinning, some 500 times for a token. Where other
/// programs want the cores too, each wait may cost a time slice: beside two compilers on 2 cores,
/// SmolLM2-135M writes 3 tokens a second with two threads and 40 with one, which never waits. So:
/// halve the threads when they get too little processor time for the time that passes, and double
/// them again after a calm while, which grows as long as the calm does not last. What is computed
/// does not depend on it. Not thread-safe.
class ThreadCount {
 public:
  explicit ThreadCount(std::int32_t most) : most_(most), now_(most) {}

  std::int32_t now() const { return now_; }

  /// After each computation: seconds on the clock, and how many of them the calling thread, which
  /// takes part, was on a processor.
  void observe(double elapsed, double on_processor) {
    if (elapsed < kTooShortToTell) return;
    if (on_processor < kCrowded * elapsed) {
      const bool just_raised = calm_ == 0;
      if (just_raised) patience_ = std::min(2 * patience_, kMostPatience);
      now_ = std::max(1, now_ / 2);
      calm_ = 0;
    } else if (++calm_ >= patience_) {
      if (now_ == most_) patience_ = kLeastPatience;
      now_ = std::min(most_, 2 * now_);
      calm_ = 0;
    }
  }

  static constexpr double kTooShortToTell = 1e-3;  // seconds
  static constexpr double kCrowded = 0.8;          // share of time on a processor
  static constexpr int kLeastPatience = 16;        // computations
  static constexpr int kMostPatience = 1024;       // ten seconds of SmolLM2-135M

 private:
  std::int32_t most_;
  std::int32_t now_;
  int calm_ = 0;
  int patience_ = kLeastPatience;
};

}  // namespace rapport::language
