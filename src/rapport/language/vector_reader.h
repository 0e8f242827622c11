// A language model that reads vectors of its input space in place of words (soft tokens), and gives
// its state behind the last of them.
//
//   TRY(auto reader, VectorReader::load({.path = "smollm2-135m.gguf", .adapter = "items.gguf"}));
//   TRY_VOID(reader->read(vectors, offsets, states));
//
// It has its own copy of the model's state, though not of its weights, which the system shares
// among all that have the same file open.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "rapport/base/result.h"

namespace rapport::language {

struct VectorReaderOptions {
  std::string path;           // GGUF
  std::string adapter = {};   // GGUF of a LoRA; "": none
  std::int64_t longest = 64;  // vectors of a sequence
  std::int64_t threads = 0;   // 0: one a core
};

/// Thread-safe: one call computes at a time.
class VectorReader {
 public:
  /// Errors: kNotFound; kCorrupt; kUnsupported for a model that reads both ways or with an encoder;
  /// kInvalidArgument where `longest` is more than the model was trained for; those of
  /// load_adapter.
  static Result<std::unique_ptr<VectorReader>> load(const VectorReaderOptions& options);
  ~VectorReader();
  VectorReader(const VectorReader&) = delete;
  VectorReader& operator=(const VectorReader&) = delete;

  /// Of an input vector and of a state.
  std::int64_t dimension() const;
  /// vectors [positions × dimension] of all sequences end to end, offsets [sequences + 1] into the
  /// positions; states [sequences × dimension], after the model's last norm. No sequence is empty
  /// or longer than `longest`. Errors: kInternal.
  Result<void> read(std::span<const float> vectors, std::span<const std::int64_t> offsets,
                    std::span<float> states);

 private:
  struct State;
  explicit VectorReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rapport::language
