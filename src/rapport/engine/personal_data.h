// The one list of what is kept of a user: which tables and files hold it, and how it is erased,
// exported, imported and looked for. What is new registers itself here; a test fails if a table of
// the schema, or a file that appears under the home, has no kind.
//
//   PersonalData data = personal_data_of(home);          // what is stored
//   data.add(attribution_kind(attribution));             // what a server has in memory
//   for (const PersonalDataKind& kind : data.kinds()) … kind.erase(user) …
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/engine/attribution.h"
#include "rapport/language/language_model.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// A function that is empty has nothing to do.
struct PersonalDataKind {
  std::string name;                      // in receipts: "facts"
  std::vector<std::string> tables = {};  // of rapport.db; their rows go in one transaction
  std::vector<std::string> files = {};   // under the home, as relative paths; "*" ends a name

  /// Removes what other files than rapport.db have of the user; how much that was. Idempotent.
  std::function<Result<std::int64_t>(const store::UserId&)> erase = {};
  /// Drops what this process has in memory of them; quick.
  std::function<void(const store::UserId&)> forget = {};
  /// How much is left of them in those files.
  std::function<Result<std::int64_t>(const store::UserId&)> scan = {};
  /// The names of shared artefacts (adapters, models of a cohort) that hold something of them:
  /// named in the receipt, and to be made anew without them. Nothing of today's does.
  std::function<Result<std::vector<std::string>>(const store::UserId&)> contributed = {};

  /// The file of an export that holds it; "" is not exported.
  std::string export_file = {};
  std::function<std::string(const store::UserData&)> to_export = {};
  /// Reads that file. Errors: kInvalidArgument naming the line.
  std::function<Result<void>(std::string_view text, store::UserData&)> from_export = {};
};

class PersonalData {
 public:
  void add(PersonalDataKind kind) { kinds_.push_back(std::move(kind)); }
  const std::vector<PersonalDataKind>& kinds() const { return kinds_; }

 private:
  std::vector<PersonalDataKind> kinds_;
};

/// All that is stored under a home.
PersonalData personal_data_of(const std::filesystem::path& home);
/// What a server keeps in memory; the arguments must outlive the kind.
PersonalDataKind attribution_kind(Attribution& attribution);
PersonalDataKind prompt_cache_kind(language::LanguageModel& model);

/// What lies under a home and holds nothing of any user, as `PersonalDataKind::files`; and tables.
const std::vector<std::string>& impersonal_files();
const std::vector<std::string>& impersonal_tables();
/// Whether a path relative to the home is one of these.
bool matches(const std::vector<std::string>& files, const std::string& path);

/// The files under `folder` that hold this text anywhere, however large they are.
Result<std::vector<std::string>> files_with(const std::filesystem::path& folder,
                                            std::string_view text);

}  // namespace rapport::engine
