// What an upstream's HTTP error means to our caller.
#pragma once

#include <string>
#include <string_view>

#include "rapport/base/clock.h"
#include "rapport/base/http_client.h"
#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::language {

/// For a status that is not 2xx. The message, `param` and code of an error about the request are
/// the upstream's own, so that the application reads what it would have read there; a refused key
/// is our operator's affair, and its message (which may quote the key) stays here.
Error upstream_error(const base::IncomingHead& head, std::string_view body, base::UnixMillis now);

/// The words of an error body: {"error": {"message"}}, {"error": "…"}, {"message"} or {"detail"};
/// "" when there are none. At most 1,000 bytes.
std::string upstream_message(const Json& body);

/// True for a status that another attempt may turn into an answer: 408, 429 and 5xx, but not an
/// exhausted quota.
bool is_worth_retrying(const base::IncomingHead& head, const Error& error);

}  // namespace rapport::language
