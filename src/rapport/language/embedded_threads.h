// How many threads to compute with while other programs want the processor too.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace rapport::language {

/// llama.cpp's threads wait for each other by spinning, some 500 times for a token. Where other
/// programs want the cores too, each wait may cost a time slice: beside two compilers on 2 cores,
/// SmolLM2-135M writes 3 tokens a second with two threads and 40 with one, which never waits. So:
/// halve the threads when over the last quarter of a second they got too little processor time, and
/// double them again after a calm while, which grows as long as the calm does not last. A single
/// computation that was interrupted, as happens on any machine, changes nothing: one thread too few
/// costs a third of the speed. What is computed does not depend on it. Not thread-safe.
class ThreadCount {
 public:
  explicit ThreadCount(std::int32_t most) : most_(most), now_(most) {}

  std::int32_t now() const { return now_; }

  /// After each computation: seconds on the clock, and how many of them the calling thread, which
  /// takes part, was on a processor.
  void observe(double elapsed, double on_processor) {
    const double kept = std::exp(-elapsed / kWindow);
    elapsed_ = kept * elapsed_ + elapsed;
    on_processor_ = kept * on_processor_ + on_processor;
    calm_ += elapsed;
    if (elapsed_ >= kEvidence && on_processor_ < kCrowded * elapsed_) {
      if (raised_ && calm_ < kWindow) patience_ = std::min(2 * patience_, kMostPatience);
      change(std::max(1, now_ / 2), /*raised=*/false);
    } else if (now_ < most_ && calm_ >= patience_) {
      change(std::min(most_, 2 * now_), /*raised=*/true);
    } else if (now_ == most_ && calm_ >= kMostPatience) {
      patience_ = kLeastPatience;
    }
  }

  static constexpr double kWindow = 0.25;        // seconds; older observations fade
  static constexpr double kEvidence = 0.05;      // seconds observed before judging
  static constexpr double kCrowded = 0.75;       // share of time on a processor
  static constexpr double kLeastPatience = 0.2;  // seconds
  static constexpr double kMostPatience = 6.4;   // seconds

 private:
  void change(std::int32_t count, bool raised) {
    now_ = count;
    raised_ = raised;
    calm_ = elapsed_ = on_processor_ = 0;  // what was seen with another count says nothing of this
  }

  std::int32_t most_;
  std::int32_t now_;
  double elapsed_ = 0;
  double on_processor_ = 0;
  double calm_ = 0;  // seconds since the count changed, or since the crowd was last seen
  double patience_ = kLeastPatience;
  bool raised_ = false;  // the last change was upward
};

}  // namespace rapport::language
