#include "rapport/engine/users.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/base/config.h"
#include "rapport/base/text.h"
#include "rapport/engine/steps.h"

namespace rapport::engine {
namespace {

constexpr std::size_t kMaxFeedbackText = 16 * 1024;  // bytes a field

tl::unexpected<Error> unknown_field(const std::string& key, const std::vector<std::string>& known,
                                    std::string_view what) {
  const std::string near = base::nearest(key, known);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has no field \"{}\"{}", what, key,
                          near.empty() ? "" : fmt::format(": did you mean \"{}\"?", near)),
              key);
}

Result<void> check_feedback_field(const std::string& key, const Json& value) {
  if (key == "rating") {
    if (value.is_number_integer() && value.get<std::int64_t>() >= 1 &&
        value.get<std::int64_t>() <= 5) {
      return {};
    }
    return fail(ErrorCode::kInvalidArgument, "rating must be a whole number from 1 to 5", "rating");
  }
  if (!value.is_string()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} must be a string", key), key);
  }
  const auto& text = value.get_ref<const std::string&>();
  if (key == "thumb" && text != "up" && text != "down") {
    return fail(ErrorCode::kInvalidArgument, "thumb must be \"up\" or \"down\"", "thumb");
  }
  if (text.size() > kMaxFeedbackText) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is {} bytes long; at most {} are kept", key, text.size(), kMaxFeedbackText),
        key);
  }
  return {};
}

// What kind of signal it is, the most telling first.
std::string feedback_kind(const Json& data) {
  if (data.contains("chosen")) return "preference";
  if (data.contains("edit")) return "edit";
  if (data.contains("rating")) return "rating";
  if (data.contains("thumb")) return "thumb";
  return "comment";
}

}  // namespace

Users::Users(store::Store& store, const store::KeyRing& keys, const base::Clock& clock,
             base::Random& random)
    : store_(store), keys_(keys), clock_(clock), random_(random) {}

Result<store::UserId> Users::id(const std::string& app, const std::string& name) const {
  if (name.empty()) return fail(ErrorCode::kInvalidArgument, "the user's name is empty", "user");
  Caller caller;
  caller.app = app;
  caller.body_user = name;
  TRY(const Identity who, identify(caller, keys_));
  return who.user;
}

Result<store::User> Users::find(const std::string& app, const std::string& name) {
  TRY(const store::UserId user, id(app, name));
  auto found = store_.user(user);
  if (!found && found.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound,
                fmt::format("no user \"{}\" is known", base::truncate(name, 60)), "user");
  }
  return found;
}

Result<profile::Settings> Users::settings(const std::string& app, const std::string& name) {
  TRY(const store::UserId user, id(app, name));
  TRY(const Json stored, store_.settings(user));
  return profile::parse_settings(stored);
}

Result<profile::Settings> Users::patch_settings(const std::string& app, const std::string& name,
                                                const Json& patch) {
  TRY(const store::UserId user, id(app, name));
  const auto change = [&patch](const Json& stored) -> Result<Json> {
    TRY(const profile::Settings current, profile::parse_settings(stored));
    TRY(const profile::Settings patched, profile::patch_settings(current, patch));
    return profile::to_json(patched);
  };
  TRY(const store::ErasureMark as_of, store_.erasure_mark());
  // What is refused must not make the user known.
  TRY(const Json stored, store_.settings(user));
  TRY_VOID(change(stored));
  TRY_VOID(store_.ensure_user(user, app, name, as_of));
  TRY(const Json changed, store_.change_settings(user, change));
  return profile::parse_settings(changed);
}

Result<std::vector<store::Fact>> Users::facts(const std::string& app, const std::string& name,
                                              bool include_inactive) {
  TRY(const store::UserId user, id(app, name));
  auto facts = store_.facts(user, include_inactive);
  // Of a user who has not spoken yet nothing is known: that is an answer, not an error.
  if (!facts && facts.error().code == ErrorCode::kNotFound) return std::vector<store::Fact>{};
  return facts;
}

Result<store::Fact> Users::add_fact(const std::string& app, const std::string& name,
                                    const std::string& text, const std::string& domain) {
  TRY(const store::UserId user, id(app, name));
  TRY(const store::ErasureMark as_of, store_.erasure_mark());
  TRY(const std::vector<store::Fact> known, facts(app, name, false));
  TRY(std::vector<store::Fact> changed,
      profile::facts_from_text(known, text, {user, "", domain}, clock_.now(), random_));
  if (changed.empty()) {
    // It is known already: the fact that says so, by its words or by its attribute and value.
    TRY(const std::vector<store::Fact> again,
        profile::facts_from_text({}, text, {user, "", domain}, clock_.now(), random_));
    for (const store::Fact& fact : known) {
      const store::Fact& wanted = again.front();
      const bool same_words = base::fold_case(fact.text) == base::fold_case(wanted.text);
      const bool same_value = !wanted.attribute.empty() && fact.attribute == wanted.attribute &&
                              base::fold_case(fact.value) == base::fold_case(wanted.value);
      if ((same_words || same_value) && fact.domain == domain) return fact;
    }
    return fail(ErrorCode::kInternal, "a fact was known and then was not");
  }
  TRY_VOID(store_.ensure_user(user, app, name, as_of));
  TRY_VOID(store_.put_facts(changed));
  const auto added = std::find_if(changed.begin(), changed.end(), [](const store::Fact& fact) {
    return fact.status == store::FactStatus::kActive;
  });
  return *added;
}

