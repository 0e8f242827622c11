// Users, facts and exchanges for tests of stores, and stored values as JSON, so that a difference
// shows as one.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "rapport/store/store.h"

namespace rapport::store {

/// Whatever is stored becomes this.
inline SettingsChange becomes(Json settings) {
  return [settings = std::move(settings)](const Json&) -> Result<Json> { return settings; };
}

/// Fails with the error's sentence.
template <typename T>
::testing::AssertionResult ok(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << name(result.error().code) << ": " << result.error().message;
}

/// The value, or a failed test and a default one.
template <typename T>
T value_of(Result<T> result) {
  EXPECT_TRUE(ok(result));
  return result ? *std::move(result) : T{};
}

/// The error with this code whose sentence holds `words`.
template <typename T>
::testing::AssertionResult fails(const Result<T>& result, ErrorCode code,
                                 std::string_view words = {}) {
  if (result) return ::testing::AssertionFailure() << "succeeded";
  if (result.error().code == code && result.error().message.find(words) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ok(result);
}

Json as_json(const User& user);
Json as_json(const Fact& fact);
Json as_json(const Conversation& conversation);
Json as_json(const Turn& turn);
Json as_json(const Event& event);
Json as_json(const Interaction& interaction);
Json as_json(const Job& job);
Json as_json(const ApiKey& key);
template <typename T>
Json as_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(as_json(value));
  return list;
}

/// "id" of each.
template <typename T>
std::vector<std::string> ids(const std::vector<T>& values) {
  std::vector<std::string> list;
  for (const T& value : values) list.push_back(value.id);
  return list;
}

/// Every field filled, none with its default.
Fact sample_fact(const UserId& user, const std::string& id);

/// One request and its answer: turns `turn_<n>_q` and `turn_<n>_a` at positions 2n and 2n + 1,
/// response `resp_<n>`, prefix hash `hash_<n>`, exposure and trace.
Exchange sample_exchange(const UserId& user, const std::string& conversation, std::int64_t n);

Job sample_job(const std::string& id, const std::string& kind = "observe");

}  // namespace rapport::store
