#include "rapport/server/server_options.h"

namespace rapport::server {

void ServerOptions::describe(base::OptionSet& set) {
  set.add("server.listen", listen,
          "address:port to listen on, port 0 for any free one; anything but loopback needs API "
          "keys (rapport keys create)");
  set.add("server.require_keys", require_keys,
          "ask for an API key on loopback too, even while there is none");
  set.add("server.cors_origins", cors_origins,
          "origins whose pages may call this API from a browser, such as https://app.example.com; "
          "\"*\" is every origin and needs keys");
  set.add("server.io_threads", io_threads, "threads that read, authenticate and write", 1, 64);
  set.add("server.worker_threads", worker_threads, "threads that run requests", 1, 256);
  set.add("server.max_queued", max_queued, "requests that wait for a worker; beyond it 503", 1,
          1'000'000);
  set.add("server.max_connections", max_connections, "open connections; beyond it 503", 1,
          1'000'000);
  set.add("server.max_header_bytes", max_header_bytes,
          "request line and headers, in bytes; beyond it 431", 1'024, 1 << 20);
  set.add("server.max_body_bytes", max_body_bytes, "request body, in bytes; beyond it 413", 1'024,
          std::int64_t{1} << 30);
  set.add("server.max_stream_bytes", max_stream_bytes,
          "bytes of one stream that wait for a slow reader; beyond it the stream is cut", 4'096,
          std::int64_t{1} << 30);
  set.add("server.header_seconds", header_seconds,
          "time to send the request line and headers; beyond it 408", 0.01, 3'600);
  set.add("server.body_seconds", body_seconds, "time to send the body; beyond it 408", 0.01, 3'600);
  set.add("server.idle_seconds", idle_seconds, "a connection without a request is closed after it",
          0.01, 86'400);
  set.add("server.write_seconds", write_seconds,
          "a client that takes no byte for so long is cut off", 0.01, 3'600);
  set.add("server.keep_alive_seconds", keep_alive_seconds,
          "a stream that is silent for so long gets a comment, so that proxies keep it open", 0.01,
          3'600);
  set.add("server.shutdown_seconds", shutdown_seconds,
          "running requests may finish for so long when the server stops", 0, 3'600);
  set.add("server.key_cache_seconds", key_cache_seconds,
          "how long a key that another process revoked may still work", 0, 3'600);
  set.add("server.rate_per_minute", rate_per_minute,
          "requests a minute of one key (of one address without keys); beyond it 429; 0: no limit",
          0, 1e9);
  set.add("server.rate_burst", rate_burst, "requests that may come at once before the rate holds",
          1, 1e9);
}

}  // namespace rapport::server
