#include "rapport/engine/export_rows.h"

#include <fmt/format.h>

#include <set>

#include "rapport/base/json.h"
#include "rapport/base/text.h"
#include "rapport/profile/settings.h"

namespace rapport::engine {
namespace {

// What a store can hold of one row.
constexpr base::JsonLimits kRow = {
    .max_bytes = std::size_t{256} << 20, .max_depth = 1'000, .max_members = std::size_t{1} << 16};
constexpr std::size_t kMaxId = 256;  // bytes

/// One direction of `fields` below: a row becomes JSON.
class Writer {
 public:
  template <typename T>
  void operator()(const char* key, const T& value) {
    json_[key] = value;
  }
  template <typename T>
  void operator()(const char* key, const std::optional<T>& value) {
    if (value) json_[key] = *value;
  }
  void id(const char* key, const std::string& value) { json_[key] = value; }
  template <typename Enum, typename Parse>
  void word(const char* key, const Enum& value, Parse) {
    json_[key] = std::string(store::name(value));
  }
  /// Kept as the text of a JSON object, shown as the object.
  void message(const char* key, const std::string& text) {
    auto parsed = base::parse_json(text, key, kRow);
    json_[key] = parsed && parsed->is_object() ? *std::move(parsed) : Json(text);
  }
  std::string line() const { return base::dump_json(json_) + '\n'; }

 private:
  Json json_ = Json::object();
};

/// The other: JSON becomes a row.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  void operator()(const char* key, std::string& value) {
    if (const Json* found = take(key, &Json::is_string, "a string")) {
      value = found->get<std::string>();
      if (!base::is_utf8(value)) fault(key, "valid UTF-8");
    }
  }
  void operator()(const char* key, double& value) {
    if (const Json* found = take(key, &Json::is_number, "a number")) value = found->get<double>();
  }
  void operator()(const char* key, std::int64_t& value) { integer(key, value); }
  void operator()(const char* key, std::int32_t& value) {
    std::int64_t wide = 0;
    integer(key, wide);
    if (wide != static_cast<std::int32_t>(wide)) return fault(key, "a smaller number");
    value = static_cast<std::int32_t>(wide);
  }
  void operator()(const char* key, Json& value) {
    if (const Json* found = take(key, &Json::is_object, "an object")) value = *found;
  }
  template <typename T>
  void operator()(const char* key, std::optional<T>& value) {
    if (!json_.contains(key)) return;
    (*this)(key, value.emplace());
  }
  void id(const char* key, std::string& value) {
    (*this)(key, value);
    if (value.empty() || value.size() > kMaxId) fault(key, "an id");
  }
  template <typename Enum, typename Parse>
  void word(const char* key, Enum& value, Parse parse) {
    std::string text;
    (*this)(key, text);
    const auto parsed = parse(text);
    if (!parsed) return fault(key, parsed.error().message);
    value = *parsed;
  }
  void message(const char* key, std::string& text) {
    const Json* found = any(key);
    if (found == nullptr || (!found->is_object() && !found->is_string())) {
      return fault(key, "an object");
    }
    text = found->is_string() ? found->get<std::string>() : base::dump_json(*found);
  }

  /// After all fields: the first fault, or a field that nobody read.
  std::string faults() const {
    if (!fault_.empty()) return fault_;
    for (const auto& [key, value] : json_.items()) {
      if (!read_.contains(key)) return fmt::format("has an unknown field \"{}\"", key);
    }
    return {};
  }

 private:
  const Json* any(const char* key) {
    read_.insert(key);
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  const Json* take(const char* key, bool (Json::*is)() const noexcept, const char* expected) {
    const Json* found = any(key);
    if (found != nullptr && (found->*is)()) return found;
    fault(key, expected);
    return nullptr;
  }
  void integer(const char* key, std::int64_t& value) {
    if (const Json* found = take(key, &Json::is_number_integer, "a whole number")) {
      value = found->get<std::int64_t>();
    }
  }
  void fault(const char* key, std::string_view expected) {
    if (fault_.empty()) fault_ = fmt::format("needs {} as \"{}\"", expected, key);
  }

  const Json& json_;
  std::set<std::string, std::less<>> read_;
  std::string fault_;
};

// The fields of each kind, once for both directions. Times are milliseconds since 1970.
template <typename Visitor, typename Row>
void profile_fields(Visitor& field, Row& user) {
  field("name", user.name);
  field("app", user.app);
  field("created", user.created);
  field("last_seen", user.last_seen);
}
struct FactFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& fact) {
    field.id("id", fact.id);
    field("text", fact.text);
    field("attribute", fact.attribute);
    field("value", fact.value);
    field("domain", fact.domain);
    field("confidence", fact.confidence);
    field("source", fact.source);
    field("source_turn", fact.source_turn);
    field("evidence", fact.evidence);
    field("valid_from", fact.valid_from);
    field("valid_to", fact.valid_to);
    field.word("status", fact.status, store::parse_fact_status);
    field("superseded_by", fact.superseded_by);
    field("created", fact.created);
    field("updated", fact.updated);
  }
};
struct ConversationFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& conversation) {
    field.id("id", conversation.id);
    field("name", conversation.name);
    field("created", conversation.created);
    field("updated", conversation.updated);
  }
};
struct TurnFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& turn) {
    field.id("id", turn.id);
    field.id("conversation", turn.conversation);
    field("index", turn.index);
    field("role", turn.role);
    field.message("message", turn.content);
    field("response_id", turn.response_id);
    field("created", turn.created);
  }
};
struct InteractionFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& interaction) {
    field.id("id", interaction.id);
    field("catalogue", interaction.catalogue);
    field.word("kind", interaction.kind, store::parse_interaction_kind);
    field("item", interaction.item);
    field("value", interaction.value);
    field("response_id", interaction.response_id);
    field("created", interaction.created);
  }
};
struct EventFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& event) {
    field.id("id", event.id);
    field("kind", event.kind);
    field("response_id", event.response_id);
    field("data", event.data);
    field("created", event.created);
  }
};
struct ExposureFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& exposure) {
    field.id("response_id", exposure.response_id);
    field("conversation", exposure.conversation);
    field("policy", exposure.policy);
    field("arm", exposure.arm);
    field("propensity", exposure.propensity);
    field("created", exposure.created);
  }
};
struct TraceFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& trace) {
    field.id("response_id", trace.response_id);
    field("conversation", trace.conversation);
    field("explanation", trace.data);
    field("created", trace.created);
  }
};
struct JobFields {
  template <typename Visitor, typename Row>
  static void visit(Visitor& field, Row& job) {
    field.id("id", job.id);
    field("kind", job.kind);
    field("payload", job.payload);
    field.word("status", job.status, store::parse_job_status);
    field("attempts", job.attempts);
    field("max_attempts", job.max_attempts);
    field("not_before", job.not_before);
    field("progress", job.progress);
    field("error", job.error);
    field("created", job.created);
    field("updated", job.updated);
  }
};

