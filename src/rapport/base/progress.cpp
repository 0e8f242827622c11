#include "rapport/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace rapport::base {
namespace {

constexpr std::chrono::milliseconds kBarInterval{100};
constexpr std::chrono::seconds kLineInterval{5};
constexpr std::int64_t kBarCells = 24;

std::string rate_text(double rate) {
  if (rate >= 100) return fmt::format("{:.0f}", rate);
  if (rate >= 1) return fmt::format("{:.1f}", rate);
  return fmt::format("{:.2g}", rate);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
  if (whole < 120) return fmt::format("{} s", whole);
  if (whole < 7200) return fmt::format("{} min", (whole + 59) / 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string bar(std::int64_t done, std::int64_t total) {
  if (total <= 0) return "";
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(share * kBarCells);
  return fmt::format("[{}{}] ", std::string(filled, '#'), std::string(kBarCells - filled, '.'));
}

}  // namespace

std::string progress_line(std::int64_t done, std::int64_t total, double seconds,
                          std::string_view unit) {
  std::string line = fmt::format("{}", done);
  if (total > 0) {
    line += fmt::format("/{} ({:.1f}%)", total,
                        100 * static_cast<double>(done) / static_cast<double>(total));
  }
  if (done <= 0 || seconds <= 0) return line;
  const double rate = static_cast<double>(done) / seconds;
  line += fmt::format(", {} {}/s", rate_text(rate), unit);
  if (done < total)
    line += fmt::format(", {} left", duration_text(static_cast<double>(total - done) / rate));
  return line;
}

ProgressStyle default_progress_style() {
  return ::isatty(STDERR_FILENO) == 1 ? ProgressStyle::kBar : ProgressStyle::kLines;
}

Progress::Progress(std::string what, std::int64_t total, std::string unit, const Clock& clock,
                   ProgressStyle style)
    : what_(std::move(what)),
      total_(total),
      unit_(std::move(unit)),
      clock_(clock),
      style_(style),
      start_(clock.steady()),
      printed_(start_) {}

Progress::~Progress() {
  print(true);
}

void Progress::advance(std::int64_t by) {
  done_ += by;
  const auto since = clock_.steady() - printed_;
  if (style_ == ProgressStyle::kBar ? since >= kBarInterval : since >= kLineInterval) print(false);
}

void Progress::print(bool last) {
  if (style_ == ProgressStyle::kQuiet) return;
  printed_ = clock_.steady();
  const double seconds = std::chrono::duration<double>(printed_ - start_).count();
  const std::string line = progress_line(done_, total_, seconds, unit_);
  const std::string text =
      style_ == ProgressStyle::kBar
          ? fmt::format("\r\x1b[K{} {}{}{}", what_, bar(done_, total_), line, last ? "\n" : "")
          : fmt::format("{}: {}\n", what_, line);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace rapport::base
