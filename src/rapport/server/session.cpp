#include "rapport/server/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <cstring>
#include <ctime>

#include "rapport/base/log.h"
#include "rapport/server/wire.h"

namespace rapport::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::steady_clock;

// Bytes that a client may send ahead of its turn, beyond the head.
constexpr std::size_t kReadAhead = 64 << 10;
// The body of a refused request is read up to here, so that the connection can go on.
constexpr std::uint64_t kDroppedBody = 64 << 10;
// A client that still sends while we refuse gets this long to read why before the reset.
constexpr std::chrono::milliseconds kLinger{2'000};

// Where only an event can end a wait: a deadline far enough to cost nothing.
constexpr double kPoll = 3'600;

steady_clock::time_point after(double seconds) {
  return steady_clock::now() +
         std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
}

std::string address_of(const Session::Socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? std::string("unknown") : endpoint.address().to_string();
}

HttpResponse refusal(int status, ErrorCode code, std::string message, std::string reason = {}) {
  return HttpResponse::error({.code = code,
                              .message = std::move(message),
                              .param = {},
                              .reason = std::move(reason),
                              .retry_after = {}},
                             status);
}

HttpResponse parse_refusal(const error_code& error, const ServerOptions& options) {
  if (error == http::error::body_limit)
    return refusal(413, ErrorCode::kTooLarge,
                   fmt::format("the body is larger than {} bytes (server.max_body_bytes): send "
                               "less",
                               options.max_body_bytes));
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return refusal(431, ErrorCode::kTooLarge,
                   fmt::format("the headers are larger than {} bytes (server.max_header_bytes): "
                               "send fewer",
                               options.max_header_bytes));
  if (error == http::error::bad_version)
    return refusal(505, ErrorCode::kInvalidArgument,
                   "only HTTP/1.1 and HTTP/1.0 are spoken here, in lines that end in CR LF");
  return refusal(400, ErrorCode::kInvalidArgument,
                 fmt::format("this is not HTTP: {}", error.message()));
}

/// Labels of metrics come from a fixed list: a client must not be able to make new series.
std::string_view known_method(const std::string& method) {
  for (const std::string_view each : {"GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"}) {
    if (method == each) return each;
  }
  return "other";
}

void run_handler(const Route& route, HttpRequest request, const std::shared_ptr<Reply>& reply) {
  // Ours do not throw; what a library throws through a handler must not take the process along.
  try {
    if (const auto* handler = std::get_if<Handler>(&route.handler)) {
      reply->send((*handler)(request));
    } else {
      std::get<StreamHandler>(route.handler)(std::move(request), reply);
    }
  } catch (const std::exception& thrown) {
    reply->send(
        refusal(500, ErrorCode::kInternal,
                fmt::format("{} {} threw: {}", route.method, route.pattern, thrown.what())));
  }
}

}  // namespace

Session::Session(Socket socket, const Surroundings& surroundings, bool refuse_all)
    : socket_(std::move(socket)),
      surroundings_(surroundings),
      refuse_all_(refuse_all),
      timer_(socket_.get_executor()),
      peer_(address_of(socket_)),
      received_(static_cast<std::size_t>(surroundings.options.max_header_bytes) + kReadAhead) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Session::StreamState::begin(Metrics& counting, const HttpResponse& head) {
  metrics = &counting;
  metrics->add_streams(1);
  status = head.status;
  for (const auto& [name, value] : head.headers)
    of_events = of_events || (name == "content-type" && value.starts_with("text/event-stream"));
}

Session::StreamState::~StreamState() {
  if (metrics != nullptr) metrics->add_streams(-1);
}

asio::awaitable<void> Session::run() {
  const auto self = shared_from_this();
  Next next = Next::kKeepAlive;
  if (refuse_all_) {
    started_ = steady_clock::now();
    request_.request_id = surroundings_.random.id("req_");
    HttpResponse full = refusal(503, ErrorCode::kUnavailable,
                                fmt::format("{} connections are open, the most this server takes: "
                                            "try again later",
                                            surroundings_.options.max_connections));
    full.headers.emplace_back("retry-after", "1");
    next = co_await refuse(std::move(full));
  }
  while (next == Next::kKeepAlive && !over()) next = co_await serve_one();
  error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_both, ignored);
  socket_.close(ignored);
}

void Session::drain() {
  draining_ = true;
  wake();
}

void Session::abort() {
  aborted_ = true;
  gone_.request_stop();
  wake();
}

// One request, step by step; each step either goes on or gives the response that ends it.
asio::awaitable<Session::Next> Session::serve_one() {
  if (!co_await wait_for_first_byte()) co_return Next::kClose;
  std::optional<HttpResponse> refused = co_await read_head();
  if (over()) co_return Next::kClose;
  bool expects_continue = false;
  if (!refused) refused = take_head(expects_continue);
  if (!refused) refused = co_await admit();
  if (!refused) refused = co_await read_body(expects_continue);
  if (over()) co_return Next::kClose;
  if (refused) co_return co_await refuse(*std::move(refused));
  co_return co_await answer();
}

