#include "rapport/base/thread_pool.h"

#include <fmt/format.h>
#include <pthread.h>

#include <cassert>

namespace rapport::base {

ThreadPool::ThreadPool(std::string name, std::size_t threads, std::size_t max_queued)
    : name_(std::move(name)), max_queued_(max_queued) {
  assert(threads > 0);
  threads_.reserve(threads);
  try {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { run(i); });
  } catch (...) {  // one that could not be made: the others must not outlive their pool
    shutdown();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  shutdown();
}

Result<void> ThreadPool::post(std::function<void()> task) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return fail(ErrorCode::kUnavailable, fmt::format("{} is shutting down", name_));
    if (tasks_.size() >= max_queued_) {
      return fail(Error{
          .code = ErrorCode::kUnavailable,
          .message = fmt::format("{} is busy: {} tasks wait, the most it takes; try again later",
                                 name_, max_queued_),
          .param = {},
          .reason = {},
          .retry_after = std::chrono::seconds(1)});
    }
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return {};
}

void ThreadPool::shutdown() {
  std::vector<std::thread> threads;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

std::size_t ThreadPool::queued() const {
  const std::scoped_lock lock(mutex_);
  return tasks_.size();
}

void ThreadPool::run(std::size_t index) {
  // The system shows 15 characters and refuses more; the number must survive the cut.
  const std::string number = fmt::format("-{}", index);
  const std::string shown = name_.substr(0, 15 - std::min<std::size_t>(number.size(), 15)) + number;
  pthread_setname_np(pthread_self(), shown.substr(0, 15).c_str());

  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    {
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      // What the task captured goes before the lock is taken again: its destructor may post.
    }
    lock.lock();
  }
}

}  // namespace rapport::base
