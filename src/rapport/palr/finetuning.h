// Instructions (instructions.h) as what a language model is tuned on, and as files for others to
// tune theirs on.
//
//   TRY(const auto texts, training_texts(learnt, questions));
//   TRY(const auto tuned, tuning::train_lora(path, texts, options, context));
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rapport/data/leave_one_out.h"
#include "rapport/palr/instructions.h"
#include "rapport/palr/lot.h"
#include "rapport/palr/questions.h"
#include "rapport/tuning/lora_training.h"

namespace rapport::palr {

/// One a text: the prompt, then the answer: the titles of the items, one a line, or the letter of
/// the candidate. Errors: those of `fill`.
Result<std::vector<tuning::TrainingText>> training_texts(std::span<const Instruction> learnt,
                                                         const Questions& questions);

/// {"messages": [{"role", "content"}, …]}, the assistant's last: the form in which services take
/// examples to tune on, one a line of JSONL.
Result<Json> training_example(const Instruction& instruction, const Questions& questions);

/// What an adapter says that it was tuned on.
struct TunedOn {
  InstructionOptions instructions;
  QuestionOptions question;
  LotOptions lot;  // of whom it learned

  /// {"task", "lot"}: what answers hang on beside the adapter's weights.
  Json to_json() const;
};

/// For LoraAdapter::about: who was learned from, and how.
Json about_tuning(const data::Dataset& dataset, const InstructionOptions& instructions,
                  const QuestionOptions& question, const tuning::LoraOptions& lora,
                  std::int64_t seed);

/// None for an adapter that says nothing of it, or that was tuned on other items. Errors: those of
/// read_adapter; kConflict for one that was tuned on other interactions with the same items: it may
/// have learned the very items that it would be asked for.
Result<std::optional<TunedOn>> tuned_on(const std::filesystem::path& adapter,
                                        const data::Dataset& dataset);

/// Leaves out whom the adapter must not be asked about: those whose validation item it has learned.
/// Errors: those of draw; kConflict where nobody is left.
Result<Lot> not_learned(Lot lot, const data::Dataset& dataset, data::Split split,
                        const TunedOn& tuned);

}  // namespace rapport::palr
