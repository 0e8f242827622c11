#include "rapport/store/key_ring.h"

#include <fmt/format.h>
#include <sodium.h>

#include <cstdint>
#include <new>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/log.h"
#include "rapport/store/file_lock.h"
#include "rapport/store/keyring_file.h"
#include "rapport/store/private_files.h"

namespace rapport::store {
namespace {

namespace fs = std::filesystem;

constexpr int kWaitMs = 5'000;  // for another process that makes or rotates the keys

struct Paths {
  explicit Paths(const fs::path& in) : folder(in) {}
  fs::path folder;
  fs::path ring = folder / "keyring.json";
  fs::path master = folder / "master.key";
  fs::path users = folder / "users.db";
  fs::path lock = folder / "keyring.lock";
  fs::path old_pseudonym = folder / "pseudonym.key";  // before there was a ring
};

/// The first 130 bits of a hexadecimal digest as 26 characters.
std::string base32_of(std::string_view hexadecimal) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::string characters;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char digit : hexadecimal) {
    const int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    bits = (bits << 4 | static_cast<std::uint32_t>(value)) & 0xfff;
    held += 4;
    if (held < 5) continue;
    held -= 5;
    characters += kAlphabet[(bits >> held) & 31];
    if (characters.size() == 26) break;
  }
  return characters;
}

struct FreeSecrets {
  void operator()(KeyRingSecrets* secrets) const {
    secrets->~KeyRingSecrets();
    sodium_free(secrets);
  }
};

/// In memory that is neither swapped out nor dumped, where the system grants it, and is overwritten
/// when it is freed.
Result<std::shared_ptr<const KeyRingSecrets>> in_locked_memory(const KeyRingSecrets& secrets) {
  static const int ready = sodium_init();
  void* memory = ready < 0 ? nullptr : sodium_malloc(sizeof(KeyRingSecrets));
  if (memory == nullptr) return fail(ErrorCode::kUnavailable, "no memory for the keys");
  return std::shared_ptr<const KeyRingSecrets>(new (memory) KeyRingSecrets(secrets), FreeSecrets{});
}

Result<std::optional<SecretKey>> read_old_pseudonym_key(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  TRY_VOID(check_private(path));
  TRY(std::string bytes, base::read_file(path, 4096));
  if (bytes.size() != SecretKey::kBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} has {} bytes, a key has {}: put back the copy you keep of it; "
                            "without it no stored user can be found again",
                            path.string(), bytes.size(), SecretKey::kBytes));
  }
  std::optional<SecretKey> key(std::in_place, bytes);
  wipe(bytes);
  return key;
}

/// Overwritten first: what a file system keeps of a removed file is then no key.
void remove_key_file(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return;
  (void)base::write_file_atomically(path, std::string(size, '\0'), 0600);
  fs::remove(path, error);
  if (error) {
    base::log_warning("a key file that is no longer used cannot be removed",
                      {{"file", path.string()}, {"error", error.message()}});
  }
}

Result<void> create_ring(const Paths& paths, base::Random& random,
                         const MasterKeySources& sources) {
  std::error_code ignored;
  if (fs::exists(paths.users, ignored)) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} is missing, and {} opens with nothing else: put back the copy you "
                            "keep of it",
                            paths.ring.string(), paths.users.string()));
  }
  if (!sources.environment.empty() && !sources.passphrase.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "both RAPPORT_MASTER_KEY and RAPPORT_PASSPHRASE are set: set the one that shall "
                "open the keys of this home");
  }
  MasterKeySource source = MasterKeySource::kFile;
  if (!sources.environment.empty()) source = MasterKeySource::kEnvironment;
  if (!sources.passphrase.empty()) source = MasterKeySource::kPassphrase;
  TRY(const auto old, read_old_pseudonym_key(paths.old_pseudonym));
  TRY(const NewMasterKey master, make_master_key(source, sources, paths.master, true, random));
  TRY_VOID(write_keyring(
      paths.ring, master,
      {.pseudonym = old ? *old : SecretKey::make(random), .home = SecretKey::make(random)},
      random));
  return settle_master_key(master.file);
}

struct Opened {
  KeyRingFile file;
  SecretKey master;
  KeyRingSecrets secrets;
};

Result<Opened> open_ring(const Paths& paths, const MasterKeySources& sources) {
  TRY(KeyRingFile file, read_keyring(paths.ring));
  TRY(const SecretKey master, find_master_key(file.master, sources, paths.master));
  TRY(KeyRingSecrets secrets, open_keyring(paths.ring, file, master));
  return Opened{std::move(file), master, std::move(secrets)};
}

/// Seals `secrets` under a new master key. Killed at any step, either the old one opens the ring or
/// the new one does.
Result<NewMasterKey> seal_anew(const Paths& paths, const Opened& before,
                               const KeyRingSecrets& secrets, const MasterKeySources& sources,
                               std::optional<MasterKeySource> to, base::Random& random) {
  TRY(NewMasterKey master, make_master_key(to.value_or(before.file.master.source), sources,
                                           paths.master, false, random));
  TRY_VOID(write_keyring(paths.ring, master, secrets, random));
  TRY_VOID(settle_master_key(master.file));
  const bool was_file = before.file.master.source == MasterKeySource::kFile;
  if (was_file && master.record.source != MasterKeySource::kFile) remove_key_file(paths.master);
  return master;
}

}  // namespace

