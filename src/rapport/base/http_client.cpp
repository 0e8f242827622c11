#include "rapport/base/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace rapport::base {
namespace {

using Time = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxHeadBytes = 256 << 10;
constexpr long kMaxIdleConnections = 64;

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;
using Url = std::unique_ptr<CURLU, UrlDeleter>;

/// What of a URL may be shown: neither credentials nor the query, where keys are put.
std::string shown_url(const std::string& text) {
  const Url url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    return "the given URL";
  for (const CURLUPart part :
       {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT})
    curl_url_set(url.get(), part, nullptr, 0);
  char* shown = nullptr;
  if (curl_url_get(url.get(), CURLUPART_URL, &shown, 0) != CURLUE_OK) return "the given URL";
  const std::unique_ptr<char, decltype(&curl_free)> owned(shown, &curl_free);
  return shown;
}

bool is_token(std::string_view text) {
  static constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";  // RFC 9110, 5.6.2
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kSymbols.find(c) != std::string_view::npos;
  });
}

/// Would otherwise let a header's value smuggle in another header.
bool is_field_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<void> check(const OutgoingRequest& request) {
  const auto refuse = [&](std::string reason) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("cannot send a request to {}: {}", shown_url(request.url), reason));
  };
  const std::string scheme = lower_case(request.url.substr(0, request.url.find(':')));
  if (scheme != "http" && scheme != "https")
    return refuse("its URL has to begin with http:// or https://");
  if (request.url.find('\0') != std::string::npos) return refuse("its URL holds a NUL byte");
  if (!is_token(request.method)) return refuse("its method is not a word");
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name) || !is_field_value(value))
      return refuse(fmt::format("header \"{}\" holds characters that no header may", name));
  }
  return {};
}

/// What goes out beside what the caller asked for: nothing that curl would add of itself.
HeaderList header_list(const OutgoingRequest& request) {
  HeaderList list;
  const auto add = [&list](const std::string& line) {
    curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list.release();
    list.reset(longer);
  };
  bool has_content_type = false;
  for (const auto& [name, value] : request.headers) {
    // curl's way to say "sent, but empty" is a semicolon in place of the colon.
    add(value.empty() ? name + ";" : name + ": " + value);
    has_content_type |= lower_case(name) == "content-type";
  }
  if (!has_content_type) add("Content-Type:");
  // Without this a body beyond 1 MB waits up to a second for "100 Continue".
  add("Expect:");
  return list;
}

/// One request on its way.
struct Transfer {
  OutgoingRequest request;
  TransferCallbacks callbacks;
  std::string shown;

  Easy easy;
  HeaderList headers;
  std::array<char, CURL_ERROR_SIZE> curl_message{};

  Time started;               // when start() was called
  std::optional<Time> sent;   // connected, the request goes out
  std::optional<Time> heard;  // the last byte of the body came
  IncomingHead head;
  std::size_t head_bytes = 0;
  std::size_t body_bytes = 0;
  bool head_is_complete = false;
  std::optional<Error> refusal;  // why we broke off ourselves

  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  /// The next moment at which waiting any longer is an error, and which error.
  std::pair<Time, std::string_view> deadline() const {
    std::pair<Time, std::string_view> next{started + request.total_timeout, "the whole answer"};
    if (heard) {
      if (const Time idle = *heard + request.idle_timeout; idle < next.first)
        next = {idle, "the next piece of the answer"};
    } else if (sent) {
      if (const Time first = *sent + request.first_byte_timeout; first < next.first)
        next = {first, "the answer to begin"};
    }
    return next;
  }

  Error too_late(std::string_view what) const {
    const auto waited =
        std::chrono::duration_cast<milliseconds>(steady_clock::now() - started).count();
    return {ErrorCode::kTimeout,
            fmt::format("{} took too long: gave up waiting for {} {} ms after the request began",
                        shown, what, waited)};
  }

