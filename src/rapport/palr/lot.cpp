#include "rapport/palr/lot.h"

#include <algorithm>
#include <utility>

#include "rapport/base/json_member.h"
#include "rapport/base/random.h"
#include "rapport/data/groups.h"
#include "rapport/data/sample.h"

namespace rapport::palr {

Json LotOptions::to_json() const {
  return {{"fraction", fraction}, {"strata", strata}, {"seed", seed}};
}

std::optional<LotOptions> LotOptions::from_json(const Json& json) {
  const Json* fraction = base::member(json, "fraction", &Json::is_number);
  const Json* strata = base::member(json, "strata", &Json::is_string);
  const Json* seed = base::member(json, "seed", &Json::is_number_integer);
  if (fraction == nullptr || strata == nullptr || seed == nullptr) return std::nullopt;
  return LotOptions{fraction->get<double>(), strata->get<std::string>(), seed->get<std::int64_t>()};
}

bool Lot::has(data::UserIndex user) const {
  return std::ranges::binary_search(users, user);
}

Result<Lot> draw(const data::Dataset& dataset, const LotOptions& options) {
  TRY(auto strata, data::parse_group_by(options.strata));
  base::SeededRandom random(static_cast<std::uint64_t>(options.seed));
  TRY(const data::Sample sampled,
      data::sample(dataset, {.fraction = options.fraction, .strata = std::move(strata)}, random));
  std::vector<std::pair<data::UserIndex, float>> drawn;
  const data::People& people = sampled.dataset.people();
  for (data::UserIndex i = 0; i < people.size(); ++i)
    drawn.emplace_back(*dataset.people().find(people.id(i)), sampled.dataset.weight(i));
  std::ranges::sort(drawn);
  Lot lot;
  for (const auto& [user, weight] : drawn) {
    lot.users.push_back(user);
    lot.weights.push_back(weight);
  }
  return lot;
}

}  // namespace rapport::palr
