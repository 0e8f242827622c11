// What a user was shown lately, so that what they do next counts as the reward of the list that
// showed it, also where an application does not say which one that was.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/store/store.h"

namespace rapport::engine {

/// Last touch: the latest list that showed the item, within half an hour before (the usual length
/// of a session). In memory and bounded: after a restart an application's own response_id still
/// counts. Thread-safe.
class Attribution {
 public:
  void remember(const store::UserId& user, const std::string& response_id,
                std::vector<std::string> items, base::UnixMillis now);
  /// The response that had shown it by then; "" when none had.
  std::string shown_by(const store::UserId& user, const std::string& item,
                       base::UnixMillis time) const;

  void forget(const store::UserId& user);

 private:
  struct Shown {
    std::string response_id;
    std::vector<std::string> items;
    base::UnixMillis at = 0;
  };
  struct OfUser {
    std::list<store::UserId>::iterator place;  // in `recent_`
    std::vector<Shown> lists;                  // newest last
  };

  mutable std::mutex mutex_;
  std::list<store::UserId> recent_;  // last shown first
  std::unordered_map<store::UserId, OfUser> users_;
};

}  // namespace rapport::engine
