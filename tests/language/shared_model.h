// One SmolLM2-135M for all tests of this binary: loading it takes longer than most of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapport/language/embedded_model.h"
#include "testing/model_files.h"

namespace rapport::language {

inline constexpr std::int64_t kSharedContext = 768;
inline constexpr std::int64_t kSharedParallel = 8;

/// Options of the shared model, for tests that need one of their own.
EmbeddedOptions small_options();

/// Loaded at first use; what a test leaves in its cache is there for the next, which must not
/// matter.
EmbeddedModel& shared_model();

/// A request at temperature 0.
GenerateRequest greedy(const std::string& user_message, std::int32_t max_tokens);

/// What came through the callbacks of one generation.
struct Streamed {
  Result<Completion> done;
  std::vector<Delta> deltas;
  std::string text() const;
};
Streamed stream(EmbeddedModel& model, GenerateRequest request);

/// Scores many choices of one to 300 tokens at once, and some of them alone: no log-probability may
/// differ by more than that share.
void expect_scored_as_alone(EmbeddedModel& model, double tolerance);

}  // namespace rapport::language
