// Every table that names users, with its columns of personal text: what is sealed when a database
// of plain text is opened, what a stolen file must not show, and what goes when a user is erased. A
// test holds it against the schema: each BLOB column is in it, and each column that names a user.
// What is new gets its line in sealed_columns.cpp.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/store/personal_columns.h"
#include "rapport/store/sqlite_database.h"

namespace rapport::store::sqlite {

struct PersonalTable {
  std::string_view table;
  std::string_view row;                  // the column of FieldPlace::row, unique
  std::string_view user;                 // the column of FieldPlace::user; NULL is nobody
  std::vector<std::string_view> sealed;  // columns; none where nothing in it is text of anybody
  /// The rows of user ?1, found by an index; "": where the column `user` is ?1.
  std::string_view of_user = {};
};

/// In an order in which rows may be deleted.
std::span<const PersonalTable> personal_tables();
/// The condition that finds a user's rows: "user = ?1".
std::string rows_of_user(const PersonalTable& table);

/// Seals all that a Rapport before encryption left in plain text, in one transaction, and scrubs
/// what the file had of it. Nothing is done, and next to no time taken, when it is sealed already.
/// Killed at any moment, the next opening begins or goes on. `prepare` runs first, in the same
/// transaction, while all is still plain.
Result<void> seal_database(Database& database, const PersonalColumns& personal,
                           const std::function<Result<void>(Connection&)>& prepare);

}  // namespace rapport::store::sqlite
