#include "rapport/store/master_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sodium.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/store/private_files.h"

namespace rapport::store {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kSources = {"file", "environment", "passphrase"};
constexpr std::size_t kDigits = 2 * SecretKey::kBytes;
// Argon2id over 64 MiB, four times: a third of a second, and what the smallest machine that holds a
// language model can spare.
constexpr std::uint64_t kOperations = 4, kMemory = std::uint64_t{64} << 20;
// A damaged file must not ask for all memory there is.
constexpr std::uint64_t kMaxOperations = 64, kMaxMemory = std::uint64_t{4} << 30;
constexpr std::size_t kMinPassphrase = 8;  // bytes

std::string check_of(const SecretKey& key) {
  return base::digest("rapport master key", key.bytes()).substr(0, 16);
}

Result<SecretKey> from_digits(std::string_view text, std::string_view where) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  SecretKey key;
  std::size_t size = 0;
  const bool read =
      text.size() == kDigits && sodium_hex2bin(key.data(), SecretKey::kBytes, text.data(),
                                               text.size(), nullptr, &size, nullptr) == 0;
  if (read && size == SecretKey::kBytes) return key;
  return fail(ErrorCode::kCorrupt,
              fmt::format("{} is no master key: it must be {} hexadecimal digits, as `openssl rand "
                          "-hex 32` prints",
                          where, kDigits));
}

std::string digits_of(const SecretKey& key) {
  std::string text(kDigits + 1, '\0');
  sodium_bin2hex(text.data(), text.size(),
                 reinterpret_cast<const unsigned char*>(key.bytes().data()), SecretKey::kBytes);
  text.back() = '\n';
  return text;
}

Result<SecretKey> read_key_file(const fs::path& path) {
  TRY_VOID(check_private(path));
  TRY(std::string text, base::read_file(path, 4096));
  Result<SecretKey> key = from_digits(text, path.string());
  wipe(text);
  return key;
}

Result<SecretKey> derive(std::string_view passphrase, const MasterKeyRecord& record) {
  SecretKey key;
  const int status =
      crypto_pwhash(key.data(), SecretKey::kBytes, passphrase.data(), passphrase.size(),
                    reinterpret_cast<const unsigned char*>(record.salt.data()), record.operations,
                    static_cast<std::size_t>(record.memory), crypto_pwhash_ALG_ARGON2ID13);
  if (status == 0) return key;
  return fail(
      ErrorCode::kUnavailable,
      fmt::format("not enough memory to derive the master key from the passphrase: it takes "
                  "{} MiB",
                  record.memory >> 20));
}

Result<std::string> passphrase_of(const std::string& given, const MasterKeySources& sources,
                                  std::string_view variable, std::string_view question) {
  if (!given.empty()) return given;
  if (sources.ask) return sources.ask(question);
  return fail(ErrorCode::kNotFound,
              fmt::format("the keys of this home open with a passphrase: give it as {}, or start "
                          "from a terminal",
                          variable));
}

Result<void> check_costs(const MasterKeyRecord& record) {
  const bool sane = record.salt.size() == crypto_pwhash_SALTBYTES && record.operations >= 1 &&
                    record.operations <= kMaxOperations &&
                    record.memory >= crypto_pwhash_MEMLIMIT_MIN && record.memory <= kMaxMemory;
  if (sane) return {};
  return fail(ErrorCode::kCorrupt,
              "keyring.json names a cost of the passphrase that Rapport never wrote: put back the "
              "copy you keep of it");
}

Result<SecretKey> checked(Result<SecretKey> key, const MasterKeyRecord& record,
                          std::string_view where) {
  if (!key) return key;
  if (base::equal_in_constant_time(check_of(*key), record.check)) return key;
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("{} does not open the keys of this home: give the one that they were "
                          "sealed with last",
                          where));
}

std::string from_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

fs::path file_of(const MasterKeySources& sources, const fs::path& default_file) {
  return sources.file.empty() ? default_file : fs::path(sources.file);
}

fs::path aside(const fs::path& file) {
  return file.string() + ".new";
}

}  // namespace

std::string_view name(MasterKeySource source) {
  return kSources[static_cast<std::size_t>(source)];
}

Result<MasterKeySource> parse_master_key_source(std::string_view text) {
  for (std::size_t i = 0; i < kSources.size(); ++i) {
    if (kSources[i] == text) return static_cast<MasterKeySource>(i);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is no source of a master key: use one of {}", text,
                          fmt::join(kSources, ", ")));
}