Result<store::Fact> Users::patch_fact(const std::string& app, const std::string& name,
                                      const std::string& fact_id, const Json& patch) {
  if (!patch.is_object()) return fail(ErrorCode::kInvalidArgument, "the patch must be an object");
  TRY(const store::UserId user, id(app, name));
  TRY(store::Fact fact, store_.fact(user, fact_id));
  if (fact.status == store::FactStatus::kForgotten) {
    return fail(ErrorCode::kConflict, "fact " + fact_id + " was forgotten: add it anew");
  }
  for (const auto& [key, value] : patch.items()) {
    if (key == "text") {
      if (!value.is_string()) {
        return fail(ErrorCode::kInvalidArgument, "text must be a string", "text");
      }
      // A correction by hand: the rules read the new words, the fact keeps its id.
      TRY(const auto corrected,
          profile::facts_from_text({}, value.get<std::string>(), {user, "", fact.domain},
                                   clock_.now(), random_));
      const store::Fact& as = corrected.front();
      fact.text = as.text;
      fact.attribute = as.attribute;
      fact.value = as.value;
      fact.evidence = as.evidence;
      fact.source = as.source;
      fact.confidence = as.confidence;
    } else if (key == "confidence") {
      if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1) {
        return fail(ErrorCode::kInvalidArgument, "confidence must be a number from 0 to 1",
                    "confidence");
      }
      fact.confidence = value.get<double>();
    } else if (key == "status") {
      const std::string word = value.is_string() ? value.get<std::string>() : "";
      if (word != "active" && word != "disputed") {
        return fail(ErrorCode::kInvalidArgument,
                    "status must be \"active\" or \"disputed\"; to forget a fact, delete it",
                    "status");
      }
      TRY(fact.status, store::parse_fact_status(word));
      fact.valid_to.reset();
      fact.superseded_by.clear();
    } else {
      return unknown_field(key, {"text", "confidence", "status"}, "a fact's patch");
    }
  }
  fact.updated = clock_.now();
  TRY_VOID(store_.put_facts({fact}));
  return fact;
}

Result<void> Users::forget_fact(const std::string& app, const std::string& name,
                                const std::string& fact) {
  TRY(const store::UserId user, id(app, name));
  return store_.forget_fact(user, fact);
}

Result<store::Event> Users::add_feedback(const std::string& app, const std::string& name,
                                         const Json& feedback) {
  static const std::vector<std::string> kFields = {"thumb",  "rating",   "edit", "reason",
                                                   "chosen", "rejected", "text"};
  if (!feedback.is_object()) {
    return fail(ErrorCode::kInvalidArgument, "feedback must be an object");
  }
  std::string response_id;
  Json data = Json::object();
  for (const auto& [key, value] : feedback.items()) {
    if (key == "response_id") {
      if (value.is_string()) response_id = value.get<std::string>();
      continue;
    }
    if (std::find(kFields.begin(), kFields.end(), key) == kFields.end()) {
      std::vector<std::string> known = kFields;
      known.emplace_back("response_id");
      return unknown_field(key, known, "feedback");
    }
    TRY_VOID(check_feedback_field(key, value));
    data[key] = value;
  }
  if (response_id.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "response_id is missing: the id of the answer this is about", "response_id");
  }
  if (data.empty()) {
    return fail(
        ErrorCode::kInvalidArgument,
        "feedback says nothing: give one of thumb, rating, edit, reason, chosen, rejected, text");
  }
  if (data.contains("chosen") != data.contains("rejected")) {
    return fail(ErrorCode::kInvalidArgument, "chosen and rejected come together",
                data.contains("chosen") ? "rejected" : "chosen");
  }
  TRY(const store::UserId user, id(app, name));
  const auto trace = store_.trace(response_id);
  if (!trace || trace->user != user) {
    return fail(
        ErrorCode::kNotFound,
        fmt::format("no answer \"{}\" of this user is kept", base::truncate(response_id, 60)),
        "response_id");
  }
  store::Event event;
  event.id = random_.id("evt_");
  event.user = user;
  event.kind = feedback_kind(data);
  event.response_id = response_id;
  event.data = std::move(data);
  event.created = clock_.now();
  TRY_VOID(store_.add_events({event}));
  return event;
}

}  // namespace rapport::engine
