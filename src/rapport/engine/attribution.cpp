#include "rapport/engine/attribution.h"

#include <algorithm>

namespace rapport::engine {
namespace {

constexpr base::UnixMillis kSession = 30 * 60 * 1000;
constexpr std::size_t kMaxUsers = 10'000;
constexpr std::size_t kMaxLists = 5;  // of one user

}  // namespace

void Attribution::remember(const store::UserId& user, const std::string& response_id,
                           std::vector<std::string> items, base::UnixMillis now) {
  const std::lock_guard lock(mutex_);
  auto found = users_.find(user);
  if (found == users_.end()) {
    if (users_.size() >= kMaxUsers) {
      users_.erase(recent_.back());
      recent_.pop_back();
    }
    recent_.push_front(user);
    found = users_.emplace(user, OfUser{recent_.begin(), {}}).first;
  }
  recent_.splice(recent_.begin(), recent_, found->second.place);
  std::vector<Shown>& lists = found->second.lists;
  if (lists.size() >= kMaxLists) lists.erase(lists.begin());
  lists.push_back({response_id, std::move(items), now});
}

std::string Attribution::shown_by(const store::UserId& user, const std::string& item,
                                  base::UnixMillis time) const {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(user);
  if (found == users_.end()) return {};
  const std::vector<Shown>& lists = found->second.lists;
  for (auto shown = lists.rbegin(); shown != lists.rend(); ++shown) {
    if (shown->at > time) continue;
    if (time - shown->at > kSession) break;
    if (std::find(shown->items.begin(), shown->items.end(), item) != shown->items.end()) {
      return shown->response_id;
    }
  }
  return {};
}

void Attribution::forget(const store::UserId& user) {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(user);
  if (found == users_.end()) return;
  recent_.erase(found->second.place);
  users_.erase(found);
}

}  // namespace rapport::engine
