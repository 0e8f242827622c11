// Durable state behind one interface: users, settings, facts, the conversation log, interactions
// with items, events, exposures, traces, jobs, API keys. SQLite implements it (sqlite_store.h);
// tests/store/store_conformance.h runs against every implementation.
//
//   TRY(auto store, SqliteStore::open({.path = home + "/rapport.db", .index_key =
//   keys.index_key()},
//                                     codec, clock, random));
//   TRY(User sam, store->ensure_user(keys.pseudonym("default", "sam"), "default", "sam"));
//
// Times: a `created` (and a fact's `valid_from`) of 0 is filled with the store's clock, `updated`
// and `last_seen` are always the store's own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::store {

using base::UnixMillis;

/// A keyed pseudonym ("u_…", see key_ring.h): the only name of a user outside the users table.
using UserId = std::string;

struct User {
  UserId id = {};
  std::string app = {};   // tenant
  std::string name = {};  // what the application calls the user; personal text
  UnixMillis created = 0;
  UnixMillis last_seen = 0;
};

enum class FactStatus { kActive, kSuperseded, kDisputed, kForgotten };
std::string_view name(FactStatus status);
Result<FactStatus> parse_fact_status(std::string_view text);

/// Something known of a user. `text`, `attribute`, `value` and `evidence` are personal text.
struct Fact {
  std::string id = {};  // "fact_…"
  UserId user = {};
  std::string text = {};         // in the user's language: "I'm vegetarian"
  std::string attribute = {};    // where it fits: "diet"; "" otherwise
  std::string value = {};        // "vegetarian"
  std::string domain = {};       // "" is all
  double confidence = 1;         // [0, 1]
  std::string source = {};       // "user" (entered), "statement" (rule on a turn), …
  std::string source_turn = {};  // "" when entered by hand
  std::string evidence = {};     // the words it rests on
  UnixMillis valid_from = 0;
  std::optional<UnixMillis> valid_to = {};
  FactStatus status = FactStatus::kActive;
  std::string superseded_by = {};  // fact id or ""
  UnixMillis created = 0;
  UnixMillis updated = 0;
};

struct Conversation {
  std::string id = {};  // "conv_…"
  UserId user = {};
  std::string name = {};  // the application's own name of it, "" when it gave none; personal text
  std::int64_t turns = 0;
  UnixMillis created = 0;
  UnixMillis updated = 0;
};

/// One message, logged once. `content` is personal text.
struct Turn {
  std::string id = {};  // "turn_…"
  std::string conversation = {};
  UserId user = {};
  std::int64_t index = 0;  // position in the conversation; an answer asked for again shares it
  std::string role = {};
  std::string content = {};      // the message's JSON
  std::string response_id = {};  // of assistant turns
  UnixMillis created = 0;
};

struct Event {
  std::string id = {};  // "evt_…"
  UserId user = {};
  std::string kind = {};         // "rating", "edit", "preference", "reason", "view", "click", …
  std::string response_id = {};  // or ""
  Json data = Json::object();    // personal text
  UnixMillis created = 0;
};

enum class InteractionKind { kView, kClick, kLike, kHide, kRating, kPurchase };
std::string_view name(InteractionKind kind);
Result<InteractionKind> parse_interaction_kind(std::string_view text);

/// What a user did with an item of a catalogue. `item` is personal text: what somebody looks at is
/// nobody else's business.
struct Interaction {
  std::string id = {};  // "act_…"
  UserId user = {};
  std::string catalogue = {};  // the name of the data set whose items these are
  InteractionKind kind = InteractionKind::kView;
  std::string item = {};             // the catalogue's own id
  std::optional<double> value = {};  // of a rating
  std::string response_id = {};      // the recommendation that showed the item, or ""
  UnixMillis created = 0;
};

/// What a recommendation rests on.
struct ItemHistory {
  struct Event {  // what a recommendation reads of an Interaction
    std::string id = {};
    InteractionKind kind = InteractionKind::kView;
    std::string item = {};
    std::optional<double> value = {};
  };
  std::vector<Event> recent = {};               // all with the items met last, oldest first
  std::unordered_set<std::string> known = {};   // every item that something was done with
  std::unordered_set<std::string> judged = {};  // those of them that were liked or rated
  std::unordered_set<std::string> hidden = {};  // items hidden at any time
};

