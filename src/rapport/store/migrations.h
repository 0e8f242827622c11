// The schema as the numbered steps that made it. A step that has been released is never edited: a
// change is a new step at the end, plus rows for it in tests/store/migrations_test.cpp, which
// upgrades a filled database of every past version.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "rapport/base/result.h"
#include "rapport/store/sqlite_connection.h"

namespace rapport::store::sqlite {

struct Migration {
  std::string_view title;
  const char* sql;
};

/// Step k (from 1) makes schema version k, which the file keeps as `PRAGMA user_version`.
std::span<const Migration> migrations();

/// "Rapp" as PRAGMA application_id: tells our files from other programs' databases.
inline constexpr std::int64_t kApplicationId = 0x52617070;

/// What a file is, before anything is changed in it. Errors: kCorrupt for what is no SQLite
/// database, kInvalidArgument for another program's, kUnsupported for a newer Rapport's. 0 for an
/// empty file.
Result<std::int64_t> schema_version(Connection& connection);

/// Brings the schema to the last of `steps`, each in its own transaction: a failing step leaves the
/// version before it. Safe when several processes do it at once.
Result<void> migrate(Connection& connection, std::span<const Migration> steps = migrations());

}  // namespace rapport::store::sqlite
