#include "rapport/server/authentication.h"

#include <fmt/format.h>

#include <algorithm>

#include "rapport/base/digest.h"
#include "rapport/base/text.h"

namespace rapport::server {
namespace {

constexpr std::string_view kKeyPrefix = "rk_";
// Some 300 bytes each; beyond it the memory is emptied, which costs one look-up a key.
constexpr std::size_t kMaxKnown = 4'096;
constexpr std::size_t kMaxName = 512;
constexpr std::size_t kMaxLabel = 200;

tl::unexpected<Error> no_key() {
  return fail(ErrorCode::kUnauthenticated,
              "this server asks for an API key: send \"Authorization: Bearer rk_…\"; "
              "`rapport keys create` makes one",
              {}, "missing_api_key");
}

tl::unexpected<Error> wrong_key() {
  return fail(
      ErrorCode::kUnauthenticated,
      "this API key is unknown or revoked: `rapport keys list` shows those in use, `rapport "
      "keys create` makes one",
      {}, "invalid_api_key");
}

Result<void> check_name(const std::string& text, std::size_t max_bytes, const std::string& field) {
  if (text.size() > max_bytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} bytes: at most {}", field, text.size(), max_bytes), field);
  if (!base::is_utf8(text))
    return fail(ErrorCode::kInvalidArgument, field + " is not UTF-8", field);
  return {};
}

}  // namespace

Authentication::Authentication(AuthenticationOptions options, store::Store& store,
                               const base::Clock& clock)
    : options_(options), store_(store), clock_(clock) {}

std::optional<Result<Principal>> Authentication::recall(std::string_view secret) {
  const std::lock_guard lock(mutex_);
  return recall_locked(secret);
}

std::optional<Result<Principal>> Authentication::recall_locked(std::string_view secret) {
  const auto now = clock_.steady();
  if (secret.starts_with(kKeyPrefix)) {
    const auto found = known_.find(base::digest(secret));
    if (found == known_.end() || found->second.until <= now) return std::nullopt;
    return found->second.principal;
  }
  if (!may_be_open()) return secret.empty() ? Result<Principal>(no_key()) : wrong_key();
  if (open_until_ <= now) return std::nullopt;
  if (open_) return Principal{};
  return secret.empty() ? Result<Principal>(no_key()) : wrong_key();
}

Result<Principal> Authentication::look_up(std::string_view secret) {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    generation = generation_;
  }
  // Outside the lock: the I/O threads' `recall` must not wait for disk.
  const std::string digest = base::digest(secret);
  std::optional<store::ApiKey> key;
  bool open = false;
  if (secret.starts_with(kKeyPrefix)) {
    TRY(key, store_.key_by_digest(digest));
    if (!key || key->revoked) return wrong_key();
  } else if (may_be_open()) {
    TRY(const auto keys, store_.keys());
    open = keys.empty();  // once somebody asked for keys, revoking the last must not open the door
  } else {
    return secret.empty() ? no_key() : wrong_key();
  }

  const std::lock_guard lock(mutex_);
  // Something was revoked while we read: what we read serves this request but is not remembered.
  const auto until = clock_.steady() + options_.cache_time;
  if (key) {
    Principal principal{key->id, key->app, key->role, key->user_name};
    if (generation == generation_) {
      if (known_.size() >= kMaxKnown) known_.clear();
      known_[digest] = {principal, until};
    }
    return principal;
  }
  if (generation == generation_) {
    open_ = open;
    open_until_ = until;
  }
  if (open) return Principal{};
  return secret.empty() ? no_key() : wrong_key();
}

void Authentication::forget_all() {
  const std::lock_guard lock(mutex_);
  known_.clear();
  open_until_ = {};
  ++generation_;
}

std::string presented_secret(const HttpRequest& request) {
  const std::string_view authorization = request.header("authorization");
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() > kBearer.size() &&
      std::equal(kBearer.begin(), kBearer.end(), authorization.begin(), [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
      }))
    return std::string(base::trim(authorization.substr(kBearer.size())));
  return std::string(base::trim(request.header("x-api-key")));
}

Result<CreatedKey> create_key(store::Store& store, const store::KeyRing& keys, base::Random& random,
                              const base::Clock& clock, const std::string& label,
                              const std::string& app, store::KeyRole role,
                              const std::string& user) {
  TRY_VOID(check_name(label, kMaxLabel, "label"));
  TRY_VOID(check_name(app, kMaxName, "app"));
  TRY_VOID(check_name(user, kMaxName, "user"));
  if (app.empty())
    return fail(ErrorCode::kInvalidArgument, "app is empty: name the application, or \"default\"",
                "app");
  if (role == store::KeyRole::kUser && user.empty())
    return fail(ErrorCode::kInvalidArgument, "a key of role user needs the user it is bound to",
                "user");
  if (role != store::KeyRole::kUser && !user.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a key of role {} is not bound to a user: use role user, or leave "
                            "user out",
                            store::name(role)),
                "user");
  CreatedKey created;
  created.secret = random.id(kKeyPrefix);
  created.key = {.id = random.id("key_"),
                 .digest = base::digest(created.secret),
                 .label = label,
                 .app = app,
                 .role = role,
                 .user = user.empty() ? "" : keys.pseudonym(app, user),
                 .user_name = user,
                 .created = clock.now(),
                 .revoked = std::nullopt};
  TRY_VOID(store.add_key(created.key));
  return created;
}

}  // namespace rapport::server
