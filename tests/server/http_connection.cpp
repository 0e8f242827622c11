#include "http_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace rapport::testing {
namespace {

// No test waits this long unless the server is stuck, which then fails instead of hanging.
constexpr int kPatienceSeconds = 20;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

}  // namespace

Json Received::json() const {
  return Json::parse(body, nullptr, /*allow_exceptions=*/false);
}

std::string Received::error(const std::string& member) const {
  const Json document = json();
  if (!document.is_object() || !document.contains("error")) return {};
  const Json value = document["error"].value(member, Json());
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string Received::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

std::vector<std::string> Received::events() const {
  std::vector<std::string> events;
  for (std::size_t at = 0; (at = body.find("data: ", at)) != std::string::npos;) {
    const std::size_t end = body.find("\n\n", at);
    events.push_back(body.substr(at + 6, end - at - 6));
    at = end;
  }
  return events;
}

HttpConnection::HttpConnection(std::uint16_t port, int receive_buffer)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
}

HttpConnection::~HttpConnection() {
  close();
}

void HttpConnection::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void HttpConnection::finish_sending() {
  ::shutdown(socket_, SHUT_WR);
}

bool HttpConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool HttpConnection::fill() {
  char piece[16384];
  const ssize_t got = ::recv(socket_, piece, sizeof piece, 0);
  if (got <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(got));
  return true;
}

std::string HttpConnection::read_until(std::string_view mark) {
  std::size_t at = 0;
  while ((at = buffer_.find(mark)) == std::string::npos) {
    if (!fill()) return std::exchange(buffer_, {});
  }
  std::string taken = buffer_.substr(0, at + mark.size());
  buffer_.erase(0, taken.size());
  return taken;
}

std::string HttpConnection::read_to_end() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

Received HttpConnection::read_response(bool without_body) {
  Received received;
  const std::string head = read_until("\r\n\r\n");
  if (!head.ends_with("\r\n\r\n")) return received;
  received.status = static_cast<int>(number(std::string_view(head).substr(9, 3), 10));
  std::size_t line = head.find("\r\n") + 2;
  while (line + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", line);
    const std::size_t colon = head.find(':', line);
    const std::size_t value = head.find_first_not_of(' ', colon + 1);
    received.headers[lower(head.substr(line, colon - line))] = head.substr(value, end - value);
    line = end + 2;
  }
  if (received.status == 100) return read_response(without_body);
  if (without_body || received.status == 204) {
    received.whole = true;
    return received;
  }
  if (received.header("transfer-encoding") == "chunked") {
    while (true) {
      const std::string size_line = read_until("\r\n");
      if (!size_line.ends_with("\r\n")) return received;
      const std::size_t size = number(size_line, 16);
      while (buffer_.size() < size + 2) {
        if (!fill()) return received;
      }
      received.body += buffer_.substr(0, size);
      buffer_.erase(0, size + 2);
      if (size == 0) break;
    }
    received.whole = true;
  } else if (received.headers.contains("content-length")) {
    const std::size_t size = number(received.header("content-length"), 10);
    while (buffer_.size() < size) {
      if (!fill()) return received;
    }
    received.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    received.whole = true;
  } else {
    received.body = read_to_end();
    received.whole = true;
  }
  return received;
}

std::string request_bytes(std::string_view method, std::string_view target, std::string_view body,
                          const Headers& headers) {
  std::string bytes = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
  const bool has_host = std::ranges::any_of(
      headers, [](const auto& header) { return lower(header.first) == "host"; });
  if (!has_host) bytes += "Host: localhost\r\n";
  for (const auto& [name, value] : headers) bytes += name + ": " + value + "\r\n";
  if (!body.empty()) bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  bytes += "\r\n";
  bytes += body;
  return bytes;
}

Received http(std::uint16_t port, std::string_view method, std::string_view target,
              std::string_view body, const Headers& headers) {
  HttpConnection connection(port);
  connection.send(request_bytes(method, target, body, headers));
  return connection.read_response(method == "HEAD");
}

Received http(std::uint16_t port, std::string_view method, std::string_view target,
              const Json& body, const Headers& headers) {
  return http(port, method, target, std::string_view(body.dump()), headers);
}

}  // namespace rapport::testing
