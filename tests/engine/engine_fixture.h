// An engine over a real store and a scripted language model.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rapport/engine/respond.h"
#include "rapport/engine/users.h"
#include "rapport/store/home_store.h"
#include "testing/scripted_language_model.h"
#include "testing/temporary_directory.h"

namespace rapport::engine {

class EngineTest : public ::testing::Test {
 protected:
  explicit EngineTest(EngineOptions options = {});

  ChatRequest request(const std::string& user, const std::string& text) const;
  /// A request whose messages are "user: …", "assistant: …", "system: …" lines.
  ChatRequest conversation(const std::string& user, const std::vector<std::string>& lines) const;
  Answer answered(ChatRequest request);
  Error refused(ChatRequest request);
  /// What comes of a request when `meanwhile` runs between two pieces of its answer.
  Result<Answer> answered_while(ChatRequest request, const std::function<void()>& meanwhile);
  /// The texts that the model got last, as "role: content" lines.
  std::vector<std::string> last_prompt() const;
  std::vector<std::string> log_of(const std::string& user, const std::string& conversation);
  Json explanation_of(const std::string& response_id);
  std::string pseudonym(const std::string& user) const { return keys_->pseudonym("default", user); }

  testing::TemporaryDirectory home_;
  base::ManualClock clock_;
  base::SeededRandom random_{1};
  std::optional<store::KeyRing> keys_;
  std::unique_ptr<store::UserKeys> user_keys_;
  std::unique_ptr<store::Store> store_;
  testing::ScriptedLanguageModel model_{std::vector<std::string>{"All right."}};
  std::unique_ptr<Responder> responder_;
  std::unique_ptr<Users> users_;
};

}  // namespace rapport::engine
