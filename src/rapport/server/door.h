// What a request must pass between its head and its handler: browser rules, routing, keys, roles,
// rate. Nothing here reads a body, so that whoever may not come in cannot make us read one.
//
//   Door::Decision decision = door.decide(request);              // memory only: I/O threads
//   if (decision.unknown_key) decision = door.decide(request, door.look_up(request));  // workers
#pragma once

#include <optional>

#include "rapport/base/clock.h"
#include "rapport/server/authentication.h"
#include "rapport/server/browser_guard.h"
#include "rapport/server/rate_limit.h"
#include "rapport/server/router.h"
#include "rapport/server/server_options.h"

namespace rapport::server {

/// Thread-safe.
class Door {
 public:
  Door(const ServerOptions& options, BrowserGuard browser, Authentication& authentication,
       const Router& router, const base::Clock& clock);

  struct Decision {
    const Route* route = nullptr;              // also of a request that was refused
    std::optional<HttpResponse> refusal = {};  // the answer, when it ends here
    bool unknown_key = false;                  // ask `look_up`, then decide again
  };
  /// Fills in `principal` and `path_parameters` of an admitted request. Never waits.
  Decision decide(HttpRequest& request,
                  const std::optional<Result<Principal>>& looked_up = std::nullopt);
  /// Waits for disk.
  Result<Principal> look_up(const HttpRequest& request);
  /// Adds CORS headers where they belong.
  void decorate(const HttpRequest& request, HttpResponse& response) const {
    browser_.decorate(request, response);
  }

 private:
  Result<void> admit(HttpRequest& request, const Route& route, const Result<Principal>& principal);

  const BrowserGuard browser_;
  Authentication& authentication_;
  const Router& router_;
  RateLimit rate_limit_;
};

}  // namespace rapport::server
