// What each step of a request decided and why: kept, shown by the explanation, drawn by the
// console.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/json.h"
#include "rapport/engine/recommendation.h"
#include "rapport/language/language_model.h"
#include "rapport/profile/settings.h"
#include "rapport/profile/statements.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// Step 1. `user` is "" for an anonymous request.
struct Identity {
  std::string app;
  std::string name;    // personal text: never in the trace
  store::UserId user;  // the pseudonym
  std::string
      source;  // "key", "header", "user", "metadata.user_id", "safety_identifier", "anonymous"
};

/// Step 2: what may be used and kept for this request, and why.
struct Permit {
  profile::Degree degree = profile::Degree::kGeneric;
  std::string reason;  // "the user set degree 1", "no user was named", …
  bool settings() const { return degree >= profile::Degree::kSettings; }
  bool profile() const { return degree >= profile::Degree::kProfile; }
  bool memory() const { return degree >= profile::Degree::kMemory; }
  /// Turns are kept for anyone who lets us use at least their settings.
  bool keep_turns() const { return degree >= profile::Degree::kSettings; }
};

/// What was not used, and why: {"fact fact_…", "over the personal token budget"}.
struct LeftOut {
  std::string what;
  std::string why;
};

/// Step 3.
struct Recalled {
  profile::Settings settings;
  profile::Preferences preferences;           // in effect for this domain
  std::vector<store::Fact> facts;             // active, in the order they will be shown
  std::vector<profile::Statement> said;       // in the new messages of this request
  std::vector<store::Fact> learned;           // facts to write: new and superseded
  std::vector<std::string> settings_changed;  // keys that a statement set
};

/// Step 4.
struct Choice {
  std::string policy = "none";
  std::string arm;
  double propensity = 1;
  std::vector<profile::SettingInstruction> instructions;
};

/// Step 5.
struct Prompt {
  std::vector<language::ChatMessage> messages;
  std::string personal;               // the block that was added, "" at degree 0
  std::int64_t dropped_messages = 0;  // oldest ones that did not fit
};

/// Step 7.
struct GuardReport {
  std::int64_t redactions = 0;
  std::vector<std::string> rules;  // that fired
};

struct StepTime {
  std::string step;
  double milliseconds = 0;
};

struct Trace {
  std::string response_id;
  Identity who;
  Permit permit;
  std::string conversation;
  std::string domain;
  Recalled recalled;
  Choice choice;
  Prompt prompt;
  std::vector<LeftOut> left_out;
  std::optional<Recommendation> list;  // what the answer was made of, instead of a model's words
  GuardReport guard;
  std::vector<language::Completion> completions;
  std::vector<StepTime> steps;
  base::UnixMillis created = 0;
  store::ErasureMark as_of = 0;  // the erasures done when the request began
};

/// The explanation as the API returns it. At degree 0 it holds no text of anybody.
Json explanation(const Trace& trace);

}  // namespace rapport::engine
