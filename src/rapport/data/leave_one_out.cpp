#include "rapport/data/leave_one_out.h"

#include <fmt/format.h>

namespace rapport::data {
namespace {

/// One to learn from, one to choose by, one to test on.
constexpr std::size_t kFewest = 3;

}  // namespace

std::string_view name(Split split) {
  return split == Split::kTest ? "test" : "validation";
}

Result<Split> parse_split(std::string_view text) {
  for (const Split split : {Split::kValidation, Split::kTest})
    if (text == name(split)) return split;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("there is no split \"{}\": it is \"validation\" or \"test\"", text),
              "split");
}

std::span<const ItemIndex> training_history(const Dataset& dataset, UserIndex user) {
  const auto all = dataset.history(user);
  return all.size() < kFewest ? all.first(0) : all.first(all.size() - 2);
}

std::vector<std::span<const ItemIndex>> training_histories(const Dataset& dataset) {
  std::vector<std::span<const ItemIndex>> histories;
  for (UserIndex user = 0; user < dataset.users(); ++user)
    histories.push_back(training_history(dataset, user));
  return histories;
}

std::optional<HeldOut> held_out(const Dataset& dataset, UserIndex user, Split split) {
  const auto all = dataset.history(user);
  if (all.size() < kFewest) return std::nullopt;
  const std::size_t target = all.size() - (split == Split::kTest ? 1 : 2);
  return HeldOut{.history = all.first(target), .target = all[target]};
}

}  // namespace rapport::data
