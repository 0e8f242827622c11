// The split that every figure rests on: a user's last item is the test, the one before the
// validation, the rest the training.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/dataset.h"

namespace rapport::data {

enum class Split { kValidation, kTest };
std::string_view name(Split split);
/// "validation" or "test". Errors: kInvalidArgument.
Result<Split> parse_split(std::string_view text);

struct HeldOut {
  std::span<const ItemIndex> history;  // oldest first; the validation item is part of the test's
  ItemIndex target = 0;
};

/// What a model may learn from: all but the last two; empty for users with fewer than three.
std::span<const ItemIndex> training_history(const Dataset& dataset, UserIndex user);
/// [users]
std::vector<std::span<const ItemIndex>> training_histories(const Dataset& dataset);
/// nullopt for users with fewer than three items: they have nothing to learn from or to test.
std::optional<HeldOut> held_out(const Dataset& dataset, UserIndex user, Split split);

}  // namespace rapport::data