asio::awaitable<bool> Session::wait_for_first_byte() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(surroundings_.options.max_header_bytes));
  parser_->body_limit(static_cast<std::uint64_t>(surroundings_.options.max_body_bytes));
  request_ = {};
  route_ = nullptr;
  gone_ = {};
  http_1_1_ = true;
  keep_alive_ = false;
  has_head_ = false;
  // A connection that never said anything is held to the time of a head: it costs an attacker
  // nothing, and us a place.
  const ServerOptions& options = surroundings_.options;
  const Time deadline = after(is_first_ ? std::min(options.header_seconds, options.idle_seconds)
                                        : options.idle_seconds);
  is_first_ = false;
  while (received_.size() == 0) {
    if (ended_ || over() || draining_ || steady_clock::now() >= deadline) co_return false;
    read_ahead();
    co_await wait_until(deadline);
  }
  started_ = steady_clock::now();
  request_.request_id = surroundings_.random.id("req_");
  request_.peer = peer_;
  co_return true;
}

asio::awaitable<std::optional<HttpResponse>> Session::read_head() {
  const Time deadline = after(surroundings_.options.header_seconds);
  while (true) {
    error_code error;
    received_.consume(parser_->put(received_.data(), error));
    if (parser_->is_header_done()) co_return std::nullopt;
    if (error && error != http::error::need_more)
      co_return parse_refusal(error, surroundings_.options);
    if (ended_) broken_ = true;  // half a head, then nothing: nobody waits for an answer
    if (over()) co_return std::nullopt;
    if (steady_clock::now() >= deadline)
      co_return refusal(
          408, ErrorCode::kTimeout,
          fmt::format("the headers took longer than {} s", surroundings_.options.header_seconds));
    read_ahead();
    co_await wait_until(deadline);
  }
}

// Taken now, before the body: trailers after a chunked body would join the parser's fields, and
// must not be able to say who asks.
std::optional<HttpResponse> Session::take_head(bool& expects_continue) {
  const auto& message = parser_->get();
  RawHead raw{.method = {message.method_string().data(), message.method_string().size()},
              .target = {message.target().data(), message.target().size()},
              .http_1_1 = message.version() == 11,
              .fields = {}};
  for (const auto& field : message)
    raw.fields.emplace_back(
        std::string_view(field.name_string().data(), field.name_string().size()),
        std::string_view(field.value().data(), field.value().size()));
  ParsedHead parsed = parse_head(raw);
  parsed.request.request_id = std::move(request_.request_id);
  parsed.request.peer = peer_;
  parsed.request.gone = gone_.get_token();
  request_ = std::move(parsed.request);
  if (const auto own = request_.header("x-request-id"); is_request_id(own))
    request_.request_id = own;
  has_head_ = true;
  http_1_1_ = raw.http_1_1;
  // A head that could be framed in two ways ends the connection: what follows is not to be trusted.
  keep_alive_ = message.keep_alive() && !parsed.refusal;
  if (ended_) gone_.request_stop();
  expects_continue = parsed.expects_continue;
  return std::move(parsed.refusal);
}

asio::awaitable<std::optional<HttpResponse>> Session::admit() {
  Door::Decision decision = surroundings_.door.decide(request_);
  if (decision.unknown_key) {
    const Result<Principal> principal = co_await look_up_key();
    decision = surroundings_.door.decide(request_, principal);
  }
  route_ = decision.route;
  co_return std::move(decision.refusal);
}

// The store may have to wait for disk, and this thread must not.
asio::awaitable<Result<Principal>> Session::look_up_key() {
  struct Found {
    std::mutex mutex;
    std::optional<Result<Principal>> principal;
  };
  const auto found = std::make_shared<Found>();
  auto posted = surroundings_.workers.post([self = shared_from_this(), found] {
    Result<Principal> principal = self->surroundings_.door.look_up(self->request_);
    {
      const std::lock_guard lock(found->mutex);
      found->principal = std::move(principal);
    }
    asio::post(self->socket_.get_executor(), [self] { self->wake(); });
  });
  if (!posted) co_return fail(std::move(posted).error());
  while (true) {
    {
      const std::lock_guard lock(found->mutex);
      // Also when the connection died meanwhile: the worker reads our request until it is done.
      if (found->principal) co_return *std::move(found->principal);
    }
    co_await wait_until(after(kPoll));
  }
}

