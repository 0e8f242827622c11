#include "rapport/server/outbox.h"

#include <utility>

namespace rapport::server {
namespace {

class OutboxReply final : public Reply {
 public:
  explicit OutboxReply(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
  ~OutboxReply() override { outbox_->abandon(); }
  bool send(HttpResponse response) override { return outbox_->send(std::move(response)); }
  void begin_stream(HttpResponse head) override { outbox_->begin_stream(std::move(head)); }
  bool write(std::string chunk) override { return outbox_->write(std::move(chunk)); }
  void end() override { outbox_->end(); }

 private:
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace

Outbox::Outbox(std::size_t max_waiting_bytes, std::function<void()> wake, std::stop_source too_slow)
    : max_waiting_bytes_(max_waiting_bytes),
      too_slow_(std::move(too_slow)),
      wake_(std::move(wake)) {}

Outbox::Batch Outbox::take(bool with_head) {
  const std::lock_guard lock(mutex_);
  notified_ = false;
  Batch batch;
  const bool hold_head = streams_ && waiting_.empty() && !ended_ && !with_head;
  if (head_ && !hold_head) {
    batch.head = std::exchange(head_, std::nullopt);
    batch.streams = streams_;
    head_left_ = true;
  }
  batch.bytes = std::exchange(waiting_, {});
  batch.ended = ended_;
  batch.overflowed = overflowed_;
  return batch;
}

void Outbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  wake_ = nullptr;
  waiting_.clear();
}

bool Outbox::send(HttpResponse response) {
  const std::lock_guard lock(mutex_);
  if (closed_ || head_left_ || ended_) return false;
  head_ = std::move(response);
  answered_ = true;
  streams_ = false;
  waiting_.clear();
  ended_ = true;
  notify();
  return true;
}

void Outbox::begin_stream(HttpResponse head) {
  const std::lock_guard lock(mutex_);
  if (closed_ || answered_) return;
  head_ = std::move(head);
  answered_ = true;
  streams_ = true;
  // No wake: the head waits for the first bytes.
}

bool Outbox::write(std::string chunk) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || !streams_ || ended_ || overflowed_) return false;
    if (waiting_.size() + chunk.size() <= max_waiting_bytes_) {
      if (waiting_.empty()) {
        waiting_ = std::move(chunk);
      } else {
        waiting_ += chunk;
      }
      notify();
      return true;
    }
    overflowed_ = true;
    waiting_.clear();
    notify();
  }
  // Outside the lock: who listens for the stop may call us.
  too_slow_.request_stop();
  return false;
}

void Outbox::end() {
  const std::lock_guard lock(mutex_);
  if (closed_ || !streams_ || ended_) return;
  ended_ = true;
  notify();
}

void Outbox::abandon() {
  const std::lock_guard lock(mutex_);
  if (closed_ || ended_) return;
  if (!answered_) {
    head_ = HttpResponse::error({.code = ErrorCode::kInternal,
                                 .message = "a handler dropped its reply without an answer",
                                 .param = {},
                                 .reason = {},
                                 .retry_after = {}});
    answered_ = true;
  } else {
    // A stream that was never ended: cut the connection, so that the client sees it is not whole.
    overflowed_ = true;
  }
  ended_ = true;
  notify();
}

void Outbox::notify() {
  if (notified_ || !wake_) return;
  notified_ = true;
  wake_();
}

std::shared_ptr<Reply> open_reply(std::shared_ptr<Outbox> outbox) {
  return std::make_shared<OutboxReply>(std::move(outbox));
}

}  // namespace rapport::server