/// What was shown to whom under which choice, with its propensity: the ground of every later
/// off-policy estimate.
struct Exposure {
  std::string response_id = {};
  UserId user = {};
  std::string policy = {};
  std::string arm = {};
  double propensity = 1;
  UnixMillis created = 0;
  std::string conversation = {};  // as read: the store knows it of the exchange
};

/// Why an answer is as it is. `data` is personal text. The user need not be known: who is answered
/// at degree 0 is not kept; "" is nobody named.
struct TraceRecord {
  std::string response_id = {};
  UserId user = {};
  std::string conversation = {};
  Json data = Json::object();
  UnixMillis created = 0;
};

enum class JobStatus { kQueued, kRunning, kDone, kFailed };
std::string_view name(JobStatus status);
Result<JobStatus> parse_job_status(std::string_view text);

/// Work that survives a killed process. `payload` and `error` are personal text.
struct Job {
  std::string id = {};  // "job_…"
  std::string kind = {};
  UserId user = {};  // "" when it concerns nobody
  Json payload = Json::object();
  JobStatus status = JobStatus::kQueued;
  std::int32_t attempts = 0;  // times it was claimed
  std::int32_t max_attempts = 3;
  UnixMillis not_before = 0;
  double progress = 0;  // [0, 1]
  std::string error = {};
  UnixMillis created = 0;
  UnixMillis updated = 0;
};

/// A user's settings as they shall be, of those that are stored. Called while the store is locked
/// for writing: must be quick and must not call the store.
using SettingsChange = std::function<Result<Json>(const Json& stored)>;

/// Which erasures had been done at some moment: what began before an erasure must not bring its
/// user back when it records.
using ErasureMark = std::int64_t;

/// All that one answered request leaves behind; written in one transaction or not at all.
struct Exchange {
  /// Created when its id is new. Its id is "" when no conversation is kept (then neither turns nor
  /// prefix hashes), its user "" when nothing of the user is kept (then only the trace and jobs).
  Conversation conversation = {};
  std::vector<Turn> turns = {};  // only those not logged before; ids and indexes already set
  /// Hash of the message prefix that the next request of this conversation will start with → this
  /// conversation. Stored under the index key: a hash that anyone can compute may be given.
  std::vector<std::string> prefix_hashes = {};
  std::vector<Fact> facts = {};  // upserted by id: new ones, and old ones now superseded
  /// What a statement set; empty when none did. Not a document: the user may have changed other
  /// settings while the answer was written.
  SettingsChange settings = {};
  std::optional<Exposure> exposure = {};
  std::optional<TraceRecord> trace = {};
  std::vector<Job> jobs = {};
  /// When the request began; nothing: now.
  std::optional<ErasureMark> as_of = {};
};

/// All of an exchange is about one conversation of one user. Errors: kInvalidArgument.
Result<void> check(const Exchange& exchange);

/// All that is kept of a user, for export and import. Lists are oldest first; of conversations and
/// turns so that each conversation's turns are together, in order.
struct UserData {
  User user = {};
  Json settings = Json::object();
  std::vector<Fact> facts = {};
  std::vector<Conversation> conversations = {};
  std::vector<Turn> turns = {};
  std::vector<Interaction> interactions = {};
  std::vector<Event> events = {};
  std::vector<Exposure> exposures = {};
  std::vector<TraceRecord> traces = {};
  std::vector<Job> jobs = {};
  /// To import only: (conversation, hash of a message prefix that it is found by). They are stored
  /// under the index key of a home, and so are made anew.
  std::vector<std::pair<std::string, std::string>> prefixes = {};
};

enum class KeyRole { kAdmin, kApp, kUser };
std::string_view name(KeyRole role);
Result<KeyRole> parse_key_role(std::string_view text);

