#include "rapport/server/http.h"

#include "rapport/base/log.h"

namespace rapport::server {
namespace {

bool is_ours(ErrorCode code) {
  return code == ErrorCode::kInternal || code == ErrorCode::kIo || code == ErrorCode::kCorrupt;
}

/// OpenAI's word for the class of the error; its SDKs choose their exception by status.
std::string_view openai_type(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kMethodNotAllowed:
    case ErrorCode::kConflict:
    case ErrorCode::kTooLarge:
    case ErrorCode::kUnsupported:
    case ErrorCode::kCancelled: return "invalid_request_error";
    case ErrorCode::kUnauthenticated: return "authentication_error";
    case ErrorCode::kPermissionDenied: return "permission_error";
    case ErrorCode::kRateLimited: return "rate_limit_error";
    case ErrorCode::kInternal:
    case ErrorCode::kUpstream:
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimeout:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo: return "server_error";
  }
  return "server_error";
}

}  // namespace

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported: return 400;
    case ErrorCode::kUnauthenticated: return 401;
    case ErrorCode::kPermissionDenied: return 403;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kMethodNotAllowed: return 405;
    case ErrorCode::kConflict: return 409;
    case ErrorCode::kTooLarge: return 413;
    case ErrorCode::kRateLimited: return 429;
    case ErrorCode::kCancelled: return 499;
    case ErrorCode::kUpstream: return 502;
    case ErrorCode::kUnavailable: return 503;
    case ErrorCode::kTimeout: return 504;
    case ErrorCode::kInternal:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo: return 500;
  }
  return 500;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

Json error_body(const Error& error) {
  const std::string message =
      is_ours(error.code) ? "The server failed to do this; its log says why. Trying again may help."
                          : error.message;
  return {{"error",
           {{"message", message},
            {"type", openai_type(error.code)},
            {"param", error.param.empty() ? Json() : Json(error.param)},
            {"code", error.reason.empty() ? Json(name(error.code)) : Json(error.reason)}}}};
}

HttpResponse HttpResponse::json(const Json& value, int status) {
  return text(base::dump_json(value), "application/json", status);
}

HttpResponse HttpResponse::error(const Error& error, int status) {
  if (is_ours(error.code))
    base::log_error("request failed", {{"code", name(error.code)}, {"why", error.message}});
  HttpResponse response = json(error_body(error), status == 0 ? status_of(error.code) : status);
  if (error.retry_after)
    response.headers.emplace_back("retry-after", std::to_string(error.retry_after->count()));
  return response;
}

HttpResponse HttpResponse::text(std::string body, std::string_view content_type, int status) {
  return {.status = status,
          .headers = {{"content-type", std::string(content_type)}},
          .body = std::move(body)};
}

}  // namespace rapport::server
