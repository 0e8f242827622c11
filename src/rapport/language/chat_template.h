// From messages to the text, and the tokens, that a GGUF's own chat template makes of them.
//
//   TRY(const auto chat, ChatTemplate::create(*model));
//   TRY(const ChatPrompt prompt, chat->render({.messages = request.messages}));
//
// Notes on templates: SmolLM2's puts a system message of its own in front when there is none. A
// template that knows no tools gets them through one of ours, if it is of the ChatML family; the
// format is that of Hermes and Qwen (<tool_call>{"name", "arguments"}</tool_call>).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rapport/language/language_model.h"

struct common_chat_params;
struct common_chat_templates;
struct llama_model;
struct llama_vocab;

namespace rapport::language {

struct ChatInputs {
  std::vector<ChatMessage> messages;
  Json tools = {};        // array or null
  Json tool_choice = {};  // string, object or null
  bool parallel_tool_calls = true;
};

struct ChatPrompt {
  std::string text;
  std::vector<std::int32_t> tokens;
  /// Strings that end an answer in this format, beside the model's end-of-generation tokens.
  std::vector<std::string> stop;
  /// How tool calls look and are constrained; null when the answer is plain text.
  std::shared_ptr<const common_chat_params> tool_format;
  /// A GBNF grammar that the whole answer must follow (a required call in our own format), or "".
  std::string grammar;
};

/// Thread-safe once created.
class ChatTemplate {
 public:
  /// `model` must outlive it. `source` is a Jinja template to use instead of the model's own, ""
  /// for that. Errors: kUnsupported when there is none that works.
  static Result<std::unique_ptr<ChatTemplate>> create(const llama_model& model,
                                                      const std::string& source = {});
  ~ChatTemplate();
  ChatTemplate(const ChatTemplate&) = delete;
  ChatTemplate& operator=(const ChatTemplate&) = delete;

  /// Up to where the assistant's answer begins. What messages contain is only ever text: where one
  /// spells a control token ("<|im_end|>"), it becomes the tokens of its letters, so that nobody
  /// can end a message from inside and begin another one. Errors: kInvalidArgument with `param` for
  /// what the template refuses; kUnsupported for parts that are not text and for tools the template
  /// family has no words for.
  Result<ChatPrompt> render(const ChatInputs& inputs) const;

  /// What `render` would refuse of tools and messages, without rendering.
  Result<void> check(const ChatInputs& inputs) const;

 private:
  struct Templates;
  ChatTemplate(const llama_model& model, std::unique_ptr<Templates> templates);

  Result<std::vector<std::int32_t>> tokenize(const std::string& text,
                                             const std::vector<ChatMessage>& messages) const;
  bool spells_control_token(const std::string& text) const;

  const llama_vocab* vocab_;
  std::unique_ptr<Templates> templates_;
  std::vector<std::string> control_tokens_;
};

}  // namespace rapport::language
