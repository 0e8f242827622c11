// What a language model is asked: a versioned template, filled with data in fences and cut to the
// tokens there are.
//
//   TRY(const Prompt prompt, parse_prompt(prompts::kRecommendRetrieval, "recommend_retrieval"));
//   TRY(const FilledPrompt filled, fill(prompt, {.history = titles, .candidates = others},
//   limits)); filled.messages;      // for LanguageModel or ChoiceRequest
//
// A template is a text file: "version: N" and "about: …", then "[system]" and "[user]", each a line
// of its own before its text. {{history}}, {{keywords}}, {{candidates}} and {{count}} are filled
// in; a paragraph whose list is empty is left out. Titles are data: one line each, within a fence
// that they cannot end (guard/fence.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/language/language_model.h"

namespace rapport::palr {

struct Prompt {
  std::string name;
  std::int64_t version = 0;
  std::string about;         // one line
  std::string system, user;  // with placeholders
};

/// `name` is for messages: a template's, or its file's path. Errors: kInvalidArgument, naming the
/// line: a missing part, an unknown placeholder.
Result<Prompt> parse_prompt(std::string_view text, std::string_view name);

/// Tells templates apart.
std::string prompt_digest(std::string_view text);

struct PromptData {
  std::vector<std::string> history = {};     // titles, oldest first
  std::vector<std::string> keywords = {};    // most important first
  std::vector<std::string> candidates = {};  // titles, in the order of their letters
  std::int64_t count = 1;                    // of what is asked for
};

struct PromptLimits {
  std::int64_t tokens = 2048;  // of the whole prompt
  std::size_t title_bytes = 120;
  /// Tokens that messages take, template of the model included.
  std::function<Result<std::int64_t>(const std::vector<language::ChatMessage>&)> count_tokens;
};

struct FilledPrompt {
  std::vector<language::ChatMessage> messages;
  std::size_t history = 0;  // newest items of it that there was room for
};

/// The oldest of the history is left out first, as much as has to. Errors: kInvalidArgument when
/// the prompt does not fit without any history (param: "tokens"), or there are more candidates than
/// letters; those of count_tokens.
Result<FilledPrompt> fill(const Prompt& prompt, const PromptData& data, const PromptLimits& limits);

/// A title as a prompt shows it: one line, cut where it is longer than `bytes`.
std::string title_line(const std::string& title, std::size_t bytes);

/// What candidate `i` is called in a prompt: A … Z, a … z; one token each in usual vocabularies.
inline constexpr std::size_t kLetters = 52;
std::string letter(std::size_t i);

}  // namespace rapport::palr
