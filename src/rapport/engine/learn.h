// Step 9: what is learned from a turn after it was answered, as durable jobs. A killed process
// loses none of them.
#pragma once

#include <optional>

#include "rapport/engine/job_runner.h"
#include "rapport/engine/steps.h"

namespace rapport::engine {

/// The kind of the job below.
inline constexpr const char* kObserveJob = "observe_turns";

/// The job that reads the implicit signals of this request's user turns; none when there are none.
std::optional<store::Job> learn(const Trace& trace, const Place& place, base::UnixMillis now,
                                base::Random& random);

/// Runs it: one "signal.message" event a user turn, {words, characters, question, hour} (UTC), no
/// text. Running it twice writes the same events once (their ids follow from the turns').
Result<void> observe_turns(const store::Job& job, store::Store& store);

}  // namespace rapport::engine
