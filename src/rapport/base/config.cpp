#include "rapport/base/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <limits>
#include <optional>

#include "rapport/base/files.h"
#include "rapport/base/text.h"

namespace rapport::base {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// A value that has passed its checks and waits until the whole source has.
struct Assignment {
  OptionSet::Option* option = nullptr;
  Value value;
  std::string origin;
};

std::string variable_name(std::string_view key) {
  std::string name = "RAPPORT_";
  for (const char c : key) {
    const bool is_lower = c >= 'a' && c <= 'z';
    name += is_lower ? static_cast<char>(c - 'a' + 'A') : c == '.' || c == '-' ? '_' : c;
  }
  return name;
}

/// The bounds of a whole number are kept as doubles; the largest would round up past the type.
std::int64_t whole(double bound) {
  return bound >= 0x1p63 ? std::numeric_limits<std::int64_t>::max()
                         : static_cast<std::int64_t>(bound);
}

std::string expectation(const OptionSet::Option& option) {
  struct Visitor {
    const OptionSet::Option& option;
    std::string operator()(bool*) const { return "true or false"; }
    std::string operator()(std::int64_t*) const {
      return fmt::format("a whole number from {} to {}", whole(option.minimum),
                         whole(option.maximum));
    }
    std::string operator()(double*) const {
      return fmt::format("a number from {:g} to {:g}", option.minimum, option.maximum);
    }
    std::string operator()(std::string*) const { return "a text"; }
    std::string operator()(std::vector<std::string>*) const { return "a list of texts"; }
  };
  return std::visit(Visitor{option}, option.target);
}

tl::unexpected<Error> wrong_value(const OptionSet::Option& option, std::string_view origin,
                                  std::string_view shown) {
  const std::string value =
      option.secret ? "has a value that does not fit" : fmt::format("is {}", to_valid_utf8(shown));
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: {} {}: expected {}", origin, option.key, value, expectation(option)),
              option.key);
}

bool in_range(const OptionSet::Option& option, double value) {
  // Written so that NaN is out of every range.
  return value >= option.minimum && value <= option.maximum;
}

void apply(const std::vector<Assignment>& assignments) {
  for (const Assignment& assignment : assignments) {
    std::visit([&]<typename T>(T* field) { *field = std::get<T>(assignment.value); },
               assignment.option->target);
    assignment.option->origin = assignment.origin;
  }
}

// From text: variables and flags.

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> items;
  if (trim(text).empty()) return items;
  while (true) {
    const std::size_t comma = text.find(',');
    items.emplace_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::optional<bool> to_bool(std::string_view text) {
  const std::string folded = fold_case(text);
  for (const char* yes : {"true", "1", "yes", "on"})
    if (folded == yes) return true;
  for (const char* no : {"false", "0", "no", "off"})
    if (folded == no) return false;
  return std::nullopt;
}

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<Value> value_from_text(const OptionSet::Option& option, std::string_view text,
                              std::string_view origin) {
  struct Visitor {
    const OptionSet::Option& option;
    std::string_view text;
    std::optional<Value> operator()(bool*) const { return to_bool(trim(text)); }
    std::optional<Value> operator()(std::int64_t*) const {
      const auto number = to_number<std::int64_t>(trim(text));
      if (!number || !in_range(option, static_cast<double>(*number))) return std::nullopt;
      return *number;
    }
    std::optional<Value> operator()(double*) const {
      const auto number = to_number<double>(trim(text));
      if (!number || !in_range(option, *number)) return std::nullopt;
      return *number;
    }
    std::optional<Value> operator()(std::string*) const {
      if (!is_utf8(text)) return std::nullopt;
      return std::string(text);
    }
    std::optional<Value> operator()(std::vector<std::string>*) const {
      if (!is_utf8(text)) return std::nullopt;
      return split_at_commas(text);
    }
  };
  if (auto value = std::visit(Visitor{option, text}, option.target)) return *std::move(value);
  return wrong_value(option, origin, fmt::format("\"{}\"", text));
}

// From TOML.

Result<toml::table> parse_toml(std::string_view text, const std::string& path) {
  // By the library that the system ships, which throws. The headers alone could do without, but in
  // our builds they fail where that one does not: in 3.3.0 "[}" trips an assertion, and any
  // character from U+00A1 to U+0499 outside a string runs into a __builtin_unreachable.
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}:{}: {}", path, error.source().begin.line, error.description()));
  }
}