MasterKeySources master_key_sources() {
  return {.file = from_variable("RAPPORT_MASTER_KEY_FILE"),
          .environment = from_variable("RAPPORT_MASTER_KEY"),
          .passphrase = from_variable("RAPPORT_PASSPHRASE"),
          .new_environment = from_variable("RAPPORT_NEW_MASTER_KEY"),
          .new_passphrase = from_variable("RAPPORT_NEW_PASSPHRASE")};
}

Result<SecretKey> find_master_key(const MasterKeyRecord& record, const MasterKeySources& sources,
                                  const fs::path& default_file) {
  switch (record.source) {
    case MasterKeySource::kEnvironment:
      if (sources.environment.empty()) {
        return fail(ErrorCode::kNotFound,
                    "the keys of this home open with a master key from the environment: set "
                    "RAPPORT_MASTER_KEY");
      }
      return checked(from_digits(sources.environment, "RAPPORT_MASTER_KEY"), record,
                     "RAPPORT_MASTER_KEY");
    case MasterKeySource::kPassphrase: {
      TRY_VOID(check_costs(record));
      TRY(std::string passphrase, passphrase_of(sources.passphrase, sources, "RAPPORT_PASSPHRASE",
                                                "Passphrase of the keys: "));
      auto key = checked(derive(passphrase, record), record, "the passphrase");
      wipe(passphrase);
      return key;
    }
    case MasterKeySource::kFile: break;
  }
  const fs::path file = file_of(sources, default_file);
  std::error_code ignored;
  // A rotation that was killed after it sealed the ring left the key under its other name.
  if (fs::exists(aside(file), ignored)) {
    if (auto key = checked(read_key_file(aside(file)), record, ""); key) {
      TRY_VOID(settle_master_key(file));
      return key;
    }
  }
  if (!fs::exists(file, ignored)) {
    return fail(ErrorCode::kNotFound,
                fmt::format("the master key {} is missing: put back the copy you keep of it, or "
                            "name its place in RAPPORT_MASTER_KEY_FILE; without it nothing stored "
                            "can be read",
                            file.string()));
  }
  return checked(read_key_file(file), record, file.string());
}

Result<NewMasterKey> make_master_key(MasterKeySource source, const MasterKeySources& sources,
                                     const fs::path& default_file, bool first,
                                     base::Random& random) {
  NewMasterKey made;
  made.record.source = source;
  switch (source) {
    case MasterKeySource::kEnvironment: {
      const std::string& given = first ? sources.environment : sources.new_environment;
      const char* variable = first ? "RAPPORT_MASTER_KEY" : "RAPPORT_NEW_MASTER_KEY";
      if (given.empty()) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("no new master key is given: set {} to 64 hexadecimal digits, as "
                                "`openssl rand -hex 32` prints",
                                variable));
      }
      TRY(made.key, from_digits(given, variable));
      break;
    }
    case MasterKeySource::kPassphrase: {
      made.record.salt.resize(crypto_pwhash_SALTBYTES);
      random.fill(
          {reinterpret_cast<std::uint8_t*>(made.record.salt.data()), made.record.salt.size()});
      made.record.operations = kOperations;
      made.record.memory = kMemory;
      TRY(std::string passphrase,
          passphrase_of(first ? sources.passphrase : sources.new_passphrase, sources,
                        first ? "RAPPORT_PASSPHRASE" : "RAPPORT_NEW_PASSPHRASE",
                        "New passphrase of the keys: "));
      if (passphrase.size() < kMinPassphrase) {
        return fail(
            ErrorCode::kInvalidArgument,
            fmt::format("the passphrase is too short: use {} characters at least", kMinPassphrase));
      }
      auto key = derive(passphrase, made.record);
      wipe(passphrase);
      if (!key) return fail(key.error());
      made.key = *key;
      break;
    }
    case MasterKeySource::kFile: {
      made.file = file_of(sources, default_file);
      std::error_code ignored;
      if (first && fs::exists(made.file, ignored)) {
        TRY(made.key, read_key_file(made.file));
      } else {
        made.key = SecretKey::make(random);
        std::string digits = digits_of(made.key);
        const auto written = base::write_file_atomically(aside(made.file), digits, 0600);
        wipe(digits);
        if (!written) return fail(written.error());
      }
      break;
    }
  }
  made.record.check = check_of(made.key);
  return made;
}

Result<void> settle_master_key(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(aside(file), error)) return {};
  fs::rename(aside(file), file, error);
  if (error) {
    return fail(ErrorCode::kIo, fmt::format("cannot give the new master key the name {}: {}; check "
                                            "the mode of its folder",
                                            file.string(), error.message()));
  }
  return sync_folder_of(file.string());
}

}  // namespace rapport::store
