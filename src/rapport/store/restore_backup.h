// Puts a backup (Store::backup) in the place of the database. Nothing may have the database open.
#pragma once

#include <string>

#include "rapport/base/result.h"

namespace rapport::store {

/// Checks all of `from` on a copy first, then swaps it in at once. The database that was there
/// stays as `<to>.before-restore` (an older one of that name is replaced). `from` is left as it is;
/// one of an older Rapport is brought up to date when the store is next opened. Errors, all before
/// anything changes: kNotFound (no such file), kInvalidArgument (not a Rapport database, or `to`
/// itself), kUnsupported (of a newer Rapport), kCorrupt, kUnavailable (`to` is in use: stop the
/// server), kIo.
Result<void> restore_backup(const std::string& from, const std::string& to);

}  // namespace rapport::store
