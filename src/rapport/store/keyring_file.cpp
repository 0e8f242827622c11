#include "rapport/store/keyring_file.h"

#include <fmt/format.h>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/json.h"
#include "rapport/store/private_files.h"

namespace rapport::store {
namespace {

constexpr const char* kFormat = "rapport-keyring";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMaxBytes = 64 * 1024;

std::string context() {
  return joined({kFormat, std::to_string(kVersion)});
}

tl::unexpected<Error> damaged(const std::filesystem::path& path, std::string_view what) {
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("{} is damaged ({}): put back the copy you keep of it; without it nothing "
                  "stored can be read",
                  path.string(), what));
}

}  // namespace

Result<KeyRingFile> read_keyring(const std::filesystem::path& path) {
  TRY_VOID(check_private(path));
  TRY(const std::string text, base::read_file(path, kMaxBytes));
  const auto parsed = base::parse_json(text, path.string());
  if (!parsed || !parsed->is_object()) return damaged(path, "no JSON object");
  const Json& json = *parsed;
  try {
    if (json.at("format") != kFormat) return damaged(path, "another format");
    if (json.at("version").get<std::int64_t>() > kVersion) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{} was written by a newer Rapport (version {}): update the program",
                              path.string(), json.at("version").get<std::int64_t>()));
    }
    KeyRingFile file;
    const Json& master = json.at("master");
    TRY(file.master.source, parse_master_key_source(master.at("source").get<std::string>()));
    file.master.check = master.at("check").get<std::string>();
    if (file.master.source == MasterKeySource::kPassphrase) {
      TRY(file.master.salt, base::from_base64(master.at("salt").get<std::string>()));
      file.master.operations = master.at("operations").get<std::uint64_t>();
      file.master.memory = master.at("memory_bytes").get<std::uint64_t>();
    }
    auto box = base::from_base64(json.at("box").get<std::string>());
    if (!box) return damaged(path, "its box is no base64");
    file.box = *std::move(box);
    return file;
  } catch (const Json::exception&) {
    return damaged(path, "a field is missing or of another type");
  }
}

Result<void> write_keyring(const std::filesystem::path& path, const NewMasterKey& master,
                           const KeyRingSecrets& secrets, base::Random& random) {
  std::string plain;
  plain.append(secrets.pseudonym.bytes()).append(secrets.home.bytes());
  if (secrets.previous_home) plain.append(secrets.previous_home->bytes());
  Json json = {
      {"format", kFormat},
      {"version", kVersion},
      {"master",
       {{"source", std::string(name(master.record.source))}, {"check", master.record.check}}}};
  if (master.record.source == MasterKeySource::kPassphrase) {
    json["master"]["salt"] = base::to_base64(master.record.salt);
    json["master"]["operations"] = master.record.operations;
    json["master"]["memory_bytes"] = master.record.memory;
  }
  json["box"] = base::to_base64(seal_box(master.key, plain, context(), random));
  wipe(plain);
  return base::write_file_atomically(path, json.dump(2) + '\n', 0600);
}

Result<KeyRingSecrets> open_keyring(const std::filesystem::path& path, const KeyRingFile& file,
                                    const SecretKey& master) {
  auto plain = open_box(master, file.box, context());
  constexpr std::size_t kBytes = SecretKey::kBytes;
  if (!plain || (plain->size() != 2 * kBytes && plain->size() != 3 * kBytes)) {
    return damaged(path, "its box was changed");
  }
  const std::string_view bytes = *plain;
  KeyRingSecrets secrets{.pseudonym = SecretKey(bytes.substr(0, kBytes)),
                         .home = SecretKey(bytes.substr(kBytes, kBytes))};
  if (bytes.size() == 3 * kBytes) secrets.previous_home.emplace(bytes.substr(2 * kBytes));
  wipe(*plain);
  return secrets;
}

}  // namespace rapport::store
