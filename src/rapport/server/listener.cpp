#include "rapport/server/listener.h"

#include <fmt/format.h>
#include <pthread.h>

#include <utility>  // before Asio: gcc 12 needs std::exchange declared

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include "rapport/base/log.h"
#include "rapport/server/session.h"

namespace rapport::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Connections beyond the bound that are told so at the same time; more are just closed.
constexpr std::int64_t kRefusedAtOnce = 64;
// When the process has no file descriptors left, accepting again at once would spin.
constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

std::string ListenAddress::url(std::uint16_t bound_port) const {
  if (address == "0.0.0.0" || address == "::")
    return fmt::format("http://localhost:{}", bound_port);
  return address.find(':') == std::string::npos
             ? fmt::format("http://{}:{}", address, bound_port)
             : fmt::format("http://[{}]:{}", address, bound_port);
}

Result<ListenAddress> parse_listen_address(const std::string& text) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("server.listen is \"{}\": write ADDRESS:PORT, such as 127.0.0.1:8080, "
                            "[::1]:8080 or 0.0.0.0:8080",
                            text),
                "server.listen");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong();
  std::string host = text.substr(0, colon);
  ListenAddress result;
  const char* end = text.data() + text.size();
  const auto [parsed, fault] = std::from_chars(text.data() + colon + 1, end, result.port);
  if (fault != std::errc() || parsed != end) return wrong();
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error || address.is_v6() != bracketed) return wrong();
  result.address = address.to_string();
  result.loopback = address.is_loopback();
  return result;
}

/// One I/O thread and the sessions that live on it.
struct Listener::Loop {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::unordered_set<Session*> sessions;  // touched on the thread only
  std::thread thread;
};

struct Listener::Parts {
  Parts(const ServerOptions& given, Door& door, base::ThreadPool& workers, Metrics& metrics,
        base::Random& random)
      : options(given), surroundings{given, door, workers, metrics, random} {}

  void accept();
  void accept_later();
  void take(tcp::socket socket, Loop& loop);
  void begin(tcp::socket socket, Loop& loop);
  void on_end(Loop& loop, Session* session);
  bool wait_until_empty(std::chrono::milliseconds patience);
  void tell_all(void (Session::*what)());

  const ServerOptions& options;
  const Surroundings surroundings;
  std::vector<std::unique_ptr<Loop>> loops;
  std::optional<tcp::acceptor> acceptor;  // on the first loop
  std::optional<asio::steady_timer> pause;
  std::uint16_t port = 0;
  std::size_t next_loop = 0;
  bool stopping = false;  // on the first loop's thread only

  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t open = 0;
  bool shut_down = false;
};

void Listener::Parts::accept() {
  Loop& loop = *loops[next_loop++ % loops.size()];
  acceptor->async_accept(loop.context, [this, &loop](const error_code& error, tcp::socket socket) {
    if (stopping) return;
    if (error) {
      base::log_warning("cannot accept a connection", {{"why", error.message()}});
      accept_later();
      return;
    }
    take(std::move(socket), loop);
    accept();
  });
}

void Listener::Parts::accept_later() {
  pause->expires_after(kAcceptPause);
  pause->async_wait([this](const error_code&) {
    if (!stopping) accept();
  });
}

void Listener::Parts::take(tcp::socket socket, Loop& loop) {
  // The socket's own thread makes the session: nothing of it is ever touched by another.
  asio::post(loop.context, [this, &loop, socket = std::move(socket)]() mutable {
    begin(std::move(socket), loop);
  });
}

void Listener::Parts::begin(tcp::socket socket, Loop& loop) {
  bool refuse = false;
  {
    const std::lock_guard lock(mutex);
    if (shut_down || open >= options.max_connections + kRefusedAtOnce) return;
    refuse = open >= options.max_connections;
    ++open;
  }
  surroundings.metrics.add_connections(1);
  const auto session = std::make_shared<Session>(std::move(socket), surroundings, refuse);
  loop.sessions.insert(session.get());
  asio::co_spawn(loop.context, session->run(), [this, &loop, session](const std::exception_ptr&) {
    on_end(loop, session.get());
  });
}

void Listener::Parts::on_end(Loop& loop, Session* session) {
  loop.sessions.erase(session);
  surroundings.metrics.add_connections(-1);
  const std::lock_guard lock(mutex);
  --open;
  changed.notify_all();
}

bool Listener::Parts::wait_until_empty(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, patience, [this] { return open == 0; });
}

void Listener::Parts::tell_all(void (Session::*what)()) {
  for (const auto& loop : loops) {
    asio::post(loop->context, [&loop = *loop, what] {
      // A copy: to be told may end a session.
      const std::vector<Session*> all(loop.sessions.begin(), loop.sessions.end());
      for (Session* session : all) {
        if (loop.sessions.contains(session)) (session->*what)();
      }
    });
  }
}

Listener::Listener(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<Listener>> Listener::open(const ListenAddress& address,
                                                 const ServerOptions& options, Door& door,
                                                 base::ThreadPool& workers, Metrics& metrics,
                                                 base::Random& random) {
  auto parts = std::make_unique<Parts>(options, door, workers, metrics, random);
  for (std::int64_t i = 0; i < options.io_threads; ++i)
    parts->loops.push_back(std::make_unique<Loop>());
  asio::io_context& first = parts->loops.front()->context;
  parts->acceptor.emplace(first);
  parts->pause.emplace(first);

  const tcp::endpoint endpoint(asio::ip::make_address(address.address), address.port);
  error_code error;
  parts->acceptor->open(endpoint.protocol(), error);
  if (!error) parts->acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) parts->acceptor->bind(endpoint, error);
  if (!error) parts->acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (!error) parts->port = parts->acceptor->local_endpoint(error).port();
  if (error) {
    const ErrorCode code = error == asio::error::address_in_use  ? ErrorCode::kUnavailable
                           : error == asio::error::access_denied ? ErrorCode::kPermissionDenied
                                                                 : ErrorCode::kIo;
    return fail(code,
                fmt::format("cannot listen on {}:{}: {}; choose another with --listen "
                            "ADDRESS:PORT",
                            address.address, address.port, error.message()),
                "server.listen");
  }

  std::unique_ptr<Listener> listener(new Listener(std::move(parts)));
  Parts& started = *listener->parts_;
  asio::post(first, [&started] { started.accept(); });
  for (std::size_t i = 0; i < started.loops.size(); ++i) {
    Loop& loop = *started.loops[i];
    loop.thread = std::thread([&loop, i] {
      pthread_setname_np(pthread_self(), fmt::format("io-{}", i).c_str());
      loop.context.run();
    });
  }
  return listener;
}

Listener::~Listener() {
  shutdown(std::chrono::milliseconds(0));
}

std::uint16_t Listener::port() const {
  return parts_->port;
}

void Listener::shutdown(std::chrono::milliseconds patience) {
  Parts& parts = *parts_;
  asio::post(parts.loops.front()->context, [&parts] {
    parts.stopping = true;
    error_code ignored;
    parts.acceptor->close(ignored);
    parts.pause->cancel();
  });
  {
    const std::lock_guard lock(parts.mutex);
    parts.shut_down = true;
  }
  parts.tell_all(&Session::drain);
  if (!parts.wait_until_empty(patience)) {
    parts.tell_all(&Session::abort);
    parts.wait_until_empty(std::chrono::seconds(10));
  }
  for (const auto& loop : parts.loops) {
    loop->work.reset();
    loop->context.stop();
    if (loop->thread.joinable()) loop->thread.join();
  }
}

}  // namespace rapport::server