struct KeyRing::Held {
  std::shared_ptr<const KeyRingSecrets> secrets;
  std::optional<FileLock> in_use;
};

Result<KeyRing> KeyRing::open(const fs::path& folder, base::Random& random,
                              const MasterKeySources& sources) {
  const Paths paths(folder);
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) TRY_VOID(base::ensure_directory(folder, 0700));
  auto held = std::make_shared<Held>();
  {
    // Before the ring is read: of a home key that is being replaced either all is seen or nothing.
    TRY(FileLock in_use, FileLock::take(folder, FileLock::Kind::kShared, kWaitMs));
    held->in_use.emplace(std::move(in_use));
  }
  if (!fs::exists(paths.ring, ignored)) {
    TRY_VOID(base::ensure_directory(folder, 0700));
    TRY(const FileLock writing, FileLock::take(paths.lock, FileLock::Kind::kExclusive, kWaitMs));
    if (!fs::exists(paths.ring, ignored)) TRY_VOID(create_ring(paths, random, sources));
  }
  TRY(const Opened opened, open_ring(paths, sources));
  if (fs::exists(paths.old_pseudonym, ignored)) {
    const auto old = read_old_pseudonym_key(paths.old_pseudonym);
    if (old && *old && (*old)->bytes() == opened.secrets.pseudonym.bytes()) {
      remove_key_file(paths.old_pseudonym);
    }
  }
  TRY(held->secrets, in_locked_memory(opened.secrets));
  return KeyRing(std::move(held));
}

const SecretKey& KeyRing::home_key() const {
  return held_->secrets->home;
}

const std::optional<SecretKey>& KeyRing::previous_home_key() const {
  return held_->secrets->previous_home;
}

Result<MasterKeySource> KeyRing::rotate_master_key(const fs::path& folder, base::Random& random,
                                                   const MasterKeySources& sources,
                                                   std::optional<MasterKeySource> to) {
  const Paths paths(folder);
  TRY(const FileLock writing, FileLock::take(paths.lock, FileLock::Kind::kExclusive, kWaitMs));
  TRY(const Opened before, open_ring(paths, sources));
  TRY(const NewMasterKey master, seal_anew(paths, before, before.secrets, sources, to, random));
  return master.record.source;
}

Result<MasterKeySource> KeyRing::rotate_home_key(
    const fs::path& folder, base::Random& random, const MasterKeySources& sources,
    std::optional<MasterKeySource> to,
    const std::function<Result<void>(const KeyRing& both)>& wrap_anew) {
  const Paths paths(folder);
  TRY(const FileLock alone, FileLock::take(folder, FileLock::Kind::kExclusive, 0));
  TRY(const FileLock writing, FileLock::take(paths.lock, FileLock::Kind::kExclusive, kWaitMs));
  TRY(const Opened before, open_ring(paths, sources));
  const auto wrap = [&](const KeyRingSecrets& secrets) -> Result<void> {
    auto both = std::make_shared<Held>();
    TRY(both->secrets, in_locked_memory(secrets));
    return wrap_anew(KeyRing(std::move(both)));
  };
  KeyRingSecrets secrets = before.secrets;
  // One that was killed has left keys under a third key: these first.
  if (secrets.previous_home) TRY_VOID(wrap(secrets));
  secrets.previous_home = secrets.home;
  secrets.home = SecretKey::make(random);
  TRY(const NewMasterKey master, seal_anew(paths, before, secrets, sources, to, random));
  TRY_VOID(wrap(secrets));
  secrets.previous_home.reset();
  TRY_VOID(write_keyring(paths.ring, master, secrets, random));
  return master.record.source;
}

Result<void> KeyRing::forget_previous_home_key(const fs::path& folder, base::Random& random,
                                               const MasterKeySources& sources) {
  const Paths paths(folder);
  TRY(const FileLock writing, FileLock::take(paths.lock, FileLock::Kind::kExclusive, kWaitMs));
  TRY(Opened opened, open_ring(paths, sources));
  if (!opened.secrets.previous_home) return {};
  opened.secrets.previous_home.reset();
  return write_keyring(paths.ring, {.key = opened.master, .record = opened.file.master},
                       opened.secrets, random);
}

std::string KeyRing::pseudonym(std::string_view app, std::string_view name) const {
  return "u_" + base32_of(base::digest(joined({"pseudonym", app, name}),
                                       held_->secrets->pseudonym.bytes()));
}

std::string KeyRing::upstream_pseudonym(std::string_view user) const {
  return "user_" +
         base32_of(base::digest(joined({"upstream", user}), held_->secrets->pseudonym.bytes()));
}

std::string KeyRing::index_key() const {
  return base::digest(joined({"index"}), held_->secrets->pseudonym.bytes());
}

}  // namespace rapport::store
