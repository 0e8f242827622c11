// What users do with items: kept as their degree permits, shown to them, forgotten on demand. The
// next recommendation reads it.
//
//   TRY(const auto kept, interactions.add("default", {{.user = "sam", .kind =
//   InteractionKind::kLike,
//                                                      .item = "50"}}));
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/engine/attribution.h"
#include "rapport/engine/served_catalogue.h"
#include "rapport/engine/users.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// As an application reports it.
struct NewInteraction {
  std::string user = {};  // the application's own name
  store::InteractionKind kind = store::InteractionKind::kView;
  std::string item = {};
  std::optional<double> value = {};  // of a rating: 0 to 5
  /// The list that showed the item; "": the one that did so last, if any. Of an id that is no list
  /// of this user's with this item nothing is kept.
  std::string response_id = {};
  base::UnixMillis created = 0;  // 0: now
};

struct NotKept {
  std::size_t index = 0;  // in the batch
  std::string why = {};
};

struct AddedInteractions {
  std::vector<store::Interaction> kept = {};
  std::vector<NotKept> not_kept = {};
};

/// Thread-safe; calls block on disk.
class Interactions {
 public:
  Interactions(store::Store& store, Users& users, const CatalogueSlot& catalogues,
               Attribution& attribution, profile::Degree default_degree, const base::Clock& clock,
               base::Random& random);

  /// All of a batch or nothing. What a user says of an item (like, hide, rating) is kept from
  /// degree 1, what they do with it (view, click, purchase) from degree 2. Errors: kUnavailable
  /// without a catalogue, kInvalidArgument naming the field ("events[3].item") of what is wrong.
  Result<AddedInteractions> add(const std::string& app, const std::vector<NewInteraction>& batch);

  /// With the catalogue that is served; newest first. Of a user not known yet: none.
  Result<std::vector<store::Interaction>> history(const std::string& app, const std::string& name,
                                                  store::Page page);
  /// Also takes a hidden item back. Errors: kNotFound.
  Result<void> forget(const std::string& app, const std::string& name, const std::string& id);

  /// Feedback on an item of the recommendation `response_id`. Errors: kNotFound when that is not
  /// this user's or does not have the item, kConflict when the user's degree keeps nothing.
  Result<store::Interaction> react(const std::string& app, const NewInteraction& reaction);

 private:
  Result<AddedInteractions> add(const std::string& app, const std::vector<NewInteraction>& batch,
                                bool in_batch);
  std::string rewarded(const NewInteraction& event, const store::UserId& user,
                       base::UnixMillis time);

  store::Store& store_;
  Users& users_;
  const CatalogueSlot& catalogues_;
  Attribution& attribution_;
  const profile::Degree default_degree_;
  const base::Clock& clock_;
  base::Random& random_;
};

}  // namespace rapport::engine