/// An API key at rest: only a digest of the secret is kept.
struct ApiKey {
  std::string id = {};      // "key_…", shown in lists and logs
  std::string digest = {};  // base::digest of the secret
  std::string label = {};
  std::string app = {};
  KeyRole role = KeyRole::kApp;
  UserId user = {};            // bound to this user; "" when not bound
  std::string user_name = {};  // the application's name of that user; personal text
  UnixMillis created = 0;
  std::optional<UnixMillis> revoked = {};
};

/// Rows by table.
using RowCounts = std::map<std::string, std::int64_t>;

struct Page {
  std::int64_t limit = 100;  // 1..1000
  std::int64_t offset = 0;
};

/// Errors: kInvalidArgument, naming `limit` or `offset`.
Result<void> check(const Page& page);

/// Thread-safe. Writes are durable against a killed process when they return. Errors of every call:
/// kNotFound for an unknown id and for one of another user alike, kUnavailable when another program
/// keeps the database locked, kCorrupt, kIo. Calls block on disk: not for I/O threads.
class Store {
 public:
  virtual ~Store() = default;

  // Users
  /// Stored as it is when already known: cheap, nothing is written then.
  /// Errors beside the usual: kConflict, reason "user_erased", for one erased after `as_of`.
  virtual Result<User> ensure_user(const UserId& id, const std::string& app,
                                   const std::string& name,
                                   std::optional<ErasureMark> as_of = {}) = 0;
  virtual Result<User> user(const UserId& id) = 0;
  /// "" is all apps; last seen first. One whose name cannot be read is listed without it.
  virtual Result<std::vector<User>> users(const std::string& app, Page page) = 0;

  // Settings: one JSON document a user, {"default": {…}, "<domain>": {…}}; {} when none was set,
  // also of a user not known yet.
  virtual Result<Json> settings(const UserId& user) = 0;
  /// Reads, changes and writes in one transaction, so that of two changes neither is lost. Returns
  /// the settings as they are now; nothing is written when `change` fails.
  virtual Result<Json> change_settings(const UserId& user, const SettingsChange& change) = 0;

  // Facts
  virtual Result<std::vector<Fact>> facts(const UserId& user,
                                          bool include_inactive) = 0;  // oldest first
  virtual Result<Fact> fact(const UserId& user, const std::string& id) = 0;
  /// One transaction, upsert by id. A forgotten fact stays so: writing it again changes nothing, so
  /// that work begun before cannot bring its text back. kConflict for an id of another user.
  virtual Result<void> put_facts(const std::vector<Fact>& facts) = 0;
  /// Overwrites text, attribute, value and evidence with nothing and keeps the bare row with status
  /// forgotten. Idempotent.
  virtual Result<void> forget_fact(const UserId& user, const std::string& id) = 0;

  // Conversation log
  /// The oldest of that name, should two first requests have come at once.
  virtual Result<std::optional<Conversation>> conversation_by_name(const UserId& user,
                                                                   const std::string& name) = 0;
  /// The conversation of the first of these hashes that is known for this user; the one last
  /// updated where several share it.
  virtual Result<std::optional<Conversation>> conversation_by_prefix(
      const UserId& user, const std::vector<std::string>& hashes) = 0;
  virtual Result<std::optional<Conversation>> conversation_by_response(
      const UserId& user, const std::string& response_id) = 0;
  virtual Result<Conversation> conversation(const UserId& user, const std::string& id) = 0;
  virtual Result<std::vector<Conversation>> conversations(const UserId& user,
                                                          Page page) = 0;  // newest first
  virtual Result<std::vector<Turn>> turns(const UserId& user, const std::string& conversation,
                                          Page page) = 0;  // by index, then by arrival
  /// Turns, prefix hashes, traces, exposures and the events about its responses go with it; facts
  /// learnt from it stay.
  virtual Result<void> delete_conversation(const UserId& user, const std::string& id) = 0;
  /// The user must be known, and the conversation where it has more turns than the exchange brings
  /// (kNotFound: it was deleted meanwhile). kConflict, and nothing is written, when a turn or
  /// response id is already stored (the exchange was recorded before), or, with reason
  /// "user_erased", when the user was erased after the exchange's `as_of`.
  virtual Result<void> record_exchange(const Exchange& exchange) = 0;
  virtual Result<TraceRecord> trace(const std::string& response_id) = 0;
  virtual Result<Exposure> exposure(const std::string& response_id) = 0;

