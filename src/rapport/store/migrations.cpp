#include "rapport/store/migrations.h"

#include <fmt/format.h>

#include "rapport/base/log.h"

namespace rapport::store::sqlite {
namespace {

// Columns of personal text are BLOBs: what the codec makes of it. What belongs to a user goes with
// the user's row (but traces, which may name one who is not kept), what belongs to a conversation
// with the conversation. `seq` keeps the order of arrival among equal times.
//
// Each index that an exchange touches costs it a page of the log, some 5 µs, and a full log a
// longer checkpoint. So there is none for what is rare, such as listing users. What a user who is
// erased leaves is found by indexes: a scan of all would take longer the more others there are.
constexpr Migration kMigrations[] = {
    {"users, settings, facts and the conversation log", R"sql(
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  id        TEXT PRIMARY KEY,
  app       TEXT NOT NULL,
  name      BLOB NOT NULL,
  created   INTEGER NOT NULL,
  last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
  user     TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  document BLOB NOT NULL,
  updated  INTEGER NOT NULL
) STRICT;

CREATE TABLE facts (
  seq           INTEGER PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  user          TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  text          BLOB NOT NULL,
  attribute     TEXT NOT NULL,
  value         BLOB NOT NULL,
  domain        TEXT NOT NULL,
  confidence    REAL NOT NULL,
  source        TEXT NOT NULL,
  source_turn   TEXT NOT NULL,
  evidence      BLOB NOT NULL,
  valid_from    INTEGER NOT NULL,
  valid_to      INTEGER,
  status        TEXT NOT NULL CHECK (status IN ('active', 'superseded', 'disputed', 'forgotten')),
  superseded_by TEXT NOT NULL,
  created       INTEGER NOT NULL,
  updated       INTEGER NOT NULL
) STRICT;
CREATE INDEX facts_by_user ON facts (user, created);

CREATE TABLE conversations (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  user        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name        BLOB NOT NULL,
  name_digest TEXT,
  turns       INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  updated     INTEGER NOT NULL
) STRICT;
CREATE INDEX conversations_by_user ON conversations (user);
CREATE INDEX conversations_by_name ON conversations (user, name_digest)
  WHERE name_digest IS NOT NULL;

CREATE TABLE turns (
  seq          INTEGER PRIMARY KEY,
  id           TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  user         TEXT NOT NULL,
  position     INTEGER NOT NULL,
  role         TEXT NOT NULL,
  content      BLOB NOT NULL,
  response_id  TEXT NOT NULL,
  created      INTEGER NOT NULL
) STRICT;
CREATE INDEX turns_by_conversation ON turns (conversation, position);
CREATE INDEX turns_by_response ON turns (response_id) WHERE response_id <> '';

CREATE TABLE prefixes (
  user         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  digest       TEXT NOT NULL,
  conversation TEXT NOT NULL,
  PRIMARY KEY (user, digest, conversation)
) STRICT, WITHOUT ROWID;
)sql"},
    {"how an answer came about and what was made of it", R"sql(
CREATE TABLE traces (
  response_id  TEXT NOT NULL PRIMARY KEY,
  user         TEXT NOT NULL,
  conversation TEXT REFERENCES conversations (id) ON DELETE CASCADE,
  data         BLOB NOT NULL,
  created      INTEGER NOT NULL
) STRICT;
CREATE INDEX traces_by_conversation ON traces (conversation) WHERE conversation IS NOT NULL;

CREATE TABLE exposures (
  response_id  TEXT NOT NULL PRIMARY KEY,
  user         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  conversation TEXT REFERENCES conversations (id) ON DELETE CASCADE,
  policy       TEXT NOT NULL,
  arm          TEXT NOT NULL,
  propensity   REAL NOT NULL,
  created      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX exposures_by_conversation ON exposures (conversation)
  WHERE conversation IS NOT NULL;

CREATE TABLE events (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  user        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  kind        TEXT NOT NULL,
  response_id TEXT NOT NULL,
  data        BLOB NOT NULL,
  created     INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_user ON events (user, created);
CREATE INDEX events_by_response ON events (response_id) WHERE response_id <> '';
)sql"},
    {"durable jobs and API keys", R"sql(
CREATE TABLE jobs (
  seq          INTEGER PRIMARY KEY,
  id           TEXT NOT NULL UNIQUE,
  kind         TEXT NOT NULL,
  user         TEXT REFERENCES users (id) ON DELETE CASCADE,
  payload      BLOB NOT NULL,
  status       TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
  attempts     INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  not_before   INTEGER NOT NULL,
  progress     REAL NOT NULL,
  error        BLOB NOT NULL,
  lease_ms     INTEGER NOT NULL,
  lease_until  INTEGER NOT NULL,
  created      INTEGER NOT NULL,
  updated      INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_open ON jobs (created) WHERE status IN ('queued', 'running');

CREATE TABLE api_keys (
  seq       INTEGER PRIMARY KEY,
  id        TEXT NOT NULL UNIQUE,
  digest    TEXT NOT NULL UNIQUE,
  label     TEXT NOT NULL,
  app       TEXT NOT NULL,
  role      TEXT NOT NULL CHECK (role IN ('admin', 'app', 'user')),
  user_name BLOB NOT NULL,
  created   INTEGER NOT NULL,
  revoked   INTEGER
) STRICT;
)sql"},
    {"what users did with items", R"sql(
CREATE TABLE interactions (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  user        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  catalogue   TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('view', 'click', 'like', 'hide', 'rating', 'purchase')),
  item        BLOB NOT NULL,
  value       REAL,
  response_id TEXT NOT NULL,
  created     INTEGER NOT NULL
) STRICT;
CREATE INDEX interactions_by_user ON interactions (user, catalogue, created);
CREATE INDEX hides_by_user ON interactions (user, catalogue) WHERE kind = 'hide';
)sql"},
    {"what is personal is sealed: attributes of facts too, and keys know their user", R"sql(
CREATE TABLE facts_new (
  seq           INTEGER PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  user          TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  text          BLOB NOT NULL,
  attribute     BLOB NOT NULL,
  value         BLOB NOT NULL,
  domain        TEXT NOT NULL,
  confidence    REAL NOT NULL,
  source        TEXT NOT NULL,
  source_turn   TEXT NOT NULL,
  evidence      BLOB NOT NULL,
  valid_from    INTEGER NOT NULL,
  valid_to      INTEGER,
  status        TEXT NOT NULL CHECK (status IN ('active', 'superseded', 'disputed', 'forgotten')),
  superseded_by TEXT NOT NULL,
  created       INTEGER NOT NULL,
  updated       INTEGER NOT NULL
) STRICT;
INSERT INTO facts_new SELECT seq, id, user, text, CAST(attribute AS BLOB), value, domain, confidence,
  source, source_turn, evidence, valid_from, valid_to, status, superseded_by, created, updated FROM facts;
DROP TABLE facts;
ALTER TABLE facts_new RENAME TO facts;
CREATE INDEX facts_by_user ON facts (user, created);

ALTER TABLE api_keys ADD COLUMN user TEXT NOT NULL DEFAULT '';
)sql"},
    {"users who were erased, and the indexes that find their rows", R"sql(
CREATE TABLE erased (
  seq    INTEGER NOT NULL,
  user   TEXT NOT NULL,
  counts TEXT NOT NULL,
  PRIMARY KEY (user, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_by_seq ON erased (seq);

CREATE INDEX jobs_by_user ON jobs (user) WHERE user IS NOT NULL;
CREATE INDEX traces_by_user ON traces (user) WHERE conversation IS NULL;
CREATE INDEX exposures_by_user ON exposures (user) WHERE conversation IS NULL;
)sql"},
};

/// What tells whose a file is.
struct Marks {
  std::int64_t application = 0;
  std::int64_t version = 0;
  std::int64_t objects = 0;
};

Result<Marks> read_marks(Connection& connection) {
  // In one snapshot: between two reads another process may have made the schema.
  TRY_VOID(connection.execute("BEGIN"));
  const Result<Marks> marks = [&]() -> Result<Marks> {
    TRY(const std::int64_t application, connection.integer_of("PRAGMA application_id"));
    TRY(const std::int64_t version, connection.integer_of("PRAGMA user_version"));
    TRY(const std::int64_t objects, connection.integer_of("SELECT count(*) FROM sqlite_master"));
    return Marks{application, version, objects};
  }();
  connection.roll_back();
  return marks;
}

/// One step inside its transaction; false when another process got there first.
Result<bool> take_next_step(Connection& connection, std::span<const Migration> steps) {
  TRY_VOID(connection.execute("BEGIN IMMEDIATE"));
  TRY(const std::int64_t version, connection.integer_of("PRAGMA user_version"));
  const auto done = static_cast<std::size_t>(version);
  if (done >= steps.size()) {
    TRY_VOID(connection.execute("COMMIT"));
    return false;
  }
  TRY_VOID(connection.execute(steps[done].sql));
  TRY_VOID(connection.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                                          kApplicationId, done + 1)));
  TRY_VOID(connection.execute("COMMIT"));
  return true;
}

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

Result<std::int64_t> schema_version(Connection& connection) {
  TRY(const Marks marks, read_marks(connection));
  const auto& [application, version, objects] = marks;
  if (application == 0 && version == 0 && objects == 0) return 0;
  if (application != kApplicationId) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is the database of another program: name a file of Rapport's or "
                            "one that does not exist yet",
                            connection.path()));
  }
  const auto newest = static_cast<std::int64_t>(migrations().size());
  if (version > newest) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} was written by a newer Rapport (schema {}, this program knows {}): "
                            "update the program, or restore a backup made by this version",
                            connection.path(), version, newest));
  }
  return version;
}

Result<void> migrate(Connection& connection, std::span<const Migration> steps) {
  TRY(const std::int64_t before, connection.integer_of("PRAGMA user_version"));
  if (before >= static_cast<std::int64_t>(steps.size())) return {};
  while (true) {
    const Result<bool> stepped = take_next_step(connection, steps);
    if (!stepped) {
      connection.roll_back();
      return fail(stepped.error());
    }
    if (!*stepped) break;
  }
  if (before > 0) {
    base::log_info("database upgraded", {{"from", before}, {"to", steps.size()}});
  }
  return {};
}

}  // namespace rapport::store::sqlite
