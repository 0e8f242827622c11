// One SmolLM2-135M for all tests of this binary: loading it takes longer than most of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapport/language/embedded_model.h"

namespace rapport::language {

/// The folder in RAPPORT_TEST_MODELS.
std::string test_model_path(const std::string& file);
std::string smollm2_path();

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

}  // namespace rapport::language
