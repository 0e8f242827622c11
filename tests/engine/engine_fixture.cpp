#include "engine_fixture.h"

#include <future>

namespace rapport::engine {
namespace {

language::ChatMessage message_of(const std::string& line) {
  const std::size_t colon = line.find(": ");
  return language::ChatMessage::text(line.substr(0, colon), line.substr(colon + 2));
}

}  // namespace

EngineTest::EngineTest(EngineOptions options) {
  auto home = store::HomeStore::open(home_.path(), {}, clock_, random_);
  EXPECT_TRUE(home) << home.error().message;
  keys_.emplace(std::move(home->keys));
  user_keys_ = std::move(home->user_keys);
  store_ = std::move(home->store);
  responder_ = std::make_unique<Responder>(options, *store_, *keys_, model_, clock_, random_);
  users_ = std::make_unique<Users>(*store_, *keys_, clock_, random_);
}

ChatRequest EngineTest::request(const std::string& user, const std::string& text) const {
  return conversation(user, {"user: " + text});
}

ChatRequest EngineTest::conversation(const std::string& user,
                                     const std::vector<std::string>& lines) const {
  ChatRequest request;
  request.caller.body_user = user;
  for (const std::string& line : lines) request.generate.messages.push_back(message_of(line));
  return request;
}

Answer EngineTest::answered(ChatRequest request) {
  auto answer = respond_and_wait(*responder_, std::move(request));
  EXPECT_TRUE(answer) << answer.error().message;
  clock_.advance(std::chrono::seconds(1));
  return answer.value_or(Answer{});
}

Error EngineTest::refused(ChatRequest request) {
  auto answer = respond_and_wait(*responder_, std::move(request));
  EXPECT_FALSE(answer);
  return answer ? Error{} : answer.error();
}

Result<Answer> EngineTest::answered_while(ChatRequest request,
                                          const std::function<void()>& meanwhile) {
  model_.hold_after(1);
  std::promise<Result<Answer>> done;
  responder_->respond(std::move(request),
                      {.on_start = {}, .on_delta = {}, .on_done = [&](Result<Answer> answer) {
                         done.set_value(std::move(answer));
                       }});
  model_.wait_until_held();
  meanwhile();
  model_.release();
  return done.get_future().get();
}

std::vector<std::string> EngineTest::last_prompt() const {
  std::vector<std::string> lines;
  const auto messages = model_.requests().back().messages;
  for (const language::ChatMessage& message : messages) {
    lines.push_back(message.role() + ": " + message.content());
  }
  return lines;
}

std::vector<std::string> EngineTest::log_of(const std::string& user,
                                            const std::string& conversation) {
  std::vector<std::string> lines;
  const auto turns = store_->turns(pseudonym(user), conversation, {1000, 0});
  EXPECT_TRUE(turns) << turns.error().message;
  for (const store::Turn& turn : turns.value_or(std::vector<store::Turn>{})) {
    lines.push_back(turn.role + ": " + language::ChatMessage{Json::parse(turn.content)}.content());
  }
  return lines;
}

Json EngineTest::explanation_of(const std::string& response_id) {
  const auto trace = store_->trace(response_id);
  EXPECT_TRUE(trace) << trace.error().message;
  return trace ? trace->data : Json();
}

}  // namespace rapport::engine