std::string shown(const toml::node& node) {
  if (const auto* value = node.as_string()) return fmt::format("\"{}\"", value->get());
  if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
  if (node.is_array()) return "a list";
  if (node.is_table()) return "a table";
  return "a date or time";
}

struct FromToml {
  const OptionSet::Option& option;
  const toml::node& node;

  std::optional<Value> operator()(bool*) const {
    const auto* value = node.as_boolean();
    return value ? std::optional<Value>(value->get()) : std::nullopt;
  }
  std::optional<Value> operator()(std::int64_t*) const {
    const auto* value = node.as_integer();
    if (!value || !in_range(option, static_cast<double>(value->get()))) return std::nullopt;
    return value->get();
  }
  std::optional<Value> operator()(double*) const {
    double value = 0;
    if (const auto* number = node.as_floating_point()) {
      value = number->get();
    } else if (const auto* whole = node.as_integer()) {
      value = static_cast<double>(whole->get());
    } else {
      return std::nullopt;
    }
    if (!in_range(option, value)) return std::nullopt;
    return value;
  }
  std::optional<Value> operator()(std::string*) const {
    const auto* value = node.as_string();
    return value ? std::optional<Value>(value->get()) : std::nullopt;
  }
  std::optional<Value> operator()(std::vector<std::string>*) const {
    const auto* array = node.as_array();
    if (!array) return std::nullopt;
    std::vector<std::string> items;
    for (const toml::node& item : *array) {
      if (!item.is_string()) return std::nullopt;
      items.push_back(item.as_string()->get());
    }
    return items;
  }
};

/// The configuration has more options than a sentence can hold; a model has few.
constexpr std::size_t kMostNamed = 30;

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  if (!near.empty()) return fmt::format("did you mean {}?", near);
  return known.size() > kMostNamed ? "`rapport config show` lists the known ones"
                                   : fmt::format("expected one of {}", fmt::join(known, ", "));
}

std::vector<std::string> keys_of(const std::vector<OptionSet::Option>& options) {
  std::vector<std::string> keys;
  for (const auto& option : options) keys.push_back(option.key);
  return keys;
}

OptionSet::Option* find(std::vector<OptionSet::Option>& options, std::string_view key) {
  const auto found = std::ranges::find(options, key, &OptionSet::Option::key);
  return found == options.end() ? nullptr : &*found;
}

/// Adds what `table` says to `assignments`. The recursion is bounded by the parser's own limit.
Result<void> read_table(const toml::table& table, const std::string& prefix,
                        const std::string& path, std::vector<OptionSet::Option>& options,
                        std::vector<Assignment>& assignments) {
  for (const auto& [name, node] : table) {
    const std::string key =
        prefix.empty() ? std::string(name.str()) : fmt::format("{}.{}", prefix, name.str());
    const std::string origin = fmt::format("{}:{}", path, name.source().begin.line);
    if (OptionSet::Option* option = find(options, key)) {
      const auto value = std::visit(FromToml{*option, node}, option->target);
      if (!value) return wrong_value(*option, origin, shown(node));
      assignments.push_back({option, *value, origin});
      continue;
    }
    const bool is_section = std::ranges::any_of(
        options, [&](const auto& option) { return option.key.starts_with(key + "."); });
    const auto* inner = node.as_table();
    if (inner != nullptr && (is_section || !inner->empty())) {
      TRY_VOID(read_table(*inner, key, path, options, assignments));
    } else if (is_section) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: {} is a section: write its options under [{}]", origin, key, key), key);
    } else {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: unknown option {}: {}", origin, key, suggestion(key, keys_of(options))),
          key);
    }
  }
  return {};
}

}  // namespace