asio::awaitable<std::optional<HttpResponse>> Session::read_body(bool expects_continue) {
  const Time deadline = after(surroundings_.options.body_seconds);
  if (expects_continue && !parser_->is_done() && received_.size() == 0)
    co_await write("HTTP/1.1 100 Continue\r\n\r\n");
  while (!parser_->is_done()) {
    error_code error;
    std::size_t taken = 0;
    if (received_.size() > 0) taken = parser_->put(received_.data(), error);
    received_.consume(taken);
    if (parser_->is_done()) break;
    if (error && error != http::error::need_more) {
      keep_alive_ = false;
      co_return parse_refusal(error, surroundings_.options);
    }
    if (taken > 0 && received_.size() > 0) continue;
    if (ended_) broken_ = true;  // half a body, then nothing
    if (over()) co_return std::nullopt;
    if (steady_clock::now() >= deadline) {
      keep_alive_ = false;
      co_return refusal(
          408, ErrorCode::kTimeout,
          fmt::format("the body took longer than {} s", surroundings_.options.body_seconds));
    }
    read_ahead();
    co_await wait_until(deadline);
  }
  request_.body = std::move(parser_->get().body());
  co_return std::nullopt;
}

asio::awaitable<Session::Next> Session::answer() {
  // Ends the handler's hold on this session on every way out, also when the frame is destroyed.
  struct Closing {
    std::shared_ptr<Outbox> outbox;
    std::stop_source gone;
    ~Closing() {
      outbox->close();
      gone.request_stop();
    }
  };
  auto outbox = std::make_shared<Outbox>(
      static_cast<std::size_t>(surroundings_.options.max_stream_bytes),
      [this] { asio::post(socket_.get_executor(), [self = shared_from_this()] { self->wake(); }); },
      gone_);
  const Closing closing{outbox, gone_};
  hand_over(outbox);
  co_return co_await deliver(*outbox);
}

void Session::hand_over(std::shared_ptr<Outbox> outbox) {
  const std::shared_ptr<Reply> reply = open_reply(outbox);
  // The request goes to the worker; what the log line needs stays.
  HttpRequest handed = std::move(request_);
  request_.method = handed.method;
  request_.request_id = handed.request_id;
  request_.principal.key_id = handed.principal.key_id;
  if (const auto origin = handed.header("origin"); !origin.empty())
    request_.headers["origin"] = origin;
  auto posted =
      surroundings_.workers.post([route = route_, handed = std::move(handed), reply]() mutable {
        run_handler(*route, std::move(handed), reply);
      });
  if (posted) return;
  Error error = std::move(posted).error();
  error.message = "the server is busy: try again in a second";
  error.retry_after = std::chrono::seconds(1);
  reply->send(HttpResponse::error(error));
}

// Writes what the handler says as it says it.
asio::awaitable<Session::Next> Session::deliver(Outbox& outbox) {
  const double silence = surroundings_.options.keep_alive_seconds;
  StreamState stream;
  Time comment_at = after(silence);
  bool silent = false;
  while (!over()) {
    Outbox::Batch batch = outbox.take(silent);
    if (batch.head && !batch.streams) co_return co_await send_whole(*std::move(batch.head));
    if (batch.overflowed) break;
    const std::string bytes = stream_bytes(batch, silent, stream);
    silent = false;
    if (!bytes.empty() && !co_await write(bytes)) break;
    if (batch.ended) {
      finish(stream.status);
      co_return keep_alive_ && !draining_ ? Next::kKeepAlive : Next::kClose;
    }
    if (!bytes.empty()) {
      // While we wrote, more may have come, and its wake-up is used up: take again before waiting.
      comment_at = after(silence);
      continue;
    }
    read_ahead();
    if (co_await wait_until(comment_at)) continue;
    silent = true;
    comment_at = after(silence);
  }
  broken_ = true;
  gone_.request_stop();
  finish(499);
  co_return Next::kClose;
}

std::string Session::stream_bytes(Outbox::Batch& batch, bool silent, StreamState& stream) {
  std::string bytes;
  if (batch.head) {
    stream.begin(surroundings_.metrics, *batch.head);
    keep_alive_ = keep_alive_ && http_1_1_ && !draining_;
    surroundings_.door.decorate(request_, *batch.head);
    bytes =
        response_head(*batch.head, {.framing = http_1_1_ ? Framing::kChunked : Framing::kUntilClose,
                                    .length = 0,
                                    .http_1_1 = http_1_1_,
                                    .keep_alive = keep_alive_,
                                    .request_id = request_.request_id,
                                    .date = http_date(std::time(nullptr))});
  }
  if (silent && stream.of_events && batch.bytes.empty() && !batch.ended)
    batch.bytes = ": keep-alive\n\n";
  bytes += http_1_1_ ? chunk(batch.bytes) : batch.bytes;
  if (batch.ended && http_1_1_) bytes += kLastChunk;
  return bytes;
}

