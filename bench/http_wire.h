// The bytes and sockets that the two sides of http_benchmark share: messages with Content-Length on
// loopback, watched by epoll.
//
//   watch(epoll, socket);
//   if (!receive(socket, buffer)) …  // the peer has gone
//   const Message message = read_message(buffer);  // message.size == 0: not all of it is there
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace rapport::bench {

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void give_up(const std::string& why) {
  // A benchmark that cannot run has no figures.
  fmt::print(stderr, "http_benchmark: {}\n", why);
  std::exit(1);
}

inline int must(int result, const char* what) {
  if (result < 0) give_up(fmt::format("{}: {}", what, std::strerror(errno)));
  return result;
}

inline std::string_view header_value(std::string_view head, std::string_view lower_name) {
  for (std::size_t at = 0; (at = head.find("\r\n", at)) != std::string_view::npos;) {
    at += 2;
    const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
    if (line.size() <= lower_name.size() || line[lower_name.size()] != ':') continue;
    const bool same = std::equal(lower_name.begin(), lower_name.end(), line.begin(),
                                 [](char a, char b) { return a == (b | 0x20) || a == b; });
    if (!same) continue;
    const std::size_t begin = line.find_first_not_of(' ', lower_name.size() + 1);
    return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
  }
  return {};
}

struct Message {
  std::string_view head;  // with its first line
  std::string_view body;
  std::size_t size = 0;  // of both; 0: not all of it is there yet
};

/// A message with Content-Length, which is all that either side sends here.
inline Message read_message(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return {};
  const std::string_view head = bytes.substr(0, end + 2);
  const std::string_view length = header_value(head, "content-length");
  std::size_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);
  if (bytes.size() < end + 4 + size) return {};
  return {head, bytes.substr(end + 4, size), end + 4 + size};
}

/// Appends what has come; false when the peer has closed.
inline bool receive(int socket, std::string& buffer) {
  std::array<char, 1 << 15> piece;
  while (true) {
    const ssize_t size = ::recv(socket, piece.data(), piece.size(), MSG_DONTWAIT);
    if (size > 0) {
      buffer.append(piece.data(), static_cast<std::size_t>(size));
      if (static_cast<std::size_t>(size) < piece.size()) return true;
    } else if (size < 0 && errno == EINTR) {
      continue;
    } else {
      return size < 0 && errno == EAGAIN;
    }
  }
}

/// Messages here are smaller than a socket's buffer, so that one write takes all of it.
inline bool send_all(int socket, std::string_view bytes) {
  return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

inline void watch(int epoll, int file) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = file}};
  must(::epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event), "epoll_ctl");
}

inline void set_no_delay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline void set_timer(int timer, Clock::time_point due) {
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(due.time_since_epoch());
  itimerspec when{};
  // std::chrono::steady_clock is CLOCK_MONOTONIC. A moment of zero would disarm the timer.
  when.it_value.tv_sec = since.count() / 1'000'000'000;
  when.it_value.tv_nsec = since.count() % 1'000'000'000;
  must(::timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr), "timerfd_settime");
}

}  // namespace rapport::bench
