// Between a handler on any thread and the session that writes on its own: what waits to be sent,
// bounded.
//
//   auto outbox = std::make_shared<Outbox>(1 << 20, [&] { post(wake the session); });
//   handler(request, open_reply(outbox));
//   Outbox::Batch batch = outbox->take();   // in the session, each time it was woken
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "rapport/server/http.h"

namespace rapport::server {

/// Thread-safe. The session holds one reference, the handler's Reply another.
class Outbox {
 public:
  /// `wake` is called when there is something new to take, at most once between two takes; it must
  /// not block and must not call back. `too_slow` is requested at once when the bound is passed:
  /// the session may be stuck in a write just then.
  Outbox(std::size_t max_waiting_bytes, std::function<void()> wake, std::stop_source too_slow);

  struct Batch {
    std::optional<HttpResponse> head;  // once: the whole response, or the head of a stream
    bool streams = false;              // `head` begins a stream
    std::string bytes;                 // of the stream, since the last take
    bool ended = false;                // nothing comes after this batch
    bool overflowed = false;           // the reader is too slow: cut it off
  };
  /// The head of a stream stays here until there are bytes to go with it, or `with_head`.
  Batch take(bool with_head = false);

  /// The session is over: all that comes later is dropped, and `wake` is not called any more when
  /// this has returned.
  void close();

  // What Reply does.
  bool send(HttpResponse response);
  void begin_stream(HttpResponse head);
  bool write(std::string chunk);
  void end();
  /// The handler let go of its Reply: without an answer that is a 500, within a stream its end.
  void abandon();

 private:
  void notify();

  const std::size_t max_waiting_bytes_;
  std::stop_source too_slow_;
  std::mutex mutex_;
  std::function<void()> wake_;
  bool notified_ = false;
  std::optional<HttpResponse> head_;
  bool answered_ = false;  // send or begin_stream was called
  bool streams_ = false;
  bool head_left_ = false;
  std::string waiting_;
  bool ended_ = false;
  bool overflowed_ = false;
  bool closed_ = false;
};

std::shared_ptr<Reply> open_reply(std::shared_ptr<Outbox> outbox);

}  // namespace rapport::server
