#include "rapport/store/home_store.h"

#include "rapport/base/files.h"
#include "rapport/base/log.h"
#include "rapport/store/encrypting_codec.h"
#include "rapport/store/sqlite_store.h"

namespace rapport::store {
namespace {

namespace fs = std::filesystem;

Result<std::unique_ptr<Store>> open_database(const fs::path& path, const KeyRing& keys,
                                             UserKeys& user_keys, const std::string& synchronous,
                                             const base::Clock& clock, base::Random& random) {
  return SqliteStore::open(
      {.path = path.string(),
       .index_key = keys.index_key(),
       .synchronous = synchronous,
       .pseudonym = [keys](const std::string& app,
                           const std::string& name) { return keys.pseudonym(app, name); }},
      std::make_shared<EncryptingCodec>(user_keys, random), clock, random);
}

}  // namespace

fs::path database_of(const fs::path& home) {
  return home / "rapport.db";
}
fs::path former_database_of(const fs::path& home) {
  return home / "rapport.db.before-restore";
}
fs::path keys_of(const fs::path& home) {
  return home / "keys";
}
fs::path user_keys_of(const fs::path& home) {
  return keys_of(home) / "users.db";
}

Result<HomeStore> HomeStore::open(const fs::path& home, const HomeOptions& options,
                                  const base::Clock& clock, base::Random& random) {
  std::error_code ignored;
  // Only the folder itself is private: what lies above it is not ours to close.
  if (!fs::exists(home, ignored)) TRY_VOID(base::ensure_directory(home, 0700));
  TRY(KeyRing keys, KeyRing::open(keys_of(home), random, options.sources));
  TRY(auto user_keys, UserKeys::open(user_keys_of(home).string(), keys, clock, random));
  if (keys.previous_home_key()) {
    TRY_VOID(KeyRing::forget_previous_home_key(keys_of(home), random, options.sources));
  }
  TRY(auto store,
      open_database(database_of(home), keys, *user_keys, options.synchronous, clock, random));
  return HomeStore{std::move(keys), std::move(user_keys), std::move(store)};
}

void seal_former_database(const fs::path& home, const KeyRing& keys, UserKeys& user_keys,
                          const base::Clock& clock, base::Random& random) {
  const fs::path former = former_database_of(home);
  std::error_code ignored;
  if (!fs::exists(former, ignored)) return;
  const auto sealed = open_database(former, keys, user_keys, "normal", clock, random);
  if (sealed) return;
  base::log_warning("the former database may hold plain text: delete it when it is not needed",
                    {{"database", former.string()}, {"error", sealed.error().message}});
}

}  // namespace rapport::store
