#include "rapport/engine/interactions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "rapport/base/text.h"

namespace rapport::engine {
namespace {

using store::InteractionKind;

constexpr double kMaxRating = 5;
// An application's clock that differs by more is wrong. An event from further ahead would be the
// newest for ever.
constexpr base::UnixMillis kMaxSkew = 5 * 60 * 1000;

profile::Degree least_degree(InteractionKind kind) {
  switch (kind) {
    case InteractionKind::kLike:
    case InteractionKind::kHide:
    case InteractionKind::kRating: return profile::Degree::kSettings;
    case InteractionKind::kView:
    case InteractionKind::kClick:
    case InteractionKind::kPurchase: return profile::Degree::kProfile;
  }
  return profile::Degree::kMemory;
}

Result<void> check_value(const NewInteraction& event, const std::string& where) {
  const bool rating = event.kind == InteractionKind::kRating;
  if (rating && (!event.value || !(*event.value >= 0 && *event.value <= kMaxRating))) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}value: a rating is a number from 0 to {:g}", where, kMaxRating),
                where + "value");
  }
  if (!rating && event.value) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}value: only a rating has one, and this is a {}", where,
                            store::name(event.kind)),
                where + "value");
  }
  return {};
}

// What the response showed of the catalogue; none when it was not this user's.
Json shown_items(const Result<store::TraceRecord>& trace, const store::UserId& user) {
  if (!trace || trace->user != user || !trace->data.contains("recommendation")) {
    return Json::array();
  }
  return trace->data["recommendation"].value("items", Json::array());
}

bool has_item(const Json& items, const std::string& id) {
  return std::ranges::any_of(items, [&](const Json& each) { return each.value("item", "") == id; });
}

}  // namespace

Interactions::Interactions(store::Store& store, Users& users, const CatalogueSlot& catalogues,
                           Attribution& attribution, profile::Degree default_degree,
                           const base::Clock& clock, base::Random& random)
    : store_(store),
      users_(users),
      catalogues_(catalogues),
      attribution_(attribution),
      default_degree_(default_degree),
      clock_(clock),
      random_(random) {}

Result<AddedInteractions> Interactions::add(const std::string& app,
                                            const std::vector<NewInteraction>& batch) {
  return add(app, batch, true);
}

Result<AddedInteractions> Interactions::add(const std::string& app,
                                            const std::vector<NewInteraction>& batch,
                                            bool in_batch) {
  TRY(const auto served, catalogues_.require());
  const base::UnixMillis now = clock_.now();
  TRY(const store::ErasureMark as_of, store_.erasure_mark());
  struct Known {
    store::UserId id;
    profile::Degree degree;
  };
  std::map<std::string, Known> known;
  AddedInteractions added;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const NewInteraction& event = batch[i];
    const std::string where = in_batch ? fmt::format("events[{}].", i) : "";
    TRY_VOID(served->require(event.item, where + "item"));
    TRY_VOID(check_value(event, where));
    if (event.created < 0 || event.created > now + kMaxSkew) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{}time lies in the future: give the time it happened, or leave it out",
                      where),
          where + "time");
    }
    auto user = known.find(event.user);
    if (user == known.end()) {
      TRY(store::UserId id, users_.id(app, event.user));
      TRY(const profile::Settings settings, users_.settings(app, event.user));
      user =
          known.emplace(event.user, Known{std::move(id), settings.degree.value_or(default_degree_)})
              .first;
    }
    if (user->second.degree < least_degree(event.kind)) {
      added.not_kept.push_back(
          {i, fmt::format("at degree {} no {} is kept of a user",
                          static_cast<int>(user->second.degree), store::name(event.kind))});
      continue;
    }
    const base::UnixMillis time = event.created != 0 ? event.created : now;
    added.kept.push_back({.id = random_.id("act_"),
                          .user = user->second.id,
                          .catalogue = served->name(),
                          .kind = event.kind,
                          .item = event.item,
                          .value = event.value,
                          .response_id = rewarded(event, user->second.id, time),
                          .created = time});
  }
  for (const auto& [name, user] : known) {
    const store::UserId& id = user.id;  // clang captures no part of a binding
    const bool has_some = std::ranges::any_of(
        added.kept, [&id](const store::Interaction& each) { return each.user == id; });
    if (has_some) TRY_VOID(store_.ensure_user(id, app, name, as_of));
  }
  if (!added.kept.empty()) TRY_VOID(store_.add_interactions(added.kept));
  return added;
}

// A list is rewarded only for what it can have caused: what its user did with an item of it,
// afterwards.
std::string Interactions::rewarded(const NewInteraction& event, const store::UserId& user,
                                   base::UnixMillis time) {
  if (event.response_id.empty()) return attribution_.shown_by(user, event.item, time);
  const auto trace = store_.trace(event.response_id);
  const bool caused =
      has_item(shown_items(trace, user), event.item) && trace->created <= time + kMaxSkew;
  return caused ? event.response_id : "";
}

Result<std::vector<store::Interaction>> Interactions::history(const std::string& app,
                                                              const std::string& name,
                                                              store::Page page) {
  TRY(const auto served, catalogues_.require());
  TRY(const store::UserId user, users_.id(app, name));
  auto found = store_.interactions(user, served->name(), page);
  if (!found && found.error().code == ErrorCode::kNotFound) {
    return std::vector<store::Interaction>{};
  }
  return found;
}

Result<void> Interactions::forget(const std::string& app, const std::string& name,
                                  const std::string& id) {
  TRY(const store::UserId user, users_.id(app, name));
  return store_.delete_interaction(user, id);
}

Result<store::Interaction> Interactions::react(const std::string& app,
                                               const NewInteraction& reaction) {
  TRY(const store::UserId user, users_.id(app, reaction.user));
  const Json items = shown_items(store_.trace(reaction.response_id), user);
  if (!has_item(items, reaction.item)) {
    return fail(
        ErrorCode::kNotFound,
        fmt::format("no recommendation \"{}\" of this user has the item \"{}\"",
                    base::truncate(reaction.response_id, 60), base::truncate(reaction.item, 60)),
        items.empty() ? "response_id" : "item");
  }
  TRY(AddedInteractions added, add(app, {reaction}, false));
  if (!added.kept.empty()) return added.kept.front();
  return fail(ErrorCode::kConflict, added.not_kept.front().why);
}

}  // namespace rapport::engine
