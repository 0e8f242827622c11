// What a browser may do to us from somebody else's page: nothing, unless its origin was named.
//
// Without keys a request is trusted because it comes from this machine. A browser on this machine
// carries requests of every page it shows, also of one whose name was rebound to 127.0.0.1; Host
// and Origin tell these apart.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rapport/server/http.h"

namespace rapport::server {

/// Thread-safe.
class BrowserGuard {
 public:
  /// `origins`: "https://app.example.com", …, or "*" for every one. Errors: kInvalidArgument for
  /// what is not an origin.
  static Result<BrowserGuard> create(std::vector<std::string> origins);

  /// The answer to an OPTIONS preflight: 204 for a named origin, 403 otherwise; nullopt when the
  /// request is none.
  std::optional<HttpResponse> preflight(const HttpRequest& request) const;
  /// A request that nobody's key vouches for: kPermissionDenied when its Host is not this machine
  /// or its Origin is another page's.
  Result<void> check_keyless(const HttpRequest& request) const;
  /// Adds what lets the page of a named origin read the response.
  void decorate(const HttpRequest& request, HttpResponse& response) const;

  bool allows_every_origin() const { return every_origin_; }

 private:
  bool allows(std::string_view origin) const;

  std::vector<std::string> origins_;
  bool every_origin_ = false;
};

}  // namespace rapport::server
