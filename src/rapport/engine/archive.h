// All of a user in one file that they can take along, and the way back (docs/export.md).
//
//   Archives archives(store, users, data, clock);
//   TRY(const std::string zip, archives.export_user("default", "sam"));
//   TRY(const ImportedArchive done, archives.import_user("default", "sam", zip));
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "rapport/base/clock.h"
#include "rapport/base/zip.h"
#include "rapport/engine/personal_data.h"
#include "rapport/engine/users.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// Rows by kind.
using ImportedArchive = std::map<std::string, std::int64_t>;

/// Thread-safe; calls block on disk. All arguments must outlive it.
class Archives {
 public:
  Archives(store::Store& store, const Users& users, const PersonalData& data,
           const base::Clock& clock);

  /// A zip of manifest.json and one file for each kind. Errors: kNotFound.
  Result<std::string> export_user(const std::string& app, const std::string& name);

  /// All or nothing, under this name. An answer to a question that was asked before the export is
  /// the same afterwards: conversations are found by their beginnings again. Errors:
  /// kInvalidArgument (truncated, changed, no export), kUnsupported (of a newer version),
  /// kTooLarge, kConflict (something is kept of this user already, or of another user of this
  /// store).
  Result<ImportedArchive> import_user(const std::string& app, const std::string& name,
                                      std::string_view zip, const base::ZipLimits& limits = {});

 private:
  store::Store& store_;
  const Users& users_;
  const PersonalData& data_;
  const base::Clock& clock_;
};

/// Whose an archive says it is: (app, name). Errors: those of Archives::import_user.
Result<std::pair<std::string, std::string>> archive_owner(std::string_view zip);

/// The hashes of message prefixes by which these turns, of one conversation and in order, are found
/// again when a client sends them.
std::vector<std::string> prefix_hashes(const store::UserId& user,
                                       const std::vector<store::Turn>& turns);

}  // namespace rapport::engine
