#include "testing/loopback_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

namespace rapport::testing {
namespace {

constexpr int kPatienceMs = 30'000;
constexpr short kGone = POLLRDHUP | POLLHUP | POLLERR;

int must(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string("loopback server: ") + what);
  return result;
}

int new_event() {
  return must(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
}

void raise(int event) {
  // Never read back: it stays readable, for every waiter.
  if (::eventfd_write(event, 1) != 0) throw std::runtime_error("loopback server: eventfd_write");
}

/// A socket bound to a free port of 127.0.0.1, and that port.
std::pair<int, std::uint16_t> bound_socket() {
  const int socket = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  must(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), "bind");
  must(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return {socket, ntohs(address.sin_port)};
}

std::string url_of(std::uint16_t port, std::string_view target) {
  return fmt::format("http://127.0.0.1:{}{}", port, target);
}

/// Waits for `events` on `socket`; false on a stop, or after 30 s.
bool wait_for(int socket, short events, int stop_event) {
  std::array<pollfd, 2> polled{{{socket, events, 0}, {stop_event, POLLIN, 0}}};
  while (true) {
    const int ready = ::poll(polled.data(), polled.size(), kPatienceMs);
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0 && polled[1].revents == 0;
  }
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

/// `head` ends with an empty line.
LoopbackRequest parse_head(std::string_view head) {
  LoopbackRequest request;
  const auto next_line = [&head] {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    return line;
  };
  const std::string_view first = next_line();
  const std::size_t space = first.find(' ');
  request.method = first.substr(0, space);
  if (space != std::string_view::npos) {
    const std::string_view rest = first.substr(space + 1);
    request.target = rest.substr(0, rest.find(' '));
  }
  for (std::string_view line = next_line(); !line.empty(); line = next_line()) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    request.headers.emplace_back(lower_case(line.substr(0, colon)), value);
  }
  return request;
}

std::string head_of(int status, std::string_view content_type, std::string_view framing,
                    const LoopbackPeer::Headers& headers) {
  std::string head = fmt::format("HTTP/1.1 {} Scripted\r\nContent-Type: {}\r\n{}\r\n", status,
                                 content_type, framing);
  for (const auto& [name, value] : headers) head += fmt::format("{}: {}\r\n", name, value);
  return head + "\r\n";
}

/// The bytes of one connection, cut into requests.
class RequestReader {
 public:
  RequestReader(int socket, int stop_event) : socket_(socket), stop_event_(stop_event) {}

  /// Empty when the client has gone or the server stops.
  std::optional<LoopbackRequest> next() {
    std::size_t head_end;
    while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!read_more()) return std::nullopt;
    head_end += 4;
    LoopbackRequest request = parse_head(std::string_view(buffer_).substr(0, head_end));
    std::size_t body_size = 0;
    const std::string_view length = request.header("content-length");
    std::from_chars(length.data(), length.data() + length.size(), body_size);
    while (buffer_.size() < head_end + body_size)
      if (!read_more()) return std::nullopt;
    request.body = buffer_.substr(head_end, body_size);
    request.raw = buffer_.substr(0, head_end + body_size);
    buffer_.erase(0, head_end + body_size);
    return request;
  }

 private:
  bool read_more() {
    std::array<char, 1 << 16> piece;
    while (wait_for(socket_, POLLIN, stop_event_)) {
      const ssize_t size = ::recv(socket_, piece.data(), piece.size(), MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (size <= 0) return false;
      buffer_.append(piece.data(), static_cast<std::size_t>(size));
      return true;
    }
    return false;
  }

  int socket_;
  int stop_event_;
  std::string buffer_;
};

}  // namespace

Gate::Gate() : event_(new_event()) {}
Gate::~Gate() {
  ::close(event_);
}

void Gate::open() {
  is_open_ = true;
  raise(event_);
}

bool Gate::wait() const {
  pollfd polled{event_, POLLIN, 0};
  int ready;
  do {
    ready = ::poll(&polled, 1, kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && is_open_;
}

std::string_view LoopbackRequest::header(std::string_view name) const {
  for (const auto& [known, value] : headers)
    if (known == name) return value;
  return {};
}

bool LoopbackPeer::send(std::string_view bytes) {
  while (!bytes.empty() && !is_closed_) {
    if (!wait_for(socket_, POLLOUT, stop_event_)) return false;
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return !is_closed_;
}

bool LoopbackPeer::respond(int status, std::string_view body, std::string_view content_type,
                           const Headers& headers) {
  return send(
      head_of(status, content_type, fmt::format("Content-Length: {}", body.size()), headers) +
      std::string(body));
}

bool LoopbackPeer::begin_stream(int status, std::string_view content_type, const Headers& headers) {
  return send(head_of(status, content_type, "Transfer-Encoding: chunked", headers));
}

bool LoopbackPeer::send_chunk(std::string_view bytes) {
  return send(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
}

bool LoopbackPeer::end_stream() {
  return send("0\r\n\r\n");
}

bool LoopbackPeer::wait(const Gate& gate) {
  std::array<pollfd, 3> polled{
      {{gate.event_, POLLIN, 0}, {socket_, POLLRDHUP, 0}, {stop_event_, POLLIN, 0}}};
  int ready;
  do {
    ready = ::poll(polled.data(), polled.size(), kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  const bool broken_off = (polled[1].revents & kGone) != 0 || polled[2].revents != 0;
  return ready > 0 && !broken_off && gate.is_open_;
}

bool LoopbackPeer::wait_for_client_to_leave() {
  return wait_for(socket_, POLLRDHUP, stop_event_);
}

void LoopbackPeer::close() {
  is_closed_ = true;
  ::shutdown(socket_, SHUT_RDWR);
}

void LoopbackPeer::reset() {
  is_closed_ = true;
  // Closing with a zero linger time is how a reset is asked for; the owner of the socket closes it.
  const linger at_once{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

struct LoopbackServer::State {
  explicit State(Handler given) : handler(std::move(given)), stop_event(new_event()) {
    std::tie(listener, port) = bound_socket();
    must(::listen(listener, 1024), "listen");
    acceptor = std::thread([this] { accept_all(); });
  }

  ~State() {
    raise(stop_event);
    acceptor.join();
    for (std::thread& thread : threads) thread.join();
    ::close(listener);
    ::close(stop_event);
  }

  void accept_all() {
    while (wait_for_connection()) {
      const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      std::size_t connection;
      {
        const std::scoped_lock lock(mutex);
        connection = accepted++;
      }
      threads.emplace_back([this, socket, connection] { serve(socket, connection); });
    }
  }

  /// Without the patience of the others: a server may wait as long as its test runs.
  bool wait_for_connection() const {
    std::array<pollfd, 2> polled{{{listener, POLLIN, 0}, {stop_event, POLLIN, 0}}};
    int ready;
    do {
      ready = ::poll(polled.data(), polled.size(), -1);
    } while (ready < 0 && errno == EINTR);
    return polled[1].revents == 0;
  }

  void serve(int socket, std::size_t connection) {
    RequestReader reader(socket, stop_event);
    LoopbackPeer peer(socket, stop_event);
    while (!peer.is_closed_) {
      std::optional<LoopbackRequest> request = reader.next();
      if (!request) break;
      request->connection = connection;
      {
        const std::scoped_lock lock(mutex);
        request->index = requests.size();
        requests.push_back(*request);
      }
      arrived.notify_all();
      handler(*request, peer);
    }
    ::close(socket);
  }

  const Handler handler;
  const int stop_event;
  int listener = -1;
  std::uint16_t port = 0;

  std::mutex mutex;  // guards the next three
  std::condition_variable arrived;
  std::size_t accepted = 0;
  std::vector<LoopbackRequest> requests;

  std::vector<std::thread> threads;  // the acceptor's, then the destructor's
  std::thread acceptor;
};

LoopbackServer::LoopbackServer(Handler handler)
    : state_(std::make_unique<State>(std::move(handler))) {}
LoopbackServer::~LoopbackServer() = default;

std::uint16_t LoopbackServer::port() const {
  return state_->port;
}

std::string LoopbackServer::url(std::string_view target) const {
  return url_of(state_->port, target);
}

std::size_t LoopbackServer::connections() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->accepted;
}

std::vector<LoopbackRequest> LoopbackServer::requests() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->requests;
}

bool LoopbackServer::wait_for_requests(std::size_t count) const {
  std::unique_lock lock(state_->mutex);
  return state_->arrived.wait_for(lock, std::chrono::milliseconds{kPatienceMs},
                                  [&] { return state_->requests.size() >= count; });
}

RefusingPort::RefusingPort() {
  std::tie(socket_, port_) = bound_socket();
}
RefusingPort::~RefusingPort() {
  ::close(socket_);
}

std::string RefusingPort::url(std::string_view target) const {
  return url_of(port_, target);
}

}  // namespace rapport::testing