template <typename Fields, typename Row>
std::string to_lines(const std::vector<Row>& rows) {
  std::string lines;
  for (const Row& row : rows) {
    Writer writer;
    Fields::visit(writer, row);
    lines += writer.line();
  }
  return lines;
}

tl::unexpected<Error> wrong(const char* file, std::size_t line, std::string_view what) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", file, line, what));
}

template <typename Fields, typename Row>
Result<void> from_lines(const char* file, std::string_view text, const store::UserId& user,
                        std::vector<Row>& rows) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return wrong(file, line, "the last line is cut off");
    const auto json = base::parse_json(text.substr(0, end), file, kRow);
    text.remove_prefix(end + 1);
    if (!json || !json->is_object()) return wrong(file, line, "is no JSON object");
    Reader reader(*json);
    Row& row = rows.emplace_back();
    row.user = user;
    Fields::visit(reader, row);
    if (const std::string fault = reader.faults(); !fault.empty()) return wrong(file, line, fault);
  }
  return {};
}

}  // namespace

std::string export_profile(const store::UserData& data) {
  Writer writer;
  profile_fields(writer, data.user);
  return writer.line();
}
std::string export_settings(const store::UserData& data) {
  return base::dump_json(data.settings) + '\n';
}
std::string export_facts(const store::UserData& data) {
  return to_lines<FactFields>(data.facts);
}
std::string export_conversations(const store::UserData& data) {
  return to_lines<ConversationFields>(data.conversations);
}
std::string export_turns(const store::UserData& data) {
  return to_lines<TurnFields>(data.turns);
}
std::string export_interactions(const store::UserData& data) {
  return to_lines<InteractionFields>(data.interactions);
}
std::string export_events(const store::UserData& data) {
  return to_lines<EventFields>(data.events);
}
std::string export_exposures(const store::UserData& data) {
  return to_lines<ExposureFields>(data.exposures);
}
std::string export_traces(const store::UserData& data) {
  return to_lines<TraceFields>(data.traces);
}
std::string export_jobs(const store::UserData& data) {
  return to_lines<JobFields>(data.jobs);
}

Result<void> import_profile(std::string_view text, store::UserData& data) {
  const auto json = base::parse_json(text, "profile.json", kRow);
  if (!json || !json->is_object()) return wrong("profile.json", 1, "is no JSON object");
  Reader reader(*json);
  store::User user;
  profile_fields(reader, user);
  if (const std::string fault = reader.faults(); !fault.empty()) {
    return wrong("profile.json", 1, fault);
  }
  // Who it is imported as is for whoever imports to say.
  data.user.created = user.created;
  data.user.last_seen = user.last_seen;
  return {};
}

Result<void> import_settings(std::string_view text, store::UserData& data) {
  const auto json = base::parse_json(text, "settings.json", kRow);
  if (!json) return wrong("settings.json", 1, "is no JSON");
  auto settings = profile::parse_settings(*json);
  if (!settings) return wrong("settings.json", 1, settings.error().message);
  data.settings = *json;
  return {};
}

Result<void> import_facts(std::string_view text, store::UserData& data) {
  return from_lines<FactFields>("facts.jsonl", text, data.user.id, data.facts);
}
Result<void> import_conversations(std::string_view text, store::UserData& data) {
  return from_lines<ConversationFields>("conversations.jsonl", text, data.user.id,
                                        data.conversations);
}
Result<void> import_turns(std::string_view text, store::UserData& data) {
  return from_lines<TurnFields>("turns.jsonl", text, data.user.id, data.turns);
}
Result<void> import_interactions(std::string_view text, store::UserData& data) {
  return from_lines<InteractionFields>("interactions.jsonl", text, data.user.id, data.interactions);
}
Result<void> import_events(std::string_view text, store::UserData& data) {
  return from_lines<EventFields>("events.jsonl", text, data.user.id, data.events);
}
Result<void> import_exposures(std::string_view text, store::UserData& data) {
  return from_lines<ExposureFields>("exposures.jsonl", text, data.user.id, data.exposures);
}
Result<void> import_traces(std::string_view text, store::UserData& data) {
  return from_lines<TraceFields>("explanations.jsonl", text, data.user.id, data.traces);
}
Result<void> import_jobs(std::string_view text, store::UserData& data) {
  return from_lines<JobFields>("jobs.jsonl", text, data.user.id, data.jobs);
}

}  // namespace rapport::engine
