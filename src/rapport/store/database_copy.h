// A consistent copy of a database while others use it.
#pragma once

#include <string>

#include "rapport/base/result.h"
#include "rapport/store/sqlite_connection.h"

namespace rapport::store::sqlite {

/// Copies what is committed now to the new file `to` (mode 0600), a single file that needs no log
/// beside it. Writers go on meanwhile. On an error nothing is left of `to`.
Result<void> copy_database(Connection& from, const std::string& to);

}  // namespace rapport::store::sqlite
