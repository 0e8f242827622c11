// One connection: reads requests one after the other, has them admitted and answered, writes what
// their handlers say. Included by listener.cpp and session.cpp only, since it needs Asio.
//
// A session lives on one I/O thread. All that can happen to it (bytes came, the socket takes bytes
// again, the handler said something, shutdown) sets a flag and calls `wake`; its one coroutine
// waits for that in one place, with a deadline. A read is always pending while there is room, also
// while a handler works: so a client that vanished is noticed at once, not by the next write.
#pragma once

#include <utility>  // before Asio: gcc 12 needs std::exchange declared

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "rapport/base/random.h"
#include "rapport/base/thread_pool.h"
#include "rapport/server/door.h"
#include "rapport/server/http.h"
#include "rapport/server/metrics.h"
#include "rapport/server/outbox.h"
#include "rapport/server/server_options.h"

namespace rapport::server {

/// What all sessions share; outlives them.
struct Surroundings {
  const ServerOptions& options;
  Door& door;
  base::ThreadPool& workers;
  Metrics& metrics;
  base::Random& random;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Time = std::chrono::steady_clock::time_point;

  /// `refuse_all`: one connection too many; it gets a 503 and is closed.
  Session(Socket socket, const Surroundings& surroundings, bool refuse_all);

  /// Serves until the connection ends. Holds itself alive.
  boost::asio::awaitable<void> run();
  /// Finishes the request at hand, then closes. On the session's thread.
  void drain();
  /// Closes now. On the session's thread.
  void abort();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class Next { kKeepAlive, kClose };
  /// Of an answer that has begun to stream; counted while it does.
  struct StreamState {
    Metrics* metrics = nullptr;
    int status = 200;
    bool of_events = false;
    void begin(Metrics& counting, const HttpResponse& head);
    ~StreamState();
  };

  // The steps of one request.
  boost::asio::awaitable<Next> serve_one();
  boost::asio::awaitable<bool> wait_for_first_byte();
  boost::asio::awaitable<std::optional<HttpResponse>> read_head();
  boost::asio::awaitable<std::optional<HttpResponse>> admit();
  boost::asio::awaitable<std::optional<HttpResponse>> read_body(bool expects_continue);
  boost::asio::awaitable<Next> answer();
  boost::asio::awaitable<Next> refuse(HttpResponse response);

  boost::asio::awaitable<Result<Principal>> look_up_key();
  std::optional<HttpResponse> take_head(bool& expects_continue);
  void hand_over(std::shared_ptr<Outbox> outbox);
  boost::asio::awaitable<Next> deliver(Outbox& outbox);
  std::string stream_bytes(Outbox::Batch& batch, bool silent, StreamState& stream);
  boost::asio::awaitable<Next> send_whole(HttpResponse response);
  boost::asio::awaitable<bool> drop_body();
  boost::asio::awaitable<void> linger();
  void finish(int status);

  // Events, bytes in, bytes out.
  boost::asio::awaitable<bool> wait_until(Time deadline);
  void wake();
  void read_ahead();
  boost::asio::awaitable<bool> write(std::string_view head, std::string_view body = {});
  bool over() const { return aborted_ || broken_; }

  Socket socket_;
  const Surroundings& surroundings_;
  const bool refuse_all_;
  boost::asio::steady_timer timer_;
  const std::string peer_;

  bool woken_ = false;
  bool reading_ = false;
  bool writable_ = false;
  bool ended_ = false;   // the client sent its last byte
  bool broken_ = false;  // the connection is dead
  bool draining_ = false;
  bool aborted_ = false;
  bool is_first_ = true;  // no request came yet

  // 16 KiB a read is enough for loopback speed and keeps 1,000 connections at 16 MiB.
  std::array<char, 16 << 10> incoming_;
  boost::beast::flat_buffer received_;

  // Of the request at hand.
  std::optional<Parser> parser_;
  HttpRequest request_;
  const Route* route_ = nullptr;
  std::stop_source gone_;
  Time started_;
  bool http_1_1_ = true;
  bool keep_alive_ = false;
  bool has_head_ = false;
};

}  // namespace rapport::server
