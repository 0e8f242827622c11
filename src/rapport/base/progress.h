// Progress of long work on stderr: a bar with rate and ETA on a terminal, a plain line now and then
// otherwise.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/base/clock.h"

namespace rapport::base {

/// "512/4096 (12.5%), 93.1 MiB/s, 38 s left". Empty total: no percentage, no ETA.
std::string progress_line(std::int64_t done, std::int64_t total, double seconds,
                          std::string_view unit);

enum class ProgressStyle { kBar, kLines, kQuiet };
/// kBar on a terminal, else kLines.
ProgressStyle default_progress_style();

/// Prints at most ten times a second (bar) or every five seconds (lines). Not thread-safe.
class Progress {
 public:
  Progress(std::string what, std::int64_t total, std::string unit, const Clock& clock,
           ProgressStyle style);
  ~Progress();
  void advance(std::int64_t by);

 private:
  void print(bool last);

  std::string what_;
  std::int64_t total_;
  std::string unit_;
  const Clock& clock_;
  ProgressStyle style_;
  std::int64_t done_ = 0;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point printed_;
};

}  // namespace rapport::base
