// SqliteStore::write, for the files that implement it.
#pragma once

#include "rapport/store/personal_columns.h"
#include "rapport/store/sqlite_database.h"
#include "rapport/store/sqlite_store.h"

namespace rapport::store {

template <typename Body>
std::invoke_result_t<Body&, sqlite::Connection&> SqliteStore::write(Body body) {
  return database_->write(
      [&](sqlite::Connection& connection) -> std::invoke_result_t<Body&, sqlite::Connection&> {
        TRY_VOID(personal_->begin_writing());
        return body(connection);
      });
}

}  // namespace rapport::store
