// Puts a remote model's answer together: chunks of a stream, or one whole answer, become deltas and
// a Completion.
#pragma once

#include <functional>
#include <string_view>

#include "rapport/base/json.h"
#include "rapport/base/result.h"
#include "rapport/language/language_model.h"

namespace rapport::language {

/// Fields that an upstream leaves out or sets to null count as absent; extra ones are read over.
/// Only the first choice is read, since only one is asked for. Not thread-safe.
class RemoteAnswer {
 public:
  using OnDelta = std::function<void(const Delta&)>;

  /// A chat.completion.chunk. Errors: kUpstream for what is none, or for an error object in the
  /// stream, with its message.
  Result<void> add_chunk(const Json& chunk, const OnDelta& on_delta);
  /// A chat.completion, given as one delta.
  Result<void> add_whole(const Json& answer, const OnDelta& on_delta);

  /// True once the upstream said why it stopped.
  bool has_finish_reason() const { return finished_; }
  /// What there is so far.
  const Completion& completion() const { return completion_; }

 private:
  Result<void> add_choice(const Json& choice, const Json& message, const OnDelta& on_delta);
  Result<void> merge_tool_calls(const Json& deltas);
  void read_frame(const Json& frame);

  Completion completion_;
  bool finished_ = false;
};

}  // namespace rapport::language
