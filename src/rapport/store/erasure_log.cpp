// The log of erasures, beside the keys that they destroy.
#include <fmt/format.h>

#include "rapport/store/user_keys.h"

namespace rapport::store {

using sqlite::Statement;

namespace {

constexpr std::string_view kColumns =
    "seq, id, user, begun, coalesce(receipt, ''), coalesce(place, 0)";

Result<ErasureRecord> read_erasure(const Statement& row) {
  return ErasureRecord{.seq = row.integer(0),
                       .id = row.text(1),
                       .user = row.text(2),
                       .begun = row.integer(3),
                       .receipt = row.text(4),
                       .place = row.integer(5)};
}

}  // namespace

Result<ErasureRecord> UserKeys::begin_erasure(const UserId& user) {
  const std::lock_guard lock(mutex_);
  TRY(const ErasureRecord begun, connection_->transaction([&]() -> Result<ErasureRecord> {
    {
      TRY(Statement open,
          connection_->prepare(
              fmt::format("SELECT {} FROM erasures WHERE user = ? AND receipt IS NULL", kColumns)));
      TRY(const auto found, open.bind(user).one(read_erasure));
      if (found) return *found;
    }
    ErasureRecord erasure{.id = random_.id("erasure_"), .user = user, .begun = clock_.now()};
    TRY(Statement insert,
        connection_->prepare("INSERT INTO erasures (id, user, begun) VALUES (?, ?, ?)"));
    TRY_VOID(insert.bind(erasure.id, user, erasure.begun).run());
    TRY(erasure.seq, connection_->integer_of("SELECT last_insert_rowid()"));
    // Zeros first: the page may be one that is not freed, and secure_delete zeroes what is.
    TRY(Statement overwrite,
        connection_->prepare("UPDATE keys SET wrapped = zeroblob(length(wrapped)) WHERE user = ?"));
    TRY_VOID(overwrite.bind(user).run());
    TRY(Statement destroy, connection_->prepare("DELETE FROM keys WHERE user = ?"));
    TRY_VOID(destroy.bind(user).run());
    return erasure;
  }));
  forget(user);
  scrub_log();
  return begun;
}

Result<std::string> UserKeys::finish_erasure(
    std::int64_t seq,
    const std::function<Result<std::string>(const std::string& before)>& receipt_of) {
  const std::lock_guard lock(mutex_);
  return connection_->transaction([&]() -> Result<std::string> {
    {
      TRY(Statement stored,
          connection_->prepare(
              "SELECT receipt FROM erasures WHERE seq = ? AND receipt IS NOT NULL"));
      TRY(const bool found, stored.bind(seq).step());
      if (found) return stored.text(0);
    }
    TRY(const std::string before,
        connection_->text_of(
            "SELECT receipt FROM erasures WHERE place IS NOT NULL ORDER BY place DESC LIMIT 1"));
    TRY(const std::string receipt, receipt_of(before));
    TRY(Statement update, connection_->prepare("UPDATE erasures SET receipt = ?, place = (SELECT "
                                               "coalesce(max(place), 0) + 1 FROM erasures) "
                                               "WHERE seq = ?"));
    TRY_VOID(update.bind(receipt, seq).run());
    return receipt;
  });
}

Result<std::vector<ErasureRecord>> UserKeys::unfinished_erasures() {
  const std::lock_guard lock(mutex_);
  TRY(Statement rows, connection_->prepare(fmt::format(
                          "SELECT {} FROM erasures WHERE receipt IS NULL ORDER BY seq", kColumns)));
  return rows.all(read_erasure);
}

Result<std::vector<ErasureRecord>> UserKeys::erasures(std::int64_t after) {
  const std::lock_guard lock(mutex_);
  TRY(Statement rows, connection_->prepare(fmt::format(
                          "SELECT {} FROM erasures WHERE seq > ? ORDER BY seq", kColumns)));
  return rows.bind(after).all(read_erasure);
}

Result<ErasureRecord> UserKeys::erasure(const std::string& id) {
  const std::lock_guard lock(mutex_);
  TRY(Statement row,
      connection_->prepare(fmt::format("SELECT {} FROM erasures WHERE id = ?", kColumns)));
  TRY(const auto found, row.bind(id).one(read_erasure));
  if (found) return *found;
  return fail(ErrorCode::kNotFound,
              fmt::format("no erasure {} is known here: check the id in the receipt", id));
}

}  // namespace rapport::store
