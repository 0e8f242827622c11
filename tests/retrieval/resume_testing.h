// What tests of trainings that are stopped and go on share.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <stop_token>

#include "rapport/retrieval/registry.h"
#include "testing/temporary_directory.h"

namespace rapport::retrieval {

/// What `fit` gives when it is stopped at the end of `epoch` and then goes on from its checkpoint.
inline Result<Fit> stopped_and_resumed(const base::Clock& clock, std::int64_t epoch,
                                       const std::function<Result<Fit>(const FitContext&)>& fit) {
  const rapport::testing::TemporaryDirectory folder;
  std::stop_source stop;
  FitContext context{.clock = clock,
                     .checkpoint = folder.path() / "checkpoint",
                     .resume = true,
                     .on_progress =
                         [&](const FitProgress& progress) {
                           if (progress.epoch == epoch) stop.request_stop();
                         },
                     .stop_token = stop.get_token()};
  const auto stopped = fit(context);
  EXPECT_FALSE(stopped);
  if (!stopped) {
    EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled) << stopped.error().message;
  }
  context.stop_token = {};
  return fit(context);
}

}  // namespace rapport::retrieval