  void take_header_line(std::string_view line) {
    if (head_is_complete) return;  // trailers, which nobody asked for
    if (line.starts_with("HTTP/")) {
      head = {};
      const std::size_t space = line.find(' ');
      if (space != std::string_view::npos)
        std::from_chars(line.data() + space + 1, line.data() + line.size(), head.status);
      return;
    }
    if (without_blanks(line).empty()) {
      // "100 Continue" and "103 Early Hints" go before the answer; they are not it.
      head_is_complete = head.status >= 200;
      if (head_is_complete && callbacks.on_head) callbacks.on_head(head);
      return;
    }
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      head.headers.emplace_back(lower_case(without_blanks(line.substr(0, colon))),
                                without_blanks(line.substr(colon + 1)));
    }
  }

  // Called by curl. noexcept: an exception must not unwind through C.

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.head_bytes += size;
    if (transfer.head_bytes > kMaxHeadBytes) {
      transfer.refusal = Error{ErrorCode::kUpstream,
                               fmt::format("{} sends more than {} bytes of headers, the most that "
                                           "is accepted",
                                           transfer.shown, kMaxHeadBytes)};
      return 0;
    }
    transfer.take_header_line({data, size});
    return size;
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.request.stop_token.stop_requested()) return 0;
    transfer.heard = steady_clock::now();
    transfer.body_bytes += size;
    if (transfer.body_bytes > transfer.request.max_response_bytes) {
      transfer.refusal = Error{ErrorCode::kUpstream,
                               fmt::format("{} sends more than {} bytes, the most that is accepted",
                                           transfer.shown, transfer.request.max_response_bytes)};
      return 0;
    }
    if (transfer.callbacks.on_body) transfer.callbacks.on_body({data, size});
    return size;
  }

  static int on_connected(void* self, char*, char*, int, int) noexcept {
    static_cast<Transfer*>(self)->sent = steady_clock::now();
    return CURL_PREREQFUNC_OK;
  }

  /// Errors: kInvalidArgument.
  Result<void> prepare() {
    TRY_VOID(check(request));
    easy.reset(curl_easy_init());
    if (!easy) return fail(ErrorCode::kInternal, "curl has no memory for another request");
    headers = header_list(request);
    const auto set = [this](CURLoption option, auto value) {
      return curl_easy_setopt(easy.get(), option, value);
    };
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_ERRORBUFFER, curl_message.data());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    // Where requests go is ours to say, not the environment's.
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_USERAGENT, "rapport");
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_CONNECTTIMEOUT_MS,
        static_cast<long>(std::clamp<std::int64_t>(request.connect_timeout.count(), 1, INT_MAX)));
    // Otherwise giving up on a name waits for the resolver's thread, and all transfers with it.
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
    set(CURLOPT_PREREQDATA, this);

    if (request.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else if (request.method != "GET" || !request.body.empty()) {
      // The body stays in `request`; curl does not copy it.
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(CURLOPT_POSTFIELDS, request.body.data());
      set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    if (set(CURLOPT_URL, request.url.c_str()) != CURLE_OK) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("cannot send a request to {}: its URL is malformed", shown));
    }
    return {};
  }

  Result<void> outcome(CURLcode code) const {
    if (refusal) return fail(*refusal);
    if (request.stop_token.stop_requested()) return cancelled();
    if (code == CURLE_OK) return {};
    const std::string_view reason =
        curl_message[0] != '\0' ? curl_message.data() : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT) {
      return fail(ErrorCode::kTimeout, fmt::format("{} could not be reached within {} ms: {}",
                                                   shown, request.connect_timeout.count(), reason));
    }
    if (code == CURLE_URL_MALFORMAT) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("cannot send a request to {}: {}", shown, reason));
    }
    return fail(ErrorCode::kUpstream, fmt::format("{}: {}", shown, reason));
  }

  tl::unexpected<Error> cancelled() const {
    return fail(ErrorCode::kCancelled, fmt::format("the request to {} was cancelled", shown));
  }
};

}  // namespace

