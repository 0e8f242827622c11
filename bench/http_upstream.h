// The upstream of http_benchmark: an OpenAI-compatible model on one thread of its own, whose every
// answer is the same, ready when asked or after a fixed delay.
//
//   const Upstream upstream(std::chrono::milliseconds{20});
//   … "http://127.0.0.1:{upstream.port()}/v1" …
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <deque>
#include <thread>
#include <unordered_map>

#include "http_wire.h"
#include "rapport/base/json.h"

namespace rapport::bench {

/// Answers of some 60 tokens, the length of a chat's.
inline const std::string& answer_text() {
  static const std::string text = [] {
    std::string made = "Here is what I would do.";
    for (int i = 0; i < 10; ++i) made += " Take one good thing and leave the rest.";
    return made;
  }();
  return text;
}

/// An OpenAI-compatible model on one thread: each answer is the same, ready when asked or after a
/// fixed delay, in one piece or as a stream as the request wants it.
class Upstream {
 public:
  explicit Upstream(std::chrono::milliseconds delay) : delay_(delay) {
    listener_ = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    must(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), "bind");
    must(::listen(listener_, SOMAXCONN), "listen");
    must(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    port_ = ntohs(address.sin_port);
    watch(epoll_, listener_);
    watch(epoll_, stop_);
    watch(epoll_, timer_);
    thread_ = std::thread([this] { run(); });
  }
  ~Upstream() {
    ::eventfd_write(stop_, 1);
    thread_.join();
    for (const auto& [socket, buffer] : received_) ::close(socket);
    for (const int file : {listener_, stop_, timer_, epoll_}) ::close(file);
  }
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  struct Due {
    Clock::time_point when;
    int socket;
    bool stream;
  };

  static std::string framed(std::string_view type, const std::string& body) {
    return fmt::format("HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n{}", type,
                       body.size(), body);
  }

  static std::string whole() {
    const Json body = {
        {"id", "chatcmpl-1"},
        {"object", "chat.completion"},
        {"created", 0},
        {"model", "mock"},
        {"choices",
         {{{"index", 0},
           {"message", {{"role", "assistant"}, {"content", answer_text()}}},
           {"finish_reason", "stop"}}}},
        {"usage", {{"prompt_tokens", 90}, {"completion_tokens", 60}, {"total_tokens", 150}}}};
    return framed("application/json", body.dump());
  }

  /// As many pieces as upstreams send when they send several tokens at once.
  static std::string stream() {
    std::string events;
    const auto add = [&](const Json& delta, const Json& reason) {
      const Json chunk = {
          {"id", "chatcmpl-1"},
          {"object", "chat.completion.chunk"},
          {"created", 0},
          {"model", "mock"},
          {"choices", {{{"index", 0}, {"delta", delta}, {"finish_reason", reason}}}}};
      events += "data: " + chunk.dump() + "\n\n";
    };
    add({{"role", "assistant"}, {"content", ""}}, nullptr);
    const std::string& text = answer_text();
    for (std::size_t at = 0; at < text.size(); at += 32)
      add({{"content", text.substr(at, 32)}}, nullptr);
    add(Json::object(), "stop");
    const Json usage = {
        {"id", "chatcmpl-1"},
        {"object", "chat.completion.chunk"},
        {"created", 0},
        {"model", "mock"},
        {"choices", Json::array()},
        {"usage", {{"prompt_tokens", 90}, {"completion_tokens", 60}, {"total_tokens", 150}}}};
    events += "data: " + usage.dump() + "\n\ndata: [DONE]\n\n";
    return framed("text/event-stream", events);
  }

  void run() {
    std::array<epoll_event, 256> events;
    while (true) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < ready; ++i) {
        const int file = events[static_cast<std::size_t>(i)].data.fd;
        if (file == stop_) return;
        if (file == listener_) {
          accept();
        } else if (file == timer_) {
          std::uint64_t count;
          [[maybe_unused]] const ssize_t read = ::read(timer_, &count, sizeof count);
        } else {
          serve(file);
        }
      }
      answer_due();
    }
  }

  void accept() {
    while (true) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      set_no_delay(socket);
      received_[socket];
      watch(epoll_, socket);
    }
  }

  void serve(int socket) {
    std::string& buffer = received_[socket];
    if (!receive(socket, buffer)) {
      std::erase_if(due_, [socket](const Due& due) { return due.socket == socket; });
      received_.erase(socket);
      ::close(socket);
      return;
    }
    while (true) {
      const Message request = read_message(buffer);
      if (request.size == 0) return;
      const bool wants_stream = request.body.find("\"stream\":true") != std::string_view::npos;
      buffer.erase(0, request.size);
      if (delay_.count() == 0) {
        send_all(socket, wants_stream ? stream_ : whole_);
      } else {
        due_.push_back({Clock::now() + delay_, socket, wants_stream});
        if (due_.size() == 1) set_timer(timer_, due_.front().when);
      }
    }
  }

  void answer_due() {
    if (due_.empty()) return;
    while (!due_.empty() && due_.front().when <= Clock::now()) {
      send_all(due_.front().socket, due_.front().stream ? stream_ : whole_);
      due_.pop_front();
    }
    if (!due_.empty()) set_timer(timer_, due_.front().when);
  }

  const std::chrono::milliseconds delay_;
  const std::string whole_ = whole();
  const std::string stream_ = stream();
  int listener_ = -1;
  const int epoll_ = must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const int stop_ = must(::eventfd(0, EFD_CLOEXEC), "eventfd");
  const int timer_ =
      must(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create");
  std::uint16_t port_ = 0;
  std::unordered_map<int, std::string> received_;
  std::deque<Due> due_;  // the delay is the same for all, so the first come is the first due
  std::thread thread_;
};

}  // namespace rapport::bench
