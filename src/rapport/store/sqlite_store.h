// The Store in one SQLite file (WAL), for one machine.
//
//   TRY(auto store, SqliteStore::open({.path = home + "/rapport.db", .index_key =
//   keys.index_key()},
//                                     std::make_shared<EncryptingCodec>(user_keys, random),
//                                     clock, random));
//
// One connection writes, a few read side by side; a second process (a command while the server
// runs) may open the same file. Personal text passes the codec on its way in and out; what must be
// found by a text (a conversation's name, a message prefix) is stored as a digest under the index
// key.
//
// Layout: sqlite_connection (statements), sqlite_database (one writer, several readers), migrations
// (the schema), sealed_columns (which columns hold personal text), personal_columns (the codec's
// two doors); each sqlite_<concept>.cpp implements its
// part of this class.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/store/personal_text.h"
#include "rapport/store/store.h"

namespace rapport::store {

namespace sqlite {
class Connection;
class Database;
class PersonalColumns;
class Statement;
}  // namespace sqlite

struct SqliteOptions {
  std::string path = {};       // made (mode 0600) when missing; its folder must exist
  std::string index_key = {};  // KeyRing::index_key(); 16 to 64 bytes, the same at each opening
  /// "normal": a killed process loses nothing, a power cut may lose the last commits. "full": a
  /// power cut loses nothing either, for one fsync (≈ 4 ms on a disk) a commit.
  std::string synchronous = "normal";
  std::int32_t busy_timeout_ms = 5'000;  // wait for another program's lock; 0 to 600,000
  std::int32_t readers = 2;              // reads side by side; 1 to 64
  /// KeyRing::pseudonym, for the API keys of a Rapport that did not keep whose they are. Without
  /// it a database with such keys is refused.
  std::function<UserId(const std::string& app, const std::string& name)> pseudonym = {};
};

class SqliteStore final : public Store {
 public:
  /// Brings the schema up to date. `clock` and `random` must outlive the store. Errors:
  /// kInvalidArgument (an option; another program's database; another key ring's database),
  /// kCorrupt (damaged, or no SQLite file), kUnsupported (written by a newer Rapport), kUnavailable
  /// (kept locked), kIo; each names the file and what to do.
  static Result<std::unique_ptr<Store>> open(SqliteOptions options,
                                             std::shared_ptr<const PersonalTextCodec> codec,
                                             const base::Clock& clock, base::Random& random);
  ~SqliteStore() override;

  Result<User> ensure_user(const UserId& id, const std::string& app, const std::string& name,
                           std::optional<ErasureMark> as_of) override;
  Result<User> user(const UserId& id) override;
  Result<std::vector<User>> users(const std::string& app, Page page) override;

  Result<Json> settings(const UserId& user) override;
  Result<Json> change_settings(const UserId& user, const SettingsChange& change) override;

  Result<std::vector<Fact>> facts(const UserId& user, bool include_inactive) override;
  Result<Fact> fact(const UserId& user, const std::string& id) override;
  Result<void> put_facts(const std::vector<Fact>& facts) override;
  Result<void> forget_fact(const UserId& user, const std::string& id) override;

  Result<std::optional<Conversation>> conversation_by_name(const UserId& user,
                                                           const std::string& name) override;
  Result<std::optional<Conversation>> conversation_by_prefix(
      const UserId& user, const std::vector<std::string>& hashes) override;
  Result<std::optional<Conversation>> conversation_by_response(
      const UserId& user, const std::string& response_id) override;
  Result<Conversation> conversation(const UserId& user, const std::string& id) override;
  Result<std::vector<Conversation>> conversations(const UserId& user, Page page) override;
  Result<std::vector<Turn>> turns(const UserId& user, const std::string& conversation,
                                  Page page) override;
  Result<void> delete_conversation(const UserId& user, const std::string& id) override;
  Result<void> record_exchange(const Exchange& exchange) override;
  Result<TraceRecord> trace(const std::string& response_id) override;
  Result<Exposure> exposure(const std::string& response_id) override;

  Result<void> add_events(const std::vector<Event>& events) override;
  Result<std::vector<Event>> events(const UserId& user, Page page) override;

  Result<void> add_interactions(const std::vector<Interaction>& interactions) override;
  Result<ItemHistory> item_history(const UserId& user, const std::string& catalogue,
                                   std::int64_t items) override;
  Result<std::vector<Interaction>> interactions(const UserId& user, const std::string& catalogue,
                                                Page page) override;
  Result<void> delete_interaction(const UserId& user, const std::string& id) override;

