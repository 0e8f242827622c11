#include "rapport/engine/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "rapport/base/digest.h"
#include "rapport/engine/steps.h"

namespace rapport::engine {
namespace {

constexpr const char* kFormat = "rapport-export";
constexpr std::int64_t kVersion = 1;
constexpr const char* kManifest = "manifest.json";
// Of one place in a conversation: answers that were asked for again. A client goes on from one of
// them; from which is not kept.
constexpr std::size_t kBranches = 16;

std::int64_t rows_of(const base::ZipEntry& file) {
  if (!file.name.ends_with(".jsonl")) return 1;
  return std::ranges::count(file.bytes, '\n');
}

tl::unexpected<Error> refuse(const std::string& why) {
  return fail(ErrorCode::kInvalidArgument, why + ": give the file as it was exported");
}

const base::ZipEntry* find(const std::vector<base::ZipEntry>& files, std::string_view name) {
  const auto found = std::ranges::find(files, name, &base::ZipEntry::name);
  return found == files.end() ? nullptr : &*found;
}

/// That the files are those that the manifest lists, byte for byte.
Result<void> check_manifest(const std::vector<base::ZipEntry>& files) {
  const base::ZipEntry* entry = find(files, kManifest);
  if (entry == nullptr) return refuse("this archive has no manifest.json, it is no export");
  const auto manifest = base::parse_json(entry->bytes, kManifest);
  if (!manifest || !manifest->is_object() || manifest->value("format", Json()) != kFormat ||
      !manifest->value("version", Json()).is_number_integer() ||
      !manifest->value("files", Json()).is_array()) {
    return refuse("manifest.json is not that of an export");
  }
  if (const auto version = (*manifest)["version"].get<std::int64_t>(); version != kVersion) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("this export is of version {}, this program reads {}: update the "
                            "program",
                            version, kVersion));
  }
  std::set<std::string> listed = {kManifest};
  for (const Json& each : (*manifest)["files"]) {
    if (!each.is_object() || !each.value("name", Json()).is_string()) {
      return refuse("manifest.json lists something that is no file");
    }
    const auto name = each["name"].get<std::string>();
    const base::ZipEntry* file = find(files, name);
    if (file == nullptr) return refuse(fmt::format("{} is missing in the archive", name));
    if (each.value("sha256", Json()) != base::sha256(file->bytes)) {
      return refuse(fmt::format("{} was changed after it was exported", name));
    }
    if (!listed.insert(name).second) return refuse(fmt::format("{} is listed twice", name));
  }
  for (const base::ZipEntry& file : files) {
    if (!listed.contains(file.name)) return refuse(fmt::format("{} is not listed", file.name));
  }
  if (listed.size() != files.size()) return refuse("a file comes twice");
  return {};
}

/// What another user's rows could be reached by.
Result<void> check_belongs_together(const store::UserData& data) {
  std::set<std::string> conversations;
  for (const store::Conversation& each : data.conversations) conversations.insert(each.id);
  const auto check = [&](const char* file, const std::string& id) -> Result<void> {
    if (id.empty() || conversations.contains(id)) return {};
    return refuse(fmt::format("{} names a conversation that is not in the archive", file));
  };
  for (const store::Turn& each : data.turns) TRY_VOID(check("turns.jsonl", each.conversation));
  for (const auto& each : data.exposures) TRY_VOID(check("exposures.jsonl", each.conversation));
  for (const auto& each : data.traces) TRY_VOID(check("explanations.jsonl", each.conversation));
  return {};
}

void complete(store::UserData& data) {
  std::map<std::string, std::vector<store::Turn>> turns;
  for (const store::Turn& turn : data.turns) turns[turn.conversation].push_back(turn);
  for (store::Conversation& conversation : data.conversations) {
    std::vector<store::Turn>& own = turns[conversation.id];
    conversation.turns = static_cast<std::int64_t>(own.size());
    std::ranges::stable_sort(own, {}, &store::Turn::index);
    for (std::string& hash : prefix_hashes(data.user.id, own)) {
      data.prefixes.emplace_back(conversation.id, std::move(hash));
    }
  }
}

}  // namespace