  // Events and feedback
  /// One transaction. kConflict for an id that is already stored.
  virtual Result<void> add_events(const std::vector<Event>& events) = 0;
  virtual Result<std::vector<Event>> events(const UserId& user, Page page) = 0;  // newest first

  // Interactions with items
  /// One transaction. kConflict for an id that is already stored. A hide takes the place of the
  /// user's earlier ones of the item.
  virtual Result<void> add_interactions(const std::vector<Interaction>& interactions) = 0;
  /// `recent` is of the `items` met last, to which hiding one does not count. Looks back over some
  /// ten thousands of interactions, but for the hides. Empty for a user not known yet.
  virtual Result<ItemHistory> item_history(const UserId& user, const std::string& catalogue,
                                           std::int64_t items) = 0;
  virtual Result<std::vector<Interaction>> interactions(const UserId& user,
                                                        const std::string& catalogue,
                                                        Page page) = 0;  // newest first
  /// The row is gone, not only marked; with a hide all of the user's hides of that item.
  virtual Result<void> delete_interaction(const UserId& user, const std::string& id) = 0;

  // Jobs
  virtual Result<void> enqueue(const Job& job) = 0;
  /// The oldest due job of one of these kinds becomes running, counts one more attempt and is ours
  /// until `lease` ends; then it is due again, or failed when that was its last attempt.
  virtual Result<std::optional<Job>> claim_job(const std::vector<std::string>& kinds,
                                               std::chrono::seconds lease) = 0;
  /// Writes status, progress, error, not_before and attempts. A job that stays running gets its
  /// lease anew; one put back in the queue after its last attempt becomes failed. kConflict when it
  /// was claimed again meanwhile (more attempts are stored than `job` has): it is no longer ours.
  virtual Result<void> update_job(const Job& job) = 0;
  virtual Result<std::vector<Job>> jobs(Page page) = 0;  // last enqueued first
  virtual Result<Job> job(const std::string& id) = 0;

  // Keys
  virtual Result<void> add_key(const ApiKey& key) = 0;  // kConflict for a known id or digest
  /// Revoked ones too: see ApiKey::revoked.
  virtual Result<std::optional<ApiKey>> key_by_digest(const std::string& digest) = 0;
  virtual Result<std::vector<ApiKey>> keys() = 0;  // oldest first
  /// Idempotent: the time of the first revocation stays.
  virtual Result<void> revoke_key(const std::string& id) = 0;

  // Export and import
  /// As it is at one moment.
  virtual Result<UserData> user_data(const UserId& user) = 0;
  /// One transaction. Times and ids are kept. kConflict when anything of this user is stored, or an
  /// id is another user's.
  virtual Result<void> put_user_data(const UserData& data,
                                     std::optional<ErasureMark> as_of = {}) = 0;

  // Erasure (engine/erasure.h does all of it)
  virtual Result<ErasureMark> erasure_mark() = 0;
  /// Removes every row that names the user, in one transaction, and overwrites what the file had of
  /// them, the log too. `seq` numbers the erasure (UserKeys); done again with the same number it
  /// removes nothing and says what it removed the first time. kUnavailable when another program
  /// keeps the log from being emptied: do it again.
  virtual Result<RowCounts> erase_user(const UserId& user, std::int64_t seq) = 0;
  /// Those of these erasures that were not done in this database: a backup from before was put
  /// back.
  virtual Result<std::vector<std::pair<UserId, std::int64_t>>> not_erased(
      const std::vector<std::pair<UserId, std::int64_t>>& erasures) = 0;
  /// How many rows of each table name the user; tables without any are left out.
  virtual Result<RowCounts> rows_of(const UserId& user) = 0;

  /// A consistent copy while the store is in use, readable by its owner only; kConflict when `path`
  /// exists. Written to a temporary file, then renamed.
  virtual Result<void> backup(const std::string& path) = 0;
};

}  // namespace rapport::store
