// What a user says of themselves in so many words, caught by rules: microseconds, always on, no
// model.
//
//   find_statements("I'm vegetarian, by the way")  →  {kFact, "diet", "vegetarian", "I'm
//   vegetarian"} find_statements("answer briefly")              →  {kSetting, "length", "brief",
//   "answer briefly"}
//
// Only plain first-person statements count: not questions, hypotheticals, quotations, fenced code
// or others' words. Rules are a table in statements.cpp; each has a test line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rapport::profile {

enum class StatementKind { kSetting, kFact, kRetraction };

struct Statement {
  StatementKind kind;
  std::string attribute;  // "diet", "language", …
  std::string
      value;  // "vegetarian", "Spanish"; of a retraction: what no longer holds ("" is any value)
  std::string evidence;  // the user's words it rests on
  bool operator==(const Statement&) const = default;
};

/// In the order they were said; at most 16 of one message, of which at most the first 8 KiB are
/// read.
std::vector<Statement> find_statements(std::string_view message);

}  // namespace rapport::profile
