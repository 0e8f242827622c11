// Splitting a message into the clauses that may state something: sentences at full stops, clauses
// at commas and conjunctions, without quotations, code and quoted mail. For the rules in
// statements.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rapport::profile {

struct ClauseWord {
  std::string folded;     // for matching
  std::string_view text;  // as written, a view into the message
};

struct Clause {
  std::vector<ClauseWord> words;
  std::string_view text;  // as written, trimmed
  bool question = false;  // ends with a question mark
  bool hypothetical =
      false;  // of a sentence that asks, supposes or sets a task on others' words: states no fact
  bool first = false;  // of its sentence
};

/// Views point into `message`. Leading fillers ("by the way", "please", "can you") are not among
/// the words.
std::vector<Clause> split_clauses(std::string_view message);

}  // namespace rapport::profile