struct HttpClient::Loop {
  Loop() {
    static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    if (initialised != CURLE_OK || multi == nullptr) std::abort();  // out of memory at start
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kMaxIdleConnections);
    thread = std::thread([this] { run(); });
  }

  ~Loop() {
    stopping = true;
    curl_multi_wakeup(multi);
    thread.join();
    curl_multi_cleanup(multi);
  }

  // From any thread.

  void start(OutgoingRequest request, TransferCallbacks callbacks) {
    auto transfer = std::make_unique<Transfer>();
    transfer->shown = shown_url(request.url);
    transfer->request = std::move(request);
    transfer->callbacks = std::move(callbacks);
    transfer->started = steady_clock::now();
    {
      const std::scoped_lock lock(mutex);
      arrivals.push_back(std::move(transfer));
    }
    curl_multi_wakeup(multi);
  }

  void after(milliseconds delay, std::function<void()> task) {
    {
      const std::scoped_lock lock(mutex);
      timers.emplace(steady_clock::now() + delay, std::move(task));
    }
    curl_multi_wakeup(multi);
  }

  // On the loop's thread.

  void run() {
    while (!stopping) {
      run_due_timers();
      admit_arrivals();
      if (stop_was_requested.exchange(false)) break_off_stopped();
      int running = 0;
      curl_multi_perform(multi, &running);
      finish_completed();
      break_off_late();
      curl_multi_poll(multi, nullptr, 0, until_next_event(), nullptr);
    }
    while (!active.empty()) {
      Transfer& transfer = *active.begin()->second;
      finish(transfer, transfer.cancelled());
    }
    // A callback may have started another: it is told at once.
    while (auto transfer = next_arrival()) report(*transfer, transfer->cancelled());
  }

  void run_due_timers() {
    while (true) {
      std::function<void()> task;
      {
        const std::scoped_lock lock(mutex);
        if (timers.empty() || timers.begin()->first > steady_clock::now()) return;
        task = std::move(timers.begin()->second);
        timers.erase(timers.begin());
      }
      task();
    }
  }

  std::unique_ptr<Transfer> next_arrival() {
    const std::scoped_lock lock(mutex);
    if (arrivals.empty()) return nullptr;
    auto transfer = std::move(arrivals.front());
    arrivals.pop_front();
    return transfer;
  }

  void admit_arrivals() {
    while (auto arrival = next_arrival()) {
      Transfer& transfer = *arrival;
      if (transfer.request.stop_token.stop_requested()) {
        report(transfer, transfer.cancelled());
        continue;
      }
      if (auto prepared = transfer.prepare(); !prepared) {
        report(transfer, std::move(prepared));
        continue;
      }
      CURL* const easy = transfer.easy.get();
      active.emplace(easy, std::move(arrival));
      curl_multi_add_handle(multi, easy);
      // Only touches what may be touched from any thread: it runs where stop is requested.
      transfer.on_stop.emplace(transfer.request.stop_token, [this] {
        stop_was_requested = true;
        curl_multi_wakeup(multi);
      });
    }
  }

  void break_off_stopped() {
    for (Transfer* transfer : all_active()) {
      if (transfer->request.stop_token.stop_requested()) finish(*transfer, transfer->cancelled());
    }
  }

  void break_off_late() {
    const Time now = steady_clock::now();
    for (Transfer* transfer : all_active()) {
      if (const auto [time, what] = transfer->deadline(); time <= now)
        finish(*transfer, fail(transfer->too_late(what)));
    }
  }

  void finish_completed() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const auto found = active.find(message->easy_handle);
      if (found == active.end()) continue;
      Transfer& transfer = *found->second;
      finish(transfer, transfer.outcome(message->data.result));
    }
  }

  /// Takes the transfer out, which closes its connection unless the answer is complete, and tells
  /// its owner.
  void finish(Transfer& transfer, Result<void> result) {
    const auto found = active.find(transfer.easy.get());
    const std::unique_ptr<Transfer> owned = std::move(found->second);
    active.erase(found);
    curl_multi_remove_handle(multi, owned->easy.get());
    report(*owned, std::move(result));
  }

  static void report(Transfer& transfer, Result<void> result) {
    transfer.on_stop.reset();
    if (transfer.callbacks.on_done) transfer.callbacks.on_done(std::move(result));
  }

  /// A copy, since finishing changes the map. Nothing but `finish` removes from it.
  std::vector<Transfer*> all_active() const {
    std::vector<Transfer*> transfers;
    transfers.reserve(active.size());
    for (const auto& [easy, transfer] : active) transfers.push_back(transfer.get());
    return transfers;
  }

  /// Milliseconds, rounded up so that the loop does not wake just before the moment and spin.
  /// curl wakes earlier for its own timers.
  int until_next_event() {
    Time next = steady_clock::now() + std::chrono::hours{1};
    for (const auto& [easy, transfer] : active) next = std::min(next, transfer->deadline().first);
    {
      const std::scoped_lock lock(mutex);
      if (!timers.empty()) next = std::min(next, timers.begin()->first);
    }
    const auto wait = std::chrono::ceil<milliseconds>(next - steady_clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(wait, 0, INT_MAX));
  }

  CURLM* multi = nullptr;
  std::atomic<bool> stopping{false};
  std::atomic<bool> stop_was_requested{false};

  std::mutex mutex;  // guards the next two
  std::deque<std::unique_ptr<Transfer>> arrivals;
  std::multimap<Time, std::function<void()>> timers;

  std::map<CURL*, std::unique_ptr<Transfer>> active;  // the loop's thread only
  std::thread thread;
};

HttpClient::HttpClient() : loop_(std::make_unique<Loop>()) {}
HttpClient::~HttpClient() = default;

void HttpClient::start(OutgoingRequest request, TransferCallbacks callbacks) {
  loop_->start(std::move(request), std::move(callbacks));
}

void HttpClient::after(std::chrono::milliseconds delay, std::function<void()> task) {
  loop_->after(delay, std::move(task));
}

Result<IncomingResponse> fetch(HttpClient& client, OutgoingRequest request) {
  // Shared with the callbacks: theirs may be the last touch.
  struct Waiting {
    IncomingResponse response;
    std::promise<Result<IncomingResponse>> promise;
  };
  const auto waiting = std::make_shared<Waiting>();
  auto answer = waiting->promise.get_future();
  client.start(std::move(request),
               {.on_head = [waiting](const IncomingHead& head) { waiting->response.head = head; },
                .on_body = [waiting](std::string_view piece) { waiting->response.body += piece; },
                .on_done =
                    [waiting](Result<void> result) {
                      if (result) {
                        waiting->promise.set_value(std::move(waiting->response));
                      } else {
                        waiting->promise.set_value(fail(std::move(result).error()));
                      }
                    }});
  return answer.get();
}

}  // namespace rapport::base
