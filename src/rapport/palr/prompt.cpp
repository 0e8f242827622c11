#include "rapport/palr/prompt.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "rapport/base/digest.h"
#include "rapport/base/text.h"
#include "rapport/guard/fence.h"

namespace rapport::palr {
namespace {

constexpr std::array<std::string_view, 4> kPlaceholders = {"history", "keywords", "candidates",
                                                           "count"};

tl::unexpected<Error> refuse(std::string_view name, std::size_t line, const std::string& what) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", name, line, what), "prompt");
}

Result<void> check_placeholders(std::string_view name, std::size_t line, std::string_view text) {
  for (std::size_t at = 0; (at = text.find("{{", at)) != text.npos; at += 2) {
    const std::size_t end = text.find("}}", at);
    const std::string_view word = end == text.npos ? "" : text.substr(at + 2, end - at - 2);
    if (std::ranges::find(kPlaceholders, word) == kPlaceholders.end())
      return refuse(
          name, line,
          fmt::format("a placeholder is one of {{{{{}}}}}", fmt::join(kPlaceholders, "}}, {{")));
  }
  return {};
}

struct Filling {
  std::string_view placeholder;
  std::string text;
};

/// The paragraph with its placeholders filled, in one pass: what a title holds is not looked at
/// again. None where one of them has nothing to say. The template was checked when it was parsed.
std::optional<std::string> filled_paragraph(std::string_view paragraph,
                                            const std::vector<Filling>& fillings) {
  std::string result;
  for (std::size_t at = 0; at < paragraph.size();) {
    const std::size_t mark = std::min(paragraph.find("{{", at), paragraph.size());
    result += paragraph.substr(at, mark - at);
    if (mark == paragraph.size()) break;
    const std::size_t end = paragraph.find("}}", mark);
    const std::string_view word = paragraph.substr(mark + 2, end - mark - 2);
    const auto filling = std::ranges::find(fillings, word, &Filling::placeholder);
    if (filling->text.empty()) return std::nullopt;
    result += filling->text;
    at = end + 2;
  }
  return result;
}

std::string filled(std::string_view text, const std::vector<Filling>& fillings) {
  std::string result;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find("\n\n", begin), text.size());
    const auto paragraph = filled_paragraph(text.substr(begin, end - begin), fillings);
    begin = end + 2;
    if (paragraph) result += (result.empty() ? "" : "\n\n") + *paragraph;
  }
  return result;
}

std::string fenced(std::string_view tag, std::span<const std::string> titles, bool with_letters,
                   std::size_t bytes) {
  if (titles.empty()) return "";
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < titles.size(); ++i)
    lines.push_back((with_letters ? letter(i) + ". " : "") + title_line(titles[i], bytes));
  return guard::fence(tag, lines);
}

std::vector<language::ChatMessage> messages_of(const Prompt& prompt, const PromptData& data,
                                               std::size_t newest, std::size_t bytes) {
  const auto history = std::span(data.history).last(newest);
  std::vector<std::string> keywords;
  for (const std::string& keyword : data.keywords) keywords.push_back(title_line(keyword, bytes));
  const std::vector<Filling> fillings = {
      {"history", fenced("history", history, false, bytes)},
      {"keywords", fmt::format("{}", fmt::join(keywords, ", "))},
      {"candidates", fenced("candidates", data.candidates, true, bytes)},
      {"count", std::to_string(data.count)}};
  std::vector<language::ChatMessage> messages;
  if (!prompt.system.empty())
    messages.push_back(language::ChatMessage::text("system", filled(prompt.system, fillings)));
  messages.push_back(language::ChatMessage::text("user", filled(prompt.user, fillings)));
  return messages;
}

}  // namespace

Result<Prompt> parse_prompt(std::string_view text, std::string_view name) {
  Prompt prompt{.name = std::string(name), .about = {}, .system = {}, .user = {}};
  std::string* part = nullptr;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line == "[system]" || line == "[user]") {
      part = line == "[system]" ? &prompt.system : &prompt.user;
      continue;
    }
    if (part != nullptr) {
      TRY_VOID(check_placeholders(name, number, line));
      part->append(line).append("\n");
    } else if (line.starts_with("version: ")) {
      const std::string_view value = line.substr(9);
      const auto [rest, error] =
          std::from_chars(value.data(), value.data() + value.size(), prompt.version);
      if (error != std::errc() || rest != value.data() + value.size() || prompt.version < 1)
        return refuse(name, number, "the version is a number from 1");
    } else if (line.starts_with("about: ")) {
      prompt.about = line.substr(7);
    } else if (!base::trim(line).empty()) {
      return refuse(name, number,
                    "expected \"version: N\", \"about: …\", \"[system]\" or \"[user]\"");
    }
  }
  prompt.system = base::trim(prompt.system);
  prompt.user = base::trim(prompt.user);
  if (prompt.version == 0) return refuse(name, number, "there is no \"version: N\"");
  if (prompt.user.empty()) return refuse(name, number, "there is no \"[user]\" with a text");
  return prompt;
}

std::string title_line(const std::string& title, std::size_t bytes) {
  const std::string_view shortened = base::truncate(title, bytes);
  return guard::fenced_line("history",
                            std::string(shortened) + (shortened.size() < title.size() ? "…" : ""));
}

std::string letter(std::size_t i) {
  return std::string(1, static_cast<char>(i < 26 ? 'A' + i : 'a' + (i - 26)));
}

std::string prompt_digest(std::string_view text) {
  return base::digest(text).substr(0, 12);
}

Result<FilledPrompt> fill(const Prompt& prompt, const PromptData& data,
                          const PromptLimits& limits) {
  if (data.candidates.size() > kLetters)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} candidates are more than the {} letters: ask for fewer",
                            data.candidates.size(), kLetters),
                "candidates");
  const auto fits = [&](std::size_t newest) -> Result<bool> {
    TRY(const std::int64_t tokens,
        limits.count_tokens(messages_of(prompt, data, newest, limits.title_bytes)));
    return tokens <= limits.tokens;
  };
  TRY(const bool all_fits, fits(data.history.size()));
  std::size_t most = data.history.size();
  if (!all_fits) {
    TRY(const bool none_fits, fits(0));
    if (!none_fits)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the prompt {} does not fit into {} tokens, even without a history: "
                              "ask with fewer candidates or raise the limit",
                              prompt.name, limits.tokens),
                  "tokens");
    // More of the history never takes fewer tokens: the most that fits lies between these.
    std::size_t too_many = most;
    most = 0;
    while (too_many - most > 1) {
      const std::size_t middle = most + (too_many - most) / 2;
      TRY(const bool middle_fits, fits(middle));
      (middle_fits ? most : too_many) = middle;
    }
  }
  return FilledPrompt{.messages = messages_of(prompt, data, most, limits.title_bytes),
                      .history = most};
}

}  // namespace rapport::palr
