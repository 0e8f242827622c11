#include "rapport/palr/questions.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/palr/prompts.h"
#include "rapport/palr/supported_keywords.h"

namespace rapport::palr {

void QuestionOptions::describe(base::OptionSet& set) {
  set.add("title_bytes", title_bytes, "of a title that it is shown; longer ones are cut", 10, 2000);
  set.add("tokens", tokens, "of a prompt; the oldest of the history gives way", 64, 1 << 20);
}

void QuestionOptions::describe_shown(base::OptionSet& set) {
  set.add("history", history, "newest items of it that the language model is shown", 1, 1000);
  set.add("profile", profile, "keywords that the history bears out, shown beside it; 0: none", 0,
          100);
}

Questions::Questions(const data::Dataset& dataset, const language::EmbeddedModel& model,
                     const QuestionOptions& options, std::shared_ptr<const Vocabulary> vocabulary,
                     Prompt recommend, Prompt retrieval, Prompt profile)
    : dataset_(&dataset),
      model_(&model),
      options_(options),
      vocabulary_(std::move(vocabulary)),
      recommend_(std::move(recommend)),
      retrieval_(std::move(retrieval)),
      profile_(std::move(profile)) {}

Result<Questions> Questions::create(const data::Dataset& dataset,
                                    const language::EmbeddedModel& model,
                                    const QuestionOptions& options) {
  bool has_titles = false;
  for (data::ItemIndex i = 0; i < dataset.items() && !has_titles; ++i)
    has_titles = !dataset.catalogue().title(i).empty();
  if (!has_titles)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the items of {} have no titles, and a language model knows them by "
                    "nothing else: prepare it with its items (rapport data prepare --items)",
                    dataset.name()),
        "data");
  TRY(Prompt recommend, parse_prompt(prompts::kRecommend, "recommend"));
  TRY(Prompt retrieval, parse_prompt(prompts::kRecommendRetrieval, "recommend_retrieval"));
  TRY(Prompt profile, parse_prompt(prompts::kProfile, "profile"));
  auto vocabulary = options.profile > 0
                        ? std::make_shared<const Vocabulary>(mine_vocabulary(dataset, {}))
                        : nullptr;
  return Questions(dataset, model, options, std::move(vocabulary), std::move(recommend),
                   std::move(retrieval), std::move(profile));
}

std::string Questions::title_of(data::ItemIndex item) const {
  const std::string_view title = dataset_->catalogue().title(item);
  return title.empty() ? "untitled" : std::string(title);
}

std::vector<std::string> Questions::profile_of(Items history) const {
  std::vector<std::string> keywords;
  if (!vocabulary_) return keywords;
  for (PreferenceKeyword& each : supported_keywords(history, *vocabulary_, options_.profile))
    keywords.push_back(std::move(each.text));
  return keywords;
}

std::vector<std::string> Questions::titles(Items items) const {
  std::vector<std::string> titles;
  for (const data::ItemIndex item : items) titles.push_back(title_of(item));
  return titles;
}

Result<std::vector<language::ChatMessage>> Questions::messages(const Prompt& prompt,
                                                               PromptData data) const {
  const auto shown = static_cast<std::size_t>(options_.history);
  if (data.history.size() > shown)
    data.history.erase(data.history.begin(),
                       data.history.end() - static_cast<std::ptrdiff_t>(shown));
  const PromptLimits limits{
      .tokens = options_.tokens,
      .title_bytes = static_cast<std::size_t>(options_.title_bytes),
      .count_tokens = [this](const auto& asked) { return model_->count_tokens(asked); }};
  TRY(FilledPrompt filled, fill(prompt, data, limits));
  return std::move(filled.messages);
}

Result<std::vector<language::ChatMessage>> Questions::recommend_messages(Items history,
                                                                         std::int64_t count) const {
  return messages(recommend_,
                  {.history = titles(history), .keywords = profile_of(history), .count = count});
}

Result<std::vector<language::ChatMessage>> Questions::recommend_retrieval_messages(
    Items history, Items candidates) const {
  return messages(retrieval_, {.history = titles(history),
                               .keywords = profile_of(history),
                               .candidates = titles(candidates)});
}

Result<std::vector<language::ChatMessage>> Questions::profile_messages(
    Items history, const std::vector<std::string>& keywords, std::int64_t count) const {
  return messages(profile_, {.history = titles(history), .keywords = keywords, .count = count});
}

Result<Questions::Tokens> Questions::recommend(Items history, std::int64_t count) const {
  TRY(const auto asked, recommend_messages(history, count));
  return model_->prompt_tokens(asked);
}

Result<Questions::Tokens> Questions::recommend_retrieval(Items history, Items candidates) const {
  TRY(const auto asked, recommend_retrieval_messages(history, candidates));
  return model_->prompt_tokens(asked);
}

std::string Questions::title_line(data::ItemIndex item) const {
  return palr::title_line(title_of(item), static_cast<std::size_t>(options_.title_bytes)) + "\n";
}

}  // namespace rapport::palr
