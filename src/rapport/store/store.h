// Durable state behind one interface: users, settings, facts, the conversation log, events,
// exposures, traces, jobs, API keys. SQLite implements it (sqlite_store.h);
// tests/store/store_conformance_test.cpp runs against every one.
//
//   TRY(auto store, SqliteStore::open({.path = home + "/rapport.db"}, codec, clock, random));
//   TRY(User sam, store->ensure_user(pseudonym, "default", "sam"));
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::store {

using base::UnixMillis;

/// A keyed pseudonym ("u_…", see key_ring.h): the only name of a user outside the users table.
using UserId = std::string;

struct User {
  UserId id;
  std::string app;   // tenant
  std::string name;  // what the application calls the user; personal text
  UnixMillis created = 0;
  UnixMillis last_seen = 0;
};

enum class FactStatus { kActive, kSuperseded, kDisputed, kForgotten };
std::string_view name(FactStatus status);
Result<FactStatus> parse_fact_status(std::string_view text);

/// Something known of a user. `text`, `value` and `evidence` are personal text.
struct Fact {
  std::string id;  // "fact_…"
  UserId user;
  std::string text;         // in the user's language: "I'm vegetarian"
  std::string attribute;    // where it fits: "diet"; "" otherwise
  std::string value;        // "vegetarian"
  std::string domain;       // "" is all
  double confidence = 1;    // [0, 1]
  std::string source;       // "user" (entered), "statement" (rule on a turn), …
  std::string source_turn;  // "" when entered by hand
  std::string evidence;     // the words it rests on
  UnixMillis valid_from = 0;
  std::optional<UnixMillis> valid_to;
  FactStatus status = FactStatus::kActive;
  std::string superseded_by;  // fact id or ""
  UnixMillis created = 0;
  UnixMillis updated = 0;
};

struct Conversation {
  std::string id;  // "conv_…"
  UserId user;
  std::string name;  // the application's own name of it, "" when it gave none
  std::int64_t turns = 0;
  UnixMillis created = 0;
  UnixMillis updated = 0;
};

/// One message, logged once. `content` is personal text.
struct Turn {
  std::string id;  // "turn_…"
  std::string conversation;
  UserId user;
  std::int64_t index = 0;  // position in the conversation
  std::string role;
  std::string content;      // the message's JSON
  std::string response_id;  // of assistant turns
  UnixMillis created = 0;
};

struct Event {
  std::string id;  // "evt_…"
  UserId user;
  std::string kind;            // "rating", "edit", "preference", "reason", "view", "click", …
  std::string response_id;     // or ""
  Json data = Json::object();  // personal text
  UnixMillis created = 0;
};

/// What was shown to whom under which choice, with its propensity: the ground of every later
/// off-policy estimate.
struct Exposure {
  std::string response_id;
  UserId user;
  std::string policy;
  std::string arm;
  double propensity = 1;
  UnixMillis created = 0;
};

/// Why an answer is as it is. `data` is personal text.
struct TraceRecord {
  std::string response_id;
  UserId user;
  std::string conversation;
  Json data = Json::object();
  UnixMillis created = 0;
};

enum class JobStatus { kQueued, kRunning, kDone, kFailed };
std::string_view name(JobStatus status);

/// Work that survives a killed process. `payload` is personal text where `user` is set.
struct Job {
  std::string id;  // "job_…"
  std::string kind;
  UserId user;  // "" when it concerns nobody
  Json payload = Json::object();
  JobStatus status = JobStatus::kQueued;
  std::int32_t attempts = 0;
  std::int32_t max_attempts = 3;
  UnixMillis not_before = 0;
  double progress = 0;  // [0, 1]
  std::string error;
  UnixMillis created = 0;
  UnixMillis updated = 0;
};

/// All that one answered request leaves behind; written in one transaction or not at all.
struct Exchange {
  Conversation conversation;  // created when its id is new
  std::vector<Turn> turns;    // only those not logged before; ids and indexes already set
  /// Hash of the message prefix that the next request of this conversation will start with → this
  /// conversation.
  std::vector<std::string> prefix_hashes;
  std::vector<Fact> facts;  // upserted by id: new ones, and old ones now superseded
  std::optional<Json>
      settings;  // the user's whole new settings document, when a statement changed it
  std::optional<Exposure> exposure;
  std::optional<TraceRecord> trace;
  std::vector<Job> jobs;
};

enum class KeyRole { kAdmin, kApp, kUser };
std::string_view name(KeyRole role);
Result<KeyRole> parse_key_role(std::string_view text);

/// An API key at rest: only a digest of the secret is kept.
struct ApiKey {
  std::string id;      // "key_…", shown in lists and logs
  std::string digest;  // base::digest of the secret
  std::string label;
  std::string app;
  KeyRole role = KeyRole::kApp;
  std::string user_name;  // bound to this user of `app`; "" when not bound
  UnixMillis created = 0;
  std::optional<UnixMillis> revoked;
};

struct Page {
  std::int64_t limit = 100;  // 1..1000
  std::int64_t offset = 0;
};

/// Thread-safe. Writes are durable against a killed process when they return. Unknown ids:
/// kNotFound. Calls block on disk: not for I/O threads.
class Store {
 public:
  virtual ~Store() = default;

  // Users
  virtual Result<User> ensure_user(const UserId& id, const std::string& app,
                                   const std::string& name) = 0;
  virtual Result<User> user(const UserId& id) = 0;
  virtual Result<std::vector<User>> users(const std::string& app,
                                          Page page) = 0;  // "" is all apps; by last_seen

  // Settings: one JSON document a user, {"default": {…}, "<domain>": {…}}; {} when none was set.
  virtual Result<Json> settings(const UserId& user) = 0;
  virtual Result<void> put_settings(const UserId& user, const Json& settings) = 0;

  // Facts
  virtual Result<std::vector<Fact>> facts(const UserId& user,
                                          bool include_inactive) = 0;  // oldest first
  virtual Result<Fact> fact(const UserId& user, const std::string& id) = 0;
  virtual Result<void> put_facts(
      const std::vector<Fact>& facts) = 0;  // one transaction, upsert by id
  /// Overwrites the texts with nothing and keeps the bare row with status forgotten.
  virtual Result<void> forget_fact(const UserId& user, const std::string& id) = 0;

  // Conversation log
  virtual Result<std::optional<Conversation>> conversation_by_name(const UserId& user,
                                                                   const std::string& name) = 0;
  /// The conversation of the first of these hashes that is known for this user.
  virtual Result<std::optional<Conversation>> conversation_by_prefix(
      const UserId& user, const std::vector<std::string>& hashes) = 0;
  virtual Result<std::optional<Conversation>> conversation_by_response(
      const UserId& user, const std::string& response_id) = 0;
  virtual Result<Conversation> conversation(const UserId& user, const std::string& id) = 0;
  virtual Result<std::vector<Conversation>> conversations(const UserId& user,
                                                          Page page) = 0;  // newest first
  virtual Result<std::vector<Turn>> turns(const UserId& user, const std::string& conversation,
                                          Page page) = 0;
  /// Turns, prefix hashes, traces and exposures go with it.
  virtual Result<void> delete_conversation(const UserId& user, const std::string& id) = 0;
  virtual Result<void> record_exchange(const Exchange& exchange) = 0;
  virtual Result<TraceRecord> trace(const std::string& response_id) = 0;

  // Events and feedback
  virtual Result<void> add_events(const std::vector<Event>& events) = 0;
  virtual Result<std::vector<Event>> events(const UserId& user, Page page) = 0;  // newest first

  // Jobs
  virtual Result<void> enqueue(const Job& job) = 0;
  /// The oldest due job of one of these kinds becomes running and is ours until `lease` ends (then
  /// it is due again).
  virtual Result<std::optional<Job>> claim_job(const std::vector<std::string>& kinds,
                                               std::chrono::seconds lease) = 0;
  virtual Result<void> update_job(
      const Job& job) = 0;  // status, progress, error, not_before, attempts
  virtual Result<std::vector<Job>> jobs(Page page) = 0;  // newest first

  // Keys
  virtual Result<void> add_key(const ApiKey& key) = 0;
  virtual Result<std::optional<ApiKey>> key_by_digest(const std::string& digest) = 0;
  virtual Result<std::vector<ApiKey>> keys() = 0;
  virtual Result<void> revoke_key(const std::string& id) = 0;

  /// A consistent copy while the store is in use; `path` must not exist. Written to a temporary
  /// file, then renamed.
  virtual Result<void> backup(const std::string& path) = 0;
};

}  // namespace rapport::store
