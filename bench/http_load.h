// The load of http_benchmark: open, so that request i is due at i / rate whether or not those
// before it were answered, and its latency counts from when it was due. A server that stalls then
// pays for all who wait, as it would with users.
//
//   const Measured measured = Load(port, 2'000, 6'000).run(Requests(port, 1, "0"));
//   measured.percentile(0.99);  // ms
#pragma once

#include <unistd.h>

#include <unordered_map>
#include <utility>
#include <vector>

#include "http_upstream.h"
#include "http_wire.h"
#include "rapport/base/json.h"

namespace rapport::bench {

using Seconds = std::chrono::duration<double>;

constexpr std::size_t kUsers = 100;
constexpr std::size_t kTurns = 5;  // of a conversation
// More than 2,000 a second need at 20 ms, with room for a stall of a third of a second.
constexpr std::size_t kConnections = 700;

/// The bytes of request `i` of a run: the turn of the user whose turn it is.
class Requests {
 public:
  /// `degree` "" leaves the user's own; `run` tells this run's conversations from others'.
  Requests(std::uint16_t port, int run, const std::string& degree) : port_(port), run_(run) {
    if (!degree.empty()) extra_ = fmt::format("x-rapport-degree: {}\r\n", degree);
  }

  std::string operator()(std::size_t i) const {
    const std::size_t user = i % kUsers, turn = i / kUsers;
    Json messages = Json::array({{{"role", "system"}, {"content", "You are a helpful cook."}}});
    for (std::size_t t = turn - turn % kTurns; t <= turn; ++t) {
      messages.push_back({{"role", "user"}, {"content", question(user, t)}});
      if (t < turn) messages.push_back({{"role", "assistant"}, {"content", answer_text()}});
    }
    const std::string body = Json{
        {"model", "mock"},
        {"user", fmt::format("user {}", user)},
        {"temperature", 0},
        {"messages",
         std::move(messages)}}.dump();
    return fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n"
        "content-type: application/json\r\ncontent-length: {}\r\n{}\r\n{}",
        port_, body.size(), extra_, body);
  }

 private:
  std::string question(std::size_t user, std::size_t turn) const {
    return fmt::format("In run {} and turn {} user {} asks: what goes well with a plain risotto?",
                       run_, turn, user);
  }

  std::uint16_t port_;
  int run_;
  std::string extra_;
};

struct Measured {
  std::vector<double> milliseconds;  // from when each was due to its last byte; sorted
  std::int64_t failed = 0;           // not answered with 200
  double per_second = 0;             // answered
  double server_milliseconds = 0;    // of the program's processor time, a request

  double percentile(double share) const {
    if (milliseconds.empty()) return 0;
    return milliseconds[static_cast<std::size_t>(share *
                                                 static_cast<double>(milliseconds.size() - 1))];
  }
};

/// Sends `count` requests at `rate` a second to a port of this machine.
class Load {
 public:
  Load(std::uint16_t port, double rate, std::size_t count)
      : port_(port), rate_(rate), count_(count) {
    watch(epoll_, timer_);
  }
  ~Load() {
    for (const auto& [socket, connection] : connections_) ::close(socket);
    ::close(timer_);
    ::close(epoll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  Measured run(const Requests& requests) {
    // Made before the clock starts: making them is the load tool's own work.
    std::vector<std::string> bytes;
    bytes.reserve(count_);
    for (std::size_t i = 0; i < count_; ++i) bytes.push_back(requests(i));

    start_ = Clock::now();
    // A server that has not caught up by then has failed what is left.
    const Clock::time_point patience = due(count_) + std::chrono::seconds{3};
    std::array<epoll_event, 256> events;
    while (done_ < count_ && Clock::now() < patience) {
      while (next_ < count_ && due(next_) <= Clock::now() && send(bytes[next_])) ++next_;
      set_timer(timer_, next_ < count_ ? std::max(due(next_), Clock::now()) : patience);
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1'000);
      for (int i = 0; i < ready; ++i) {
        const int file = events[static_cast<std::size_t>(i)].data.fd;
        if (file == timer_) {
          std::uint64_t count;
          [[maybe_unused]] const ssize_t read = ::read(timer_, &count, sizeof count);
        } else {
          take(file);
        }
      }
    }
    measured_.per_second =
        static_cast<double>(measured_.milliseconds.size()) / Seconds(Clock::now() - start_).count();
    measured_.failed = static_cast<std::int64_t>(count_ - measured_.milliseconds.size());
    std::sort(measured_.milliseconds.begin(), measured_.milliseconds.end());
    return std::move(measured_);
  }

 private:
  struct Connection {
    std::string received;
    Clock::time_point due;
    bool waits = false;  // for an answer
  };

  Clock::time_point due(std::size_t i) const {
    return start_ +
           std::chrono::duration_cast<Clock::duration>(Seconds(static_cast<double>(i) / rate_));
  }

  /// False when every connection waits for an answer: the request stays due.
  bool send(const std::string& request) {
    int socket = -1;
    if (!idle_.empty()) {
      socket = idle_.back();
      idle_.pop_back();
    } else if (connections_.size() < kConnections) {
      socket = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
      const sockaddr_in address = loopback(port_);
      must(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address),
           "connect");
      set_no_delay(socket);
      watch(epoll_, socket);
    } else {
      return false;
    }
    Connection& connection = connections_[socket];
    connection.due = due(next_);
    connection.waits = true;
    if (!send_all(socket, request)) drop(socket);
    return true;
  }

  void take(int socket) {
    Connection& connection = connections_[socket];
    if (!receive(socket, connection.received)) return drop(socket);
    const Message answer = read_message(connection.received);
    if (answer.size == 0) return;
    const bool good = answer.head.starts_with("HTTP/1.1 200");
    if (good) {
      const std::chrono::duration<double, std::milli> taken = Clock::now() - connection.due;
      measured_.milliseconds.push_back(taken.count());
    } else if (!said_why_) {
      said_why_ = true;
      fmt::print(stderr, "http_benchmark: refused: {}\n", connection.received);
    }
    ++done_;
    connection.received.clear();
    connection.waits = false;
    idle_.push_back(socket);
  }

  void drop(int socket) {
    if (connections_[socket].waits) ++done_;
    std::erase(idle_, socket);
    connections_.erase(socket);
    ::close(socket);
  }

  const std::uint16_t port_;
  const double rate_;
  const std::size_t count_;
  const int epoll_ = must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const int timer_ =
      must(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create");
  std::unordered_map<int, Connection> connections_;
  std::vector<int> idle_;
  Clock::time_point start_;
  std::size_t next_ = 0, done_ = 0;
  bool said_why_ = false;
  Measured measured_;
};

}  // namespace rapport::bench