  Result<void> enqueue(const Job& job) override;
  Result<std::optional<Job>> claim_job(const std::vector<std::string>& kinds,
                                       std::chrono::seconds lease) override;
  Result<void> update_job(const Job& job) override;
  Result<std::vector<Job>> jobs(Page page) override;
  Result<Job> job(const std::string& id) override;

  Result<void> add_key(const ApiKey& key) override;
  Result<std::optional<ApiKey>> key_by_digest(const std::string& digest) override;
  Result<std::vector<ApiKey>> keys() override;
  Result<void> revoke_key(const std::string& id) override;

  Result<UserData> user_data(const UserId& user) override;
  Result<void> put_user_data(const UserData& data, std::optional<ErasureMark> as_of) override;

  Result<ErasureMark> erasure_mark() override;
  Result<RowCounts> erase_user(const UserId& user, std::int64_t seq) override;
  Result<std::vector<std::pair<UserId, std::int64_t>>> not_erased(
      const std::vector<std::pair<UserId, std::int64_t>>& erasures) override;
  Result<RowCounts> rows_of(const UserId& user) override;

  Result<void> backup(const std::string& path) override;

 private:
  SqliteStore(std::unique_ptr<sqlite::Database> database,
              std::unique_ptr<sqlite::PersonalColumns> personal, std::string index_key,
              const base::Clock& clock, base::Random& random);

  /// Runs `body` in a transaction that writes, with keys that are valid in it.
  template <typename Body>
  std::invoke_result_t<Body&, sqlite::Connection&> write(Body body);
  /// Refuses a key ring that is not the one this database was made with.
  Result<void> check_index_key();
  /// What stands in an index for a text that nobody may read there.
  std::string index_digest(std::string_view context, std::string_view user,
                           std::string_view text) const;

  // Steps of a transaction; `at` fills in for a time of 0.
  Result<void> refuse_erased(sqlite::Connection& connection, const UserId& user,
                             const std::optional<ErasureMark>& as_of) const;
  Result<void> require_user(sqlite::Connection& connection, const UserId& user) const;
  Result<Json> read_settings(sqlite::Connection& connection, const UserId& user) const;
  Result<Json> write_settings(sqlite::Connection& connection, const UserId& user,
                              const SettingsChange& change, UnixMillis at) const;
  Result<void> write_fact(sqlite::Connection& connection, const Fact& fact, UnixMillis at) const;
  Result<void> write_job(sqlite::Connection& connection, const Job& job, UnixMillis at) const;
  Result<void> touch_user(sqlite::Connection& connection, const UserId& user, UnixMillis at) const;
  Result<void> extend_conversation(sqlite::Connection& connection, const Exchange& exchange,
                                   UnixMillis at) const;
  Result<void> write_turn(sqlite::Connection& connection, const Turn& turn, UnixMillis at) const;
  Result<void> insert_conversation(sqlite::Connection& connection, const Conversation& conversation,
                                   std::int64_t turns, UnixMillis created,
                                   UnixMillis updated) const;
  Result<void> write_prefix(sqlite::Connection& connection, const UserId& user,
                            const std::string& conversation, const std::string& hash) const;
  Result<void> write_event(sqlite::Connection& connection, const Event& event, UnixMillis at) const;
  Result<void> write_interaction(sqlite::Connection& connection, const Interaction& interaction,
                                 UnixMillis at) const;
  Result<void> write_ended(sqlite::Connection& connection, const Job& job) const;
  Result<UserData> read_user_data(sqlite::Connection& connection, const UserId& user) const;
  Result<void> write_exposure(sqlite::Connection& connection, const Exposure& exposure,
                              const std::string& conversation, UnixMillis at) const;
  Result<void> write_trace(sqlite::Connection& connection, const TraceRecord& trace,
                           UnixMillis at) const;

  Result<User> read_user(const sqlite::Statement& row) const;
  Result<Fact> read_fact(const sqlite::Statement& row) const;
  Result<Conversation> read_conversation(const sqlite::Statement& row) const;
  Result<Turn> read_turn(const sqlite::Statement& row) const;
  Result<Event> read_event(const sqlite::Statement& row) const;
  Result<Exposure> read_exposure(const sqlite::Statement& row) const;
  Result<TraceRecord> read_trace(const sqlite::Statement& row) const;
  Result<Interaction> read_interaction(const sqlite::Statement& row) const;
  Result<Job> read_job(const sqlite::Statement& row) const;
  Result<ApiKey> read_key(const sqlite::Statement& row) const;

  const std::unique_ptr<sqlite::Database> database_;
  const std::unique_ptr<sqlite::PersonalColumns> personal_;
  const std::string index_key_;
  const base::Clock& clock_;
  base::Random& random_;
};

}  // namespace rapport::store
