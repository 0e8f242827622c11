// A real HTTP server on 127.0.0.1 whose every byte a test decides: it answers in pieces, stalls
// until told, breaks off midway, sends nonsense.
//
//   Gate gate;
//   LoopbackServer server([&](const LoopbackRequest& request, LoopbackPeer& peer) {
//     peer.begin_stream(200);
//     peer.send_chunk("data: first\n\n");
//     if (!peer.wait(gate)) return;  // the client left
//     peer.send_chunk("data: second\n\n");
//     peer.end_stream();
//   });
//   client.start({.url = server.url("/v1/chat/completions")}, …);
//   gate.open();
//
// Nothing here sleeps, and no wait outlives 30 s: a broken test fails, it does not hang.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rapport::testing {

/// Opened once, stays open. Thread-safe.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void open();
  /// False when it has not opened within 30 s.
  bool wait() const;

 private:
  friend class LoopbackPeer;
  int event_;
  // Orders what was written before `open` before what is read after a wait, which the event by
  // itself does not tell the thread sanitizer.
  std::atomic<bool> is_open_{false};
};

struct LoopbackRequest {
  std::string method;
  std::string target;                                        // "/v1/models?x=1"
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string raw;             // head and body as they came
  std::size_t index = 0;       // the how-manieth request of the server, from 0
  std::size_t connection = 0;  // on the how-manieth connection, from 0

  /// Its value, "" when there is none. `name` in lower case.
  std::string_view header(std::string_view name) const;
};

/// The client, as the handler sees it. Used by the handler's thread only.
class LoopbackPeer {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  /// These return false once the client has gone (or the server stops): the handler returns then.

  /// Exactly these bytes, at once.
  bool send(std::string_view bytes);
  /// A whole answer with Content-Length.
  bool respond(int status, std::string_view body,
               std::string_view content_type = "application/json", const Headers& headers = {});
  /// The head of a chunked answer, then its pieces, then its end.
  bool begin_stream(int status, std::string_view content_type = "text/event-stream",
                    const Headers& headers = {});
  bool send_chunk(std::string_view bytes);
  bool end_stream();

  /// Stalls until the gate opens.
  bool wait(const Gate& gate);
  /// Stalls until the client has closed or reset the connection; true when it has.
  bool wait_for_client_to_leave();

  /// Ends the connection in good order, wherever the answer stands.
  void close();
  /// Ends it with a reset.
  void reset();

 private:
  friend class LoopbackServer;
  explicit LoopbackPeer(int socket, int stop_event) : socket_(socket), stop_event_(stop_event) {}

  int socket_;
  int stop_event_;
  bool is_closed_ = false;
};

class LoopbackServer {
 public:
  /// Runs on the connection's own thread, several at once for several connections; when it returns,
  /// the next request of the connection is awaited.
  using Handler = std::function<void(const LoopbackRequest&, LoopbackPeer&)>;

  explicit LoopbackServer(Handler handler);
  /// Breaks off what is under way and joins.
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::uint16_t port() const;
  /// "http://127.0.0.1:PORT" + target.
  std::string url(std::string_view target = "") const;
  /// How many were accepted so far.
  std::size_t connections() const;
  /// What has come so far, in order of arrival.
  std::vector<LoopbackRequest> requests() const;
  /// Waits until that many have come; false when they have not within 30 s.
  bool wait_for_requests(std::size_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A port of 127.0.0.1 that is taken but refuses connections.
class RefusingPort {
 public:
  RefusingPort();
  ~RefusingPort();
  RefusingPort(const RefusingPort&) = delete;
  RefusingPort& operator=(const RefusingPort&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(std::string_view target = "") const;

 private:
  int socket_;
  std::uint16_t port_;
};

}  // namespace rapport::testing
