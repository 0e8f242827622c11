// How everything that input, network, disk or a peer can break is reported.
//
//   Result<Catalogue> open(const std::string& path) {
//     TRY(std::string text, read_file(path));            // returns the error to our caller
//     if (text.empty()) return fail(ErrorCode::kInvalidArgument, path + " is empty: expected one
//     item a line"); …
//   }
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace rapport {

/// What kind of fault it is. Stable: names are part of the HTTP API and of the command line's JSON.
enum class ErrorCode {
  kInvalidArgument,   // the request or file is wrong; repeating it cannot help (HTTP 400)
  kUnauthenticated,   // no key, or an unknown or revoked one (401)
  kPermissionDenied,  // a key that may not do this (403)
  kNotFound,          // 404
  kMethodNotAllowed,  // 405
  kConflict,          // 409
  kTooLarge,          // over a stated bound (413)
  kRateLimited,       // 429
  kCancelled,         // the caller went away or asked to stop (499)
  kInternal,          // a fault of ours (500)
  kUpstream,          // a remote model answered with a fault or nonsense (502)
  kUnavailable,       // not ready, shutting down, busy (503)
  kTimeout,           // a deadline passed (504)
  kUnsupported,       // well-formed, but this model or build cannot do it (400)
  kCorrupt,           // stored data fails its own checks (500)
  kIo,                // disk or socket (500)
};

/// "invalid_argument", "not_found", …
std::string_view name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  /// One sentence that names the offending thing (file:line, field, value) and what to do about it.
  /// Never a secret.
  std::string message;
  /// The request field or option at fault, "" when there is none: "messages[2].content".
  std::string param = {};
  /// A finer stable word where clients act on it: "context_length_exceeded", "model_not_found"; ""
  /// otherwise.
  std::string reason = {};
  /// For kRateLimited and kUnavailable: when trying again makes sense.
  std::optional<std::chrono::seconds> retry_after = {};
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string param = {},
                                  std::string reason = {}) {
  return tl::unexpected(Error{code, std::move(message), std::move(param), std::move(reason), {}});
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected(std::move(error));
}

}  // namespace rapport

#define RAPPORT_CONCAT_(a, b) a##b
#define RAPPORT_CONCAT(a, b) RAPPORT_CONCAT_(a, b)
#define RAPPORT_TRY_(result, target, ...)                         \
  auto result = (__VA_ARGS__);                                    \
  if (!result) return ::rapport::fail(std::move(result).error()); \
  target = *std::move(result)
#define RAPPORT_TRY_VOID_(result, ...)                                                           \
  do {                                                                                           \
    if (auto result = (__VA_ARGS__); !result) return ::rapport::fail(std::move(result).error()); \
  } while (false)

/// TRY(target, expression): assigns the value of a Result, or returns its error from the calling
/// function.
#define TRY(target, ...) RAPPORT_TRY_(RAPPORT_CONCAT(try_result_, __COUNTER__), target, __VA_ARGS__)
/// TRY_VOID(expression): the same for Result<void> and for values that are not needed.
#define TRY_VOID(...) RAPPORT_TRY_VOID_(RAPPORT_CONCAT(try_void_, __COUNTER__), __VA_ARGS__)