asio::awaitable<Session::Next> Session::send_whole(HttpResponse response) {
  keep_alive_ = keep_alive_ && !draining_;
  surroundings_.door.decorate(request_, response);
  const std::string head = response_head(response, {.framing = Framing::kLength,
                                                    .length = response.body.size(),
                                                    .http_1_1 = http_1_1_,
                                                    .keep_alive = keep_alive_,
                                                    .request_id = request_.request_id,
                                                    .date = http_date(std::time(nullptr))});
  const bool bare = request_.method == "HEAD" || response.status == 204;
  const bool written = co_await write(head, bare ? std::string_view() : response.body);
  finish(written ? response.status : 499);
  co_return written&& keep_alive_ ? Next::kKeepAlive : Next::kClose;
}

// A refused request's body was not read, or not all of it: either it is small and we drop it, or
// the connection ends with it.
asio::awaitable<Session::Next> Session::refuse(HttpResponse response) {
  if (keep_alive_ && has_head_ && !co_await drop_body()) keep_alive_ = false;
  const Next next = co_await send_whole(std::move(response));
  if (next == Next::kClose && !over()) co_await linger();
  co_return next;
}

asio::awaitable<bool> Session::drop_body() {
  if (parser_->is_done()) co_return true;
  const auto length = parser_->content_length();
  if (!length || *length > kDroppedBody) co_return false;
  // Who expects 100-continue was not told to continue and may not send the body at all.
  if (request_.headers.contains("expect")) co_return false;
  const bool unread = (co_await read_body(false)).has_value();
  co_return !unread && !over();
}

// Closing while the client still sends would reset the connection and destroy the answer on its
// way: say that we are done, then read and drop for a moment.
asio::awaitable<void> Session::linger() {
  error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  const Time deadline = steady_clock::now() + kLinger;
  while (!ended_ && !over() && steady_clock::now() < deadline) {
    received_.clear();
    read_ahead();
    co_await wait_until(deadline);
  }
}

void Session::finish(int status) {
  const double seconds = std::chrono::duration<double>(steady_clock::now() - started_).count();
  const std::string_view route =
      route_ == nullptr ? "unmatched" : std::string_view(route_->pattern);
  const std::string_view method = known_method(request_.method);
  surroundings_.metrics.observe_request(route, method, status, seconds);
  base::log_info("request", {{"method", method},
                             {"route", route},
                             {"status", status},
                             {"ms", std::round(seconds * 1e5) / 100},
                             {"request", request_.request_id},
                             {"by", request_.principal.key_id}});
}

// True when woken, false when the deadline came first.
asio::awaitable<bool> Session::wait_until(Time deadline) {
  if (!woken_) {
    timer_.expires_at(deadline);
    error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return std::exchange(woken_, false);
}

void Session::wake() {
  woken_ = true;
  timer_.cancel();
}

// Keeps one read pending while there is room for what it brings.
void Session::read_ahead() {
  if (reading_ || ended_ || broken_ || received_.max_size() - received_.size() < incoming_.size())
    return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(incoming_),
                          [self = shared_from_this()](const error_code& error, std::size_t n) {
                            self->reading_ = false;
                            if (n > 0) {
                              const auto room = self->received_.prepare(n);
                              std::memcpy(room.data(), self->incoming_.data(), n);
                              self->received_.commit(n);
                            }
                            if (error) {
                              self->ended_ = true;
                              if (error != asio::error::eof) self->broken_ = true;
                              self->gone_.request_stop();
                            }
                            self->wake();
                          });
}

// All of it, or false: the connection broke, or took no byte for too long.
asio::awaitable<bool> Session::write(std::string_view head, std::string_view body) {
  Time deadline = after(surroundings_.options.write_seconds);
  while (!head.empty() || !body.empty()) {
    if (over()) co_return false;
    error_code error;
    const std::array<asio::const_buffer, 2> pieces = {asio::buffer(head), asio::buffer(body)};
    std::size_t written = socket_.write_some(pieces, error);
    if (!error) {
      const std::size_t of_head = std::min(written, head.size());
      head.remove_prefix(of_head);
      body.remove_prefix(written - of_head);
      deadline = after(surroundings_.options.write_seconds);
      continue;
    }
    if (error != asio::error::would_block && error != asio::error::try_again) {
      broken_ = true;
      co_return false;
    }
    writable_ = false;
    socket_.async_wait(asio::socket_base::wait_write,
                       [self = shared_from_this()](const error_code&) {
                         self->writable_ = true;
                         self->wake();
                       });
    while (!writable_ && !over()) {
      if (steady_clock::now() >= deadline) {
        broken_ = true;
        co_return false;
      }
      co_await wait_until(deadline);
    }
  }
  co_return true;
}

}  // namespace rapport::server
