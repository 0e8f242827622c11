// What is known of users.
#include <fmt/format.h>

#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

namespace {

tl::unexpected<Error> no_fact(const UserId& user, const std::string& id) {
  return fail(ErrorCode::kNotFound, fmt::format("fact {} of user {} is not known: check the id in "
                                                "the list of facts",
                                                id, user));
}

}  // namespace

Result<Fact> SqliteStore::read_fact(const Statement& row) const {
  Fact fact;
  fact.id = row.text(0);
  fact.user = row.text(1);
  TRY(fact.text, personal_->read(row, 2, {fact.user, "facts", fact.id, "text"}));
  TRY(fact.attribute, personal_->read(row, 3, {fact.user, "facts", fact.id, "attribute"}));
  TRY(fact.value, personal_->read(row, 4, {fact.user, "facts", fact.id, "value"}));
  fact.domain = row.text(5);
  fact.confidence = row.real(6);
  fact.source = row.text(7);
  fact.source_turn = row.text(8);
  TRY(fact.evidence, personal_->read(row, 9, {fact.user, "facts", fact.id, "evidence"}));
  fact.valid_from = row.integer(10);
  fact.valid_to = row.optional_integer(11);
  TRY(fact.status, parse_fact_status(row.text(12)));
  fact.superseded_by = row.text(13);
  fact.created = row.integer(14);
  fact.updated = row.integer(15);
  return fact;
}

Result<std::vector<Fact>> SqliteStore::facts(const UserId& user, bool include_inactive) {
  return database_->read([&](Connection& connection) -> Result<std::vector<Fact>> {
    TRY_VOID(require_user(connection, user));
    TRY(Statement rows,
        connection.prepare("SELECT id, user, text, attribute, value, domain, confidence, source, "
                           "source_turn, evidence, valid_from, valid_to, status, superseded_by, "
                           "created, updated FROM facts "
                           "WHERE user = ? AND (? OR status = 'active') ORDER BY created, seq"));
    return rows.bind(user, std::int32_t{include_inactive}).all([&](const Statement& row) {
      return read_fact(row);
    });
  });
}

Result<Fact> SqliteStore::fact(const UserId& user, const std::string& id) {
  return database_->read([&](Connection& connection) -> Result<Fact> {
    TRY(Statement row,
        connection.prepare("SELECT id, user, text, attribute, value, domain, confidence, source, "
                           "source_turn, evidence, valid_from, valid_to, status, superseded_by, "
                           "created, updated FROM facts WHERE user = ? AND id = ?"));
    TRY(std::optional<Fact> found,
        row.bind(user, id).one([&](const Statement& at) { return read_fact(at); }));
    if (!found) return no_fact(user, id);
    return *std::move(found);
  });
}

Result<void> SqliteStore::put_facts(const std::vector<Fact>& facts) {
  return write([&](Connection& connection) -> Result<void> {
    const UnixMillis now = clock_.now();
    for (const Fact& fact : facts) {
      TRY_VOID(require_user(connection, fact.user));
      TRY_VOID(write_fact(connection, fact, now));
    }
    return {};
  });
}

Result<void> SqliteStore::write_fact(Connection& connection, const Fact& fact,
                                     UnixMillis at) const {
  TRY(Statement upsert,
      connection.prepare(
          "INSERT INTO facts (id, user, text, attribute, value, domain, confidence, source, "
          "source_turn, evidence, valid_from, valid_to, status, superseded_by, created, updated) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT (id) DO UPDATE SET text = excluded.text, attribute = excluded.attribute, "
          "value = excluded.value, domain = excluded.domain, confidence = excluded.confidence, "
          "source = excluded.source, source_turn = excluded.source_turn, "
          "evidence = excluded.evidence, valid_from = excluded.valid_from, "
          "valid_to = excluded.valid_to, status = excluded.status, "
          "superseded_by = excluded.superseded_by, updated = excluded.updated "
          "WHERE user = excluded.user AND status <> 'forgotten'"));
  upsert.bind(fact.id, fact.user);
  TRY_VOID(personal_->bind(upsert, {fact.user, "facts", fact.id, "text"}, fact.text));
  TRY_VOID(personal_->bind(upsert, {fact.user, "facts", fact.id, "attribute"}, fact.attribute));
  TRY_VOID(personal_->bind(upsert, {fact.user, "facts", fact.id, "value"}, fact.value));
  upsert.bind(fact.domain, fact.confidence, fact.source, fact.source_turn);
  TRY_VOID(personal_->bind(upsert, {fact.user, "facts", fact.id, "evidence"}, fact.evidence));
  upsert.bind(fact.valid_from != 0 ? fact.valid_from : at, fact.valid_to, name(fact.status),
              fact.superseded_by, fact.created != 0 ? fact.created : at, at);
  TRY_VOID(upsert.run());
  if (connection.changes() != 0) return {};

  TRY(Statement owner, connection.prepare("SELECT user = ? FROM facts WHERE id = ?"));
  TRY([[maybe_unused]] const bool found, owner.bind(fact.user, fact.id).step());
  const bool forgotten = owner.integer(0) != 0;
  if (forgotten) return {};
  return fail(
      ErrorCode::kConflict,
      fmt::format("fact {} is another user's: give the new fact an id of its own", fact.id));
}

Result<void> SqliteStore::forget_fact(const UserId& user, const std::string& id) {
  const Result<void> forgotten = write([&](Connection& connection) -> Result<void> {
    TRY(Statement forget,
        connection.prepare("UPDATE facts SET text = x'', attribute = x'', value = x'', "
                           "evidence = x'', status = 'forgotten', updated = ? "
                           "WHERE user = ? AND id = ?"));
    TRY_VOID(forget.bind(clock_.now(), user, id).run());
    if (connection.changes() == 0) return no_fact(user, id);
    return {};
  });
  if (forgotten) database_->scrub_log();
  return forgotten;
}

}  // namespace rapport::store
