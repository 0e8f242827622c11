#include "rapport/engine/personal_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "rapport/engine/export_rows.h"
#include "rapport/store/home_store.h"

namespace rapport::engine {

namespace fs = std::filesystem;

PersonalData personal_data_of(const fs::path& home) {
  PersonalData data;
  data.add({.name = "profile",
            .tables = {"users"},
            .export_file = "profile.json",
            .to_export = export_profile,
            .from_export = import_profile});
  data.add({.name = "settings",
            .tables = {"settings"},
            .export_file = "settings.json",
            .to_export = export_settings,
            .from_export = import_settings});
  data.add({.name = "facts",
            .tables = {"facts"},
            .export_file = "facts.jsonl",
            .to_export = export_facts,
            .from_export = import_facts});
  data.add({.name = "conversations",
            .tables = {"conversations"},
            .export_file = "conversations.jsonl",
            .to_export = export_conversations,
            .from_export = import_conversations});
  data.add({.name = "turns",
            .tables = {"turns"},
            .export_file = "turns.jsonl",
            .to_export = export_turns,
            .from_export = import_turns});
  data.add({.name = "interactions",
            .tables = {"interactions"},
            .export_file = "interactions.jsonl",
            .to_export = export_interactions,
            .from_export = import_interactions});
  data.add({.name = "events",
            .tables = {"events"},
            .export_file = "events.jsonl",
            .to_export = export_events,
            .from_export = import_events});
  data.add({.name = "exposures",
            .tables = {"exposures"},
            .export_file = "exposures.jsonl",
            .to_export = export_exposures,
            .from_export = import_exposures});
  data.add({.name = "explanations",
            .tables = {"traces"},
            .export_file = "explanations.jsonl",
            .to_export = export_traces,
            .from_export = import_traces});
  data.add({.name = "jobs",
            .tables = {"jobs"},
            .export_file = "jobs.jsonl",
            .to_export = export_jobs,
            .from_export = import_jobs});
  // By which conversations are found; made anew of the turns when they are imported.
  data.add({.name = "message prefixes", .tables = {"prefixes"}});
  // Whoever imports makes keys of their own.
  data.add({.name = "api keys", .tables = {"api_keys"}});
  data.add({.name = "database", .files = {"rapport.db", "rapport.db-wal", "rapport.db-shm"}});
  data.add({.name = "former database",
            .files = {"rapport.db.before-restore*", "rapport.db.restoring*"},
            .erase =
                [home](const store::UserId& user) {
                  return store::erase_from_former_database(home, user);
                },
            .scan =
                [home](const store::UserId& user) {
                  return store::rows_in_former_database(home, user);
                }});
  // Destroyed first of all: Eraser.
  data.add({.name = "key", .files = {"keys/users.db*"}});
  return data;
}

PersonalDataKind attribution_kind(Attribution& attribution) {
  return {.name = "lists shown lately",
          .forget = [&attribution](const store::UserId& user) { attribution.forget(user); }};
}

PersonalDataKind prompt_cache_kind(language::LanguageModel& model) {
  // Which of the prompts were this user's is not known there: all go.
  return {.name = "prompts in memory",
          .forget = [&model](const store::UserId&) { model.forget(); }};
}

const std::vector<std::string>& impersonal_files() {
  static const std::vector<std::string> kFiles = {
      "rapport.toml", "keys/keyring.json", "keys/keyring.lock", "keys/master.key*",
      "models/*",     "datasets/*",        "retrievers/*",      "rankers/*"};
  return kFiles;
}

const std::vector<std::string>& impersonal_tables() {
  // `erased` has the pseudonyms of who is no longer here, as the receipts have.
  static const std::vector<std::string> kTables = {"meta", "erased"};
  return kTables;
}

bool matches(const std::vector<std::string>& files, const std::string& path) {
  return std::ranges::any_of(files, [&](const std::string& file) {
    if (!file.ends_with('*')) return file == path;
    return path.starts_with(std::string_view(file).substr(0, file.size() - 1));
  });
}

Result<std::vector<std::string>> files_with(const fs::path& folder, std::string_view text) {
  std::vector<std::string> found;
  if (text.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the text to look for is empty", "needle");
  }
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    if (!file) {
      return fail(ErrorCode::kIo,
                  fmt::format("cannot read {}: check its mode", entry.path().string()));
    }
    std::string piece;
    while (file) {
      // What a text may begin with at the end of the piece before stays.
      const std::size_t kept = std::min(piece.size(), text.size() - 1);
      piece.erase(0, piece.size() - kept);
      piece.resize(kept + kPiece);
      file.read(piece.data() + kept, kPiece);
      piece.resize(kept + static_cast<std::size_t>(file.gcount()));
      if (piece.find(text) == std::string::npos) continue;
      found.push_back(entry.path().string());
      break;
    }
  }
  if (error) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot list {}: {}", folder.string(), error.message()));
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace rapport::engine
