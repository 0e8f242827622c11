#include "rapport/palr/finetuning.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/base/json_member.h"
#include "rapport/palr/option_json.h"

namespace rapport::palr {
namespace {

/// Which of the candidates the answer is.
std::size_t place_of_answer(const Instruction& instruction) {
  return static_cast<std::size_t>(
      std::ranges::find(instruction.candidates, instruction.answers.front()) -
      instruction.candidates.begin());
}

}  // namespace

Result<std::vector<tuning::TrainingText>> training_texts(std::span<const Instruction> learnt,
                                                         const Questions& questions) {
  std::vector<tuning::TrainingText> texts;
  for (const Instruction& each : learnt) {
    tuning::TrainingText text;
    const auto add = [&](const Questions::Tokens& tokens) {
      text.tokens.insert(text.tokens.end(), tokens.begin(), tokens.end());
    };
    if (each.candidates.empty()) {
      TRY(text.tokens,
          questions.recommend(each.history, static_cast<std::int64_t>(each.answers.size())));
      text.answer = static_cast<std::int64_t>(text.tokens.size());
      for (const data::ItemIndex item : each.answers) add(questions.title(item));
    } else {
      TRY(text.tokens, questions.recommend_retrieval(each.history, each.candidates));
      text.answer = static_cast<std::int64_t>(text.tokens.size());
      add(questions.letter(place_of_answer(each)));
    }
    text.tokens.push_back(questions.end());
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<Json> training_example(const Instruction& instruction, const Questions& questions) {
  std::string answer;
  std::vector<language::ChatMessage> messages;
  if (instruction.candidates.empty()) {
    TRY(messages, questions.recommend_messages(
                      instruction.history, static_cast<std::int64_t>(instruction.answers.size())));
    for (const data::ItemIndex item : instruction.answers) answer += questions.title_line(item);
    answer.pop_back();
  } else {
    TRY(messages,
        questions.recommend_retrieval_messages(instruction.history, instruction.candidates));
    answer = letter(place_of_answer(instruction));
  }
  messages.push_back(language::ChatMessage::text("assistant", answer));
  Json list = Json::array();
  for (const auto& message : messages) list.push_back(message.json);
  return Json{{"messages", std::move(list)}};
}

Json TunedOn::to_json() const {
  return {{"task", instructions.task}, {"lot", lot.to_json()}};
}

Json about_tuning(const data::Dataset& dataset, const InstructionOptions& instructions,
                  const QuestionOptions& question, const tuning::LoraOptions& lora,
                  std::int64_t seed) {
  return {{"made_by", "rapport palr finetune"},
          {"instructions", option_json(instructions)},
          {"question", option_json(question)},
          {"lora", lora.to_json()},
          {"lot", LotOptions{instructions.fraction, instructions.strata, seed}.to_json()},
          {"data",
           {{"name", dataset.name()},
            {"checksum", dataset.checksum()},
            {"catalogue_checksum", dataset.catalogue_checksum()}}}};
}

Result<std::optional<TunedOn>> tuned_on(const std::filesystem::path& adapter,
                                        const data::Dataset& dataset) {
  TRY(const tuning::LoraAdapter read, tuning::read_adapter(adapter));
  const Json* data = base::member(read.about, "data", &Json::is_object);
  const Json* lot = base::member(read.about, "lot", &Json::is_object);
  const Json* instructions = base::member(read.about, "instructions", &Json::is_object);
  const Json* question = base::member(read.about, "question", &Json::is_object);
  if (data == nullptr || lot == nullptr || instructions == nullptr || question == nullptr)
    return std::nullopt;
  if (base::text_member(*data, "catalogue_checksum") != dataset.catalogue_checksum())
    return std::nullopt;
  if (base::text_member(*data, "checksum") != dataset.checksum())
    return fail(ErrorCode::kConflict,
                fmt::format("{} was tuned on other interactions with the items of {} ({}): it may "
                            "have learned what it would be asked for; tune it on these",
                            adapter.string(), dataset.name(), base::text_member(*data, "name")),
                "adapter");
  TunedOn tuned;
  const auto drawn = LotOptions::from_json(*lot);
  base::OptionSet asked, shown;
  tuned.instructions.describe(asked);
  tuned.question.describe(shown);
  if (!drawn || !assign_json(asked, *instructions) || !assign_json(shown, *question))
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("{}: what it was tuned on cannot be read: tune it again", adapter.string()));
  tuned.lot = *drawn;
  tuned.question.history = tuned.instructions.history;
  tuned.question.profile = tuned.instructions.profile;
  return tuned;
}

Result<Lot> not_learned(Lot lot, const data::Dataset& dataset, data::Split split,
                        const TunedOn& tuned) {
  if (split != data::Split::kValidation || tuned.instructions.task != "recommend_retrieval")
    return lot;
  TRY(const Lot learned, draw(dataset, tuned.lot));
  Lot rest;
  for (std::size_t i = 0; i < lot.users.size(); ++i) {
    if (learned.has(lot.users[i])) continue;
    rest.users.push_back(lot.users[i]);
    rest.weights.push_back(lot.weights[i]);
  }
  if (rest.users.empty())
    return fail(ErrorCode::kConflict,
                "the adapter has learned the validation items of all these users: ask about others "
                "with another --seed, or with an adapter of task=recommend",
                "adapter");
  return rest;
}

}  // namespace rapport::palr