OptionSet::Option& OptionSet::add(Option option) {
  assert(std::ranges::none_of(options_, [&](const Option& other) {
    return variable_name(other.key) == variable_name(option.key);
  }));
  return options_.emplace_back(std::move(option));
}

OptionSet::Option& OptionSet::add(std::string key, bool& field, std::string help) {
  return add({.key = std::move(key), .target = &field, .help = std::move(help)});
}

OptionSet::Option& OptionSet::add(std::string key, std::string& field, std::string help) {
  return add({.key = std::move(key), .target = &field, .help = std::move(help)});
}

OptionSet::Option& OptionSet::add(std::string key, std::vector<std::string>& field,
                                  std::string help) {
  return add({.key = std::move(key), .target = &field, .help = std::move(help)});
}

OptionSet::Option& OptionSet::add(std::string key, std::int64_t& field, std::string help,
                                  std::int64_t minimum, std::int64_t maximum) {
  return add({.key = std::move(key),
              .target = &field,
              .help = std::move(help),
              .minimum = static_cast<double>(minimum),
              .maximum = static_cast<double>(maximum),
              .bounded = true});
}

OptionSet::Option& OptionSet::add(std::string key, double& field, std::string help, double minimum,
                                  double maximum) {
  return add({.key = std::move(key),
              .target = &field,
              .help = std::move(help),
              .minimum = minimum,
              .maximum = maximum,
              .bounded = true});
}

OptionSet::Option& OptionSet::add_secret(std::string key, std::string& field, std::string help) {
  return add({.key = std::move(key), .target = &field, .help = std::move(help), .secret = true});
}

Result<void> OptionSet::load_file(const std::string& path) {
  TRY(const std::string text, read_file(path, kMaxFileBytes));
  TRY(const toml::table table, parse_toml(text, path));
  std::vector<Assignment> assignments;
  TRY_VOID(read_table(table, "", path, options_, assignments));
  apply(assignments);
  return {};
}

Result<void> OptionSet::load_environment(const std::map<std::string, std::string>& environment,
                                         const std::vector<std::string>& ignored) {
  // From the known options to the variables, never back: "_" in a variable may be "." or "_".
  std::map<std::string, Option*> known;
  std::vector<std::string> names;
  for (Option& option : options_) {
    names.push_back(variable_name(option.key));
    known.emplace(names.back(), &option);
  }
  std::vector<Assignment> assignments;
  for (const auto& [variable, text] : environment) {
    if (!variable.starts_with("RAPPORT_") || std::ranges::find(ignored, variable) != ignored.end())
      continue;
    const auto found = known.find(variable);
    if (found == known.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown variable {}: {}", variable, suggestion(variable, names)));
    }
    TRY(Value value, value_from_text(*found->second, text, variable));
    assignments.push_back({found->second, std::move(value), variable});
  }
  apply(assignments);
  return {};
}

Result<void> OptionSet::assign(std::string_view key, std::string_view value,
                               std::string_view origin) {
  Option* const option = find(options_, key);
  if (option == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: unknown option {}: {}", origin, to_valid_utf8(key),
                            suggestion(key, keys_of(options_))),
                to_valid_utf8(key));
  }
  TRY(Value parsed, value_from_text(*option, value, origin));
  apply({{option, std::move(parsed), std::string(origin)}});
  return {};
}

Json OptionSet::value(const Option& option) {
  if (option.secret) {
    const auto* field = std::get_if<std::string*>(&option.target);
    return field != nullptr && !(*field)->empty() ? "(set)" : "(not set)";
  }
  return std::visit([](const auto* field) { return Json(*field); }, option.target);
}

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::string::npos;
  for (const std::string& candidate : known) {
    const std::size_t limit = candidate.size() / 3;
    const std::size_t difference =
        std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size());
    if (difference > limit) continue;  // the distance is at least that
    // Levenshtein, one row at a time.
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t replaced = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() <= limit && row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace rapport::base