std::vector<std::string> prefix_hashes(const store::UserId& user,
                                       const std::vector<store::Turn>& turns) {
  std::vector<std::string> hashes;
  std::vector<std::string> before = {base::digest(user)};
  for (std::size_t i = 0; i < turns.size();) {
    const std::int64_t index = turns[i].index;
    std::vector<std::string> here;
    for (; i < turns.size() && turns[i].index == index; ++i) {
      auto message = base::parse_json(turns[i].content, "turn");
      if (!message || !message->is_object()) continue;
      const language::ChatMessage said{*std::move(message)};
      for (const std::string& prefix : before) here.push_back(extend_hash(prefix, said));
    }
    if (here.size() > kBranches) here.erase(here.begin(), here.end() - kBranches);
    // A prefix of one message names no conversation: many begin with the same words.
    if (index > 0) hashes.insert(hashes.end(), here.begin(), here.end());
    if (!here.empty()) before = std::move(here);
  }
  return hashes;
}

Result<std::pair<std::string, std::string>> archive_owner(std::string_view zip) {
  TRY(const std::vector<base::ZipEntry> files, base::read_zip(zip));
  TRY_VOID(check_manifest(files));
  TRY(const Json manifest, base::parse_json(find(files, kManifest)->bytes, kManifest));
  if (!manifest.value("user", Json()).is_string() || !manifest.value("app", Json()).is_string()) {
    return refuse("manifest.json does not say whose export it is");
  }
  return std::pair{manifest["app"].get<std::string>(), manifest["user"].get<std::string>()};
}

Archives::Archives(store::Store& store, const Users& users, const PersonalData& data,
                   const base::Clock& clock)
    : store_(store), users_(users), data_(data), clock_(clock) {}

Result<std::string> Archives::export_user(const std::string& app, const std::string& name) {
  TRY(const store::UserId user, users_.id(app, name));
  auto data = store_.user_data(user);
  if (!data && data.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound, "nothing is kept of this user: check the name", "user");
  }
  if (!data) return fail(data.error());
  std::vector<base::ZipEntry> files;
  Json listed = Json::array();
  for (const PersonalDataKind& kind : data_.kinds()) {
    if (kind.export_file.empty()) continue;
    files.push_back({kind.export_file, kind.to_export(*data)});
    const base::ZipEntry& file = files.back();
    listed.push_back({{"name", file.name},
                      {"kind", kind.name},
                      {"rows", rows_of(file)},
                      {"bytes", file.bytes.size()},
                      {"sha256", base::sha256(file.bytes)}});
  }
  const Json manifest = {{"format", kFormat},
                         {"version", kVersion},
                         {"user", name},
                         {"app", app},
                         {"created", base::iso8601(clock_.now())},
                         {"files", std::move(listed)}};
  files.insert(files.begin(), {kManifest, manifest.dump(2) + '\n'});
  return base::write_zip(files);
}

Result<ImportedArchive> Archives::import_user(const std::string& app, const std::string& name,
                                              std::string_view zip, const base::ZipLimits& limits) {
  TRY(const store::ErasureMark as_of, store_.erasure_mark());
  store::UserData data;
  TRY(data.user.id, users_.id(app, name));
  data.user.app = app;
  data.user.name = name;
  TRY(const std::vector<base::ZipEntry> files, base::read_zip(zip, limits));
  TRY_VOID(check_manifest(files));
  ImportedArchive imported;
  for (const base::ZipEntry& file : files) {
    if (file.name == kManifest) continue;
    const auto kind = std::ranges::find(data_.kinds(), file.name, &PersonalDataKind::export_file);
    if (kind == data_.kinds().end()) {
      return refuse(fmt::format("{} is no part of an export of version {}", file.name, kVersion));
    }
    TRY_VOID(kind->from_export(file.bytes, data));
    imported[kind->name] = rows_of(file);
  }
  if (!imported.contains("profile")) return refuse("profile.json is missing in the archive");
  TRY_VOID(check_belongs_together(data));
  complete(data);
  TRY_VOID(store_.put_user_data(data, as_of));
  return imported;
}

}  // namespace rapport::engine
