// Lists that a language model writes freely: names, each matched to the catalogue (title_index.h).
// The paper's PALR-1, and the measure of what a model makes up.
//
//   TRY(const auto report, write_lists(dataset, Split::kTest, users, model, options, "lists.jsonl",
//                                      context));
//   report["hallucinated"];      // share of names that mean no item
//
// A name that means nothing in the catalogue is a hallucination; so that it can be counted it
// stands in the file, and nowhere else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/data/leave_one_out.h"
#include "rapport/palr/answer_file.h"
#include "rapport/palr/candidates.h"
#include "rapport/palr/questions.h"
#include "rapport/palr/title_index.h"

namespace rapport::palr {

struct WrittenListOptions {
  std::int64_t count = 10;  // names that are asked for, and read
  QuestionOptions question = {};

  void describe(base::OptionSet& set);
  Json to_json() const;
};

struct WrittenList {
  std::vector<std::string> names;           // as they were written
  std::vector<data::ItemIndex> items;       // that they mean, once each, none of the history
  std::vector<std::string> hallucinations;  // names that mean no item
  std::int64_t taken = 0;                   // names of what the user took already
};

/// One name a line; bullets and numbers before it are no part of it. An answer that was cut off in
/// the middle of a line (`is_whole` false) ends with the line before. At most `count` names.
WrittenList read_list(std::string_view answer, bool is_whole, std::int64_t count,
                      const TitleIndex& index, std::span<const data::ItemIndex> history);

/// Lets `model` write, likeliest token by token, for those of `users` with an item held out whom
/// the file lacks yet, `side_by_side` at a time. Returns {"users", "written", "names" (a user),
/// "hallucinated", "taken", "repeated" (shares of the names), "items" (a user, of the catalogue and
/// new), "hr@10", "ndcg@10" (of the held-out item in the list), "seconds"}. Errors: those of
/// AnswerFile::begin and of the model; kCancelled.
Result<Json> write_lists(const data::Dataset& dataset, data::Split split, const Lot& users,
                         language::EmbeddedModel& model, std::int64_t side_by_side,
                         const WrittenListOptions& options, const std::filesystem::path& path,
                         const AskingContext& context);

}  // namespace rapport::palr
