#include "rapport/language/schema_bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "rapport/base/text.h"

namespace rapport::language {
namespace {

// A token has some eight characters and each of the 49,152 may have to be tried: 8 readings make
// some 70 paths through a token, 16 would make 13,000.
constexpr int kMaxReadings = 8;
constexpr int kMaxGroups = 32;  // in each other

int times(int a, int b) {
  const auto product = static_cast<std::int64_t>(a) * b;
  return static_cast<int>(std::min<std::int64_t>(product, kMostReadings));
}

int plus(int a, int b) {
  return std::min(a + b, kMostReadings);
}

/// Of an element, a sequence or a group.
struct Part {
  bool may_be_missing = false;
  int at_once = 1;  // readings where it begins
  int most = 1;     // readings anywhere in it
};

struct Repetition {
  int least = 1;
  int copies = 1;  // 1 for `*` and `+`, which go round instead
  bool repeats = false;
};

/// Reads just enough of the syntax to count; what is no regular expression is for llama.cpp to
/// refuse.
class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : rest_(pattern) {}

  int count() {
    int most = 1;
    while (!rest_.empty()) {
      most = std::max(most, alternatives(0).part.most);
      if (!rest_.empty()) rest_.remove_prefix(1);  // a ")" too many
    }
    return most;
  }

 private:
  struct Group {
    Part part;
    int alike = 1;  // alternatives that can begin with the same character
  };

  Group alternatives(int depth) {
    if (depth > kMaxGroups) {
      rest_ = {};
      return {{true, kMostReadings, kMostReadings}, 1};
    }
    Group group{{false, 0, 1}, 0};
    std::set<char> beginnings;
    while (true) {
      const bool plain =
          !rest_.empty() && std::string_view("\\[(.^$|)?*+{").find(rest_[0]) == std::string::npos;
      if (!plain || !beginnings.insert(rest_[0]).second) ++group.alike;
      const Part one = sequence(depth);
      group.part.may_be_missing = group.part.may_be_missing || one.may_be_missing;
      group.part.at_once = std::max(group.part.at_once, one.at_once);
      group.part.most = std::max(group.part.most, one.most);
      if (rest_.empty() || rest_[0] != '|') break;
      rest_.remove_prefix(1);
    }
    group.alike = std::max(group.alike, 1);
    return group;
  }

  Part sequence(int depth) {
    Part whole{true, 0, 1};
    int side_by_side = 0;
    while (!rest_.empty() && rest_[0] != '|' && rest_[0] != ')') {
      const Part part = element(depth);
      side_by_side = plus(side_by_side, part.at_once);
      whole.most = std::max({whole.most, part.most, side_by_side});
      if (whole.may_be_missing) whole.at_once = side_by_side;
      if (part.may_be_missing) continue;
      whole.may_be_missing = false;
      side_by_side = 0;
    }
    return whole;
  }

  Part element(int depth) {
    Part part;
    int alike = 1;
    if (rest_[0] == '(') {
      rest_.remove_prefix(1);
      if (rest_.starts_with("?:")) rest_.remove_prefix(2);
      Group group = alternatives(depth + 1);
      if (rest_.starts_with(')')) rest_.remove_prefix(1);
      part = group.part;
      alike = group.alike;
    } else if (rest_[0] == '^' || rest_[0] == '$') {
      rest_.remove_prefix(1);
      return {true, 0, 1};
    } else {
      skip_character();
    }
    const Repetition repetition = repeated();
    if (part.may_be_missing) part.at_once = times(part.at_once, repetition.copies);
    if (repetition.repeats) part.at_once = times(part.at_once, alike);
    part.may_be_missing = part.may_be_missing || repetition.least == 0;
    part.most = std::max(part.most, part.at_once);
    return part;
  }

  void skip_character() {
    if (rest_[0] != '[') {
      rest_.remove_prefix(rest_[0] == '\\' ? std::min<std::size_t>(2, rest_.size()) : 1);
      return;
    }
    std::size_t at = 1;
    while (at < rest_.size() && rest_[at] != ']') at += rest_[at] == '\\' ? 2 : 1;
    rest_.remove_prefix(std::min(at + 1, rest_.size()));
  }

  Repetition repeated() {
    Repetition all;
    while (!rest_.empty()) {
      const char c = rest_[0];
      if (c == '*' || c == '+' || c == '?') {
        rest_.remove_prefix(1);
        if (c != '+') all.least = 0;
        all.repeats = all.repeats || c != '?';
      } else if (c == '{') {
        const std::size_t end = std::min(rest_.find('}'), rest_.size());
        count_copies(rest_.substr(1, end - 1), all);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
      } else {
        break;
      }
    }
    return all;
  }

  /// "3", "3,", "3,7".
  static void count_copies(std::string_view text, Repetition& all) {
    const auto number = [](std::string_view digits, int otherwise) {
      int value = 0;
      const auto [end, fault] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (fault == std::errc::result_out_of_range) return kMostReadings;
      return end == digits.data() ? otherwise : value;
    };
    const std::size_t comma = text.find(',');
    const int least = number(text.substr(0, comma), 0);
    const int most =
        comma == std::string_view::npos ? least : number(text.substr(comma + 1), least);
    if (least == 0) all.least = 0;
    all.copies = times(all.copies, std::max({least, most, 1}));
    all.repeats = all.repeats || all.copies > 1 || comma != std::string_view::npos;
  }

  std::string_view rest_;
};

}  // namespace

int readings(std::string_view pattern) {
  return PatternReader(pattern).count();
}

Result<void> check_patterns(const Json& schema, const std::string& param) {
  if (schema.is_object()) {
    if (const auto found = schema.find("pattern"); found != schema.end() && found->is_string()) {
      const auto& pattern = found->get_ref<const std::string&>();
      if (readings(pattern) > kMaxReadings)
        return fail(ErrorCode::kUnsupported,
                    fmt::format("the pattern \"{}\" in {} can be read in too many ways at once: "
                                "write it with fewer parts that may be missing side by side",
                                base::truncate(pattern, 60), param),
                    param);
    }
  }
  if (!schema.is_structured()) return {};
  for (const Json& inner : schema) TRY_VOID(check_patterns(inner, param));
  return {};
}

}  // namespace rapport::language
