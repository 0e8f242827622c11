// What the API and the commands do with a user's settings and facts: validation and the store in
// one place.
#pragma once

#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/profile/facts.h"
#include "rapport/profile/settings.h"
#include "rapport/store/key_ring.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// Thread-safe; calls block on disk.
class Users {
 public:
  Users(store::Store& store, const store::KeyRing& keys, const base::Clock& clock,
        base::Random& random);

  /// The pseudonym of an application's user name; refuses names that are empty, over 512 bytes or
  /// not UTF-8.
  Result<store::UserId> id(const std::string& app, const std::string& name) const;
  /// The user as stored. kNotFound when there is none.
  Result<store::User> find(const std::string& app, const std::string& name);

  /// Settings of a user who is not known yet are empty, not an error.
  Result<profile::Settings> settings(const std::string& app, const std::string& name);
  Result<profile::Settings> patch_settings(const std::string& app, const std::string& name,
                                           const Json& patch);

  Result<std::vector<store::Fact>> facts(const std::string& app, const std::string& name,
                                         bool include_inactive);
  /// The fact that was added or that already said so.
  Result<store::Fact> add_fact(const std::string& app, const std::string& name,
                               const std::string& text, const std::string& domain);
  /// {"text"?, "confidence"?, "status"? (active|disputed)}; unknown keys are refused.
  Result<store::Fact> patch_fact(const std::string& app, const std::string& name,
                                 const std::string& fact, const Json& patch);
  Result<void> forget_fact(const std::string& app, const std::string& name,
                           const std::string& fact);

  /// Thumb, rating, preference, edit, reason or free text about a response of this user:
  /// {"response_id", "thumb"? ("up"|"down"), "rating"? (1..5), "edit"?, "reason"?, "chosen"?,
  /// "rejected"?, "text"?}. Returns the event as stored. kNotFound when the response is not this
  /// user's.
  Result<store::Event> add_feedback(const std::string& app, const std::string& name,
                                    const Json& feedback);

 private:
  store::Store& store_;
  const store::KeyRing& keys_;
  const base::Clock& clock_;
  base::Random& random_;
};

}  // namespace rapport::engine
