// The rows of an export: one JSON object a line, one file a kind of data (docs/export.md).
#pragma once

#include <string>
#include <string_view>

#include "rapport/base/result.h"
#include "rapport/store/store.h"

namespace rapport::engine {

std::string export_profile(const store::UserData& data);
std::string export_settings(const store::UserData& data);
std::string export_facts(const store::UserData& data);
std::string export_conversations(const store::UserData& data);
std::string export_turns(const store::UserData& data);
std::string export_interactions(const store::UserData& data);
std::string export_events(const store::UserData& data);
std::string export_exposures(const store::UserData& data);
std::string export_traces(const store::UserData& data);
std::string export_jobs(const store::UserData& data);

// Each reads what its counterpart wrote, strictly: a field that is missing, unknown or of another
// type is an error. Rows get the user of `data`, whose id is set. Errors: kInvalidArgument,
// "facts.jsonl:17: …".
Result<void> import_profile(std::string_view text, store::UserData& data);
Result<void> import_settings(std::string_view text, store::UserData& data);
Result<void> import_facts(std::string_view text, store::UserData& data);
Result<void> import_conversations(std::string_view text, store::UserData& data);
Result<void> import_turns(std::string_view text, store::UserData& data);
Result<void> import_interactions(std::string_view text, store::UserData& data);
Result<void> import_events(std::string_view text, store::UserData& data);
Result<void> import_exposures(std::string_view text, store::UserData& data);
Result<void> import_traces(std::string_view text, store::UserData& data);
Result<void> import_jobs(std::string_view text, store::UserData& data);

}  // namespace rapport::engine
