// A user's history, and perhaps candidates, as the tokens that a language model reads, and its
// answers as the tokens that it shall write: the same when it is tuned and when it is asked.
//
//   TRY(const Questions questions, Questions::create(dataset, model, options));
//   TRY(const auto prompt, questions.recommend(history));
//   questions.title(item);      // the tokens of an answer's line
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rapport/data/dataset.h"
#include "rapport/language/embedded_model.h"
#include "rapport/palr/prompt.h"
#include "rapport/palr/vocabulary.h"

namespace rapport::palr {

struct QuestionOptions {
  std::int64_t history = 20;      // newest items of it that are shown
  std::int64_t profile = 0;       // keywords that the whole history bears out, shown beside it
  std::int64_t title_bytes = 80;  // of a title; longer ones are cut
  std::int64_t tokens = 2048;     // of a prompt; the oldest of the history gives way

  /// All but `history` and `profile`: instructions and profiles have their own.
  void describe(base::OptionSet& set);
  /// Those two.
  void describe_shown(base::OptionSet& set);
};

/// Thread-safe. The data set and the model outlive it.
class Questions {
 public:
  using Items = std::span<const data::ItemIndex>;
  using Tokens = std::vector<std::int32_t>;

  /// Errors: kInvalidArgument for a data set without titles.
  static Result<Questions> create(const data::Dataset& dataset,
                                  const language::EmbeddedModel& model,
                                  const QuestionOptions& options);

  /// What next, `count` titles? Oldest first. Errors: those of `fill`.
  Result<Tokens> recommend(Items history, std::int64_t count) const;
  /// Which of the candidates, by its letter?
  Result<Tokens> recommend_retrieval(Items history, Items candidates) const;
  /// The same as messages.
  Result<std::vector<language::ChatMessage>> recommend_messages(Items history,
                                                                std::int64_t count) const;
  Result<std::vector<language::ChatMessage>> recommend_retrieval_messages(Items history,
                                                                          Items candidates) const;
  /// Which `count` of the keywords say best what the user likes?
  Result<std::vector<language::ChatMessage>> profile_messages(
      Items history, const std::vector<std::string>& keywords, std::int64_t count) const;

  /// A line of an answer: the title as it is shown, and the line's end.
  std::string title_line(data::ItemIndex item) const;
  Tokens title(data::ItemIndex item) const { return model_->tokenize(title_line(item)); }
  /// The answer to a choice.
  Tokens letter(std::size_t i) const { return model_->tokenize(palr::letter(i)); }
  std::int32_t end() const { return model_->end_token(); }

 private:
  Questions(const data::Dataset& dataset, const language::EmbeddedModel& model,
            const QuestionOptions& options, std::shared_ptr<const Vocabulary> vocabulary,
            Prompt recommend, Prompt retrieval, Prompt profile);

  std::string title_of(data::ItemIndex item) const;
  std::vector<std::string> profile_of(Items history) const;
  std::vector<std::string> titles(Items items) const;
  Result<std::vector<language::ChatMessage>> messages(const Prompt& prompt, PromptData data) const;

  const data::Dataset* dataset_;
  const language::EmbeddedModel* model_;
  QuestionOptions options_;
  std::shared_ptr<const Vocabulary> vocabulary_;  // where a profile is shown
  Prompt recommend_, retrieval_, profile_;
};

}  // namespace rapport::palr
