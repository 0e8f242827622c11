#include <fmt/format.h>

#include "rapport/engine/steps.h"

namespace rapport::engine {

Permit permit(const Identity& who, const profile::Settings& settings,
              std::optional<profile::Degree> requested, profile::Degree by_default) {
  if (who.user.empty()) return {profile::Degree::kGeneric, "no user was named"};
  const profile::Degree own = settings.degree.value_or(by_default);
  if (requested && *requested < own) {
    return {*requested,
            fmt::format("the request asked for degree {}", static_cast<int>(*requested))};
  }
  return {own, fmt::format("{} degree {}", settings.degree ? "the user set" : "the default is",
                           static_cast<int>(own))};
}

}  // namespace rapport::engine
