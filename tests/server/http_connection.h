// A client that can be as rude as a test needs: raw bytes over a loopback socket.
//
//   HttpConnection connection(server.port());
//   connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
//   EXPECT_EQ(connection.read_response().status, 200);
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/base/json.h"

namespace rapport::testing {

struct Received {
  int status = 0;                              // 0: the connection ended before a whole head came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool whole = false;  // the body came to its end

  Json json() const;
  std::string error(const std::string& member) const;  // of {"error": {…}}, "" without
  std::string header(const std::string& name) const;
  std::vector<std::string> events() const;  // the data of each server-sent event
};

class HttpConnection {
 public:
  /// `receive_buffer`: bytes the kernel keeps for us; 0 leaves its own choice.
  explicit HttpConnection(std::uint16_t port, int receive_buffer = 0);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  /// False when the server does not take all of it.
  bool send(std::string_view bytes);
  /// The next response; `without_body` after HEAD.
  Received read_response(bool without_body = false);
  /// What comes up to and with `mark`, or up to the end of the connection.
  std::string read_until(std::string_view mark);
  /// Waits for the end of the connection; what came before it.
  std::string read_to_end();
  void finish_sending();
  void close();

 private:
  bool fill();  // more into buffer_; false at the end

  int socket_ = -1;
  std::string buffer_;
};

using Headers = std::vector<std::pair<std::string, std::string>>;
/// The bytes of a request with Host and Content-Length.
std::string request_bytes(std::string_view method, std::string_view target,
                          std::string_view body = {}, const Headers& headers = {});
/// One request on a connection of its own.
Received http(std::uint16_t port, std::string_view method, std::string_view target,
              std::string_view body = {}, const Headers& headers = {});
Received http(std::uint16_t port, std::string_view method, std::string_view target,
              const Json& body, const Headers& headers = {});

}  // namespace rapport::testing
