#include "rapport/server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <tuple>

namespace rapport::server {
namespace {

/// From an answer out of memory to a long generation, in seconds.
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};

}  // namespace

struct Metrics::Series {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("rapport_http_requests_total")
          .Help("Requests answered, by route, method and status")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds =
      prometheus::BuildHistogram()
          .Name("rapport_http_request_seconds")
          .Help("From the head of a request to the last byte of its answer")
          .Register(registry);
  prometheus::Histogram& first_token =
      prometheus::BuildHistogram()
          .Name("rapport_first_token_seconds")
          .Help("From a chat request to the first piece of its answer")
          .Register(registry)
          .Add({}, kSeconds);
  prometheus::Family<prometheus::Counter>& tokens = prometheus::BuildCounter()
                                                        .Name("rapport_tokens_total")
                                                        .Help("Tokens of chat, as models count")
                                                        .Register(registry);
  prometheus::Counter& prompt_tokens = tokens.Add({{"kind", "prompt"}});
  prometheus::Counter& cached_tokens = tokens.Add({{"kind", "prompt_cached"}});
  prometheus::Counter& completion_tokens = tokens.Add({{"kind", "completion"}});
  prometheus::Gauge& connections = prometheus::BuildGauge()
                                       .Name("rapport_http_connections")
                                       .Help("Open connections")
                                       .Register(registry)
                                       .Add({});
  prometheus::Gauge& streams = prometheus::BuildGauge()
                                   .Name("rapport_http_streams")
                                   .Help("Answers being streamed now")
                                   .Register(registry)
                                   .Add({});
  prometheus::Gauge& queued = prometheus::BuildGauge()
                                  .Name("rapport_http_queued_requests")
                                  .Help("Requests waiting for a worker")
                                  .Register(registry)
                                  .Add({});

  // The library builds a new metric on each Add, also of one that is there: keep them.
  std::mutex mutex;
  std::map<std::tuple<std::string, std::string, int>, prometheus::Counter*> request_counters;
  std::map<std::string, prometheus::Histogram*> request_seconds;
  std::function<std::size_t()> queue;
};

Metrics::Metrics(const std::string& version) : series_(std::make_unique<Series>()) {
  prometheus::BuildGauge()
      .Name("rapport_build_info")
      .Help("1, with the version as a label")
      .Register(series_->registry)
      .Add({{"version", version}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::observe_request(std::string_view route, std::string_view method, int status,
                              double seconds) {
  const std::lock_guard lock(series_->mutex);
  auto& counter = series_->request_counters[{std::string(route), std::string(method), status}];
  if (counter == nullptr)
    counter = &series_->requests.Add({{"route", std::string(route)},
                                      {"method", std::string(method)},
                                      {"status", std::to_string(status)}});
  counter->Increment();
  auto& histogram = series_->request_seconds[std::string(route)];
  if (histogram == nullptr)
    histogram = &series_->seconds.Add({{"route", std::string(route)}}, kSeconds);
  histogram->Observe(seconds);
}

void Metrics::observe_first_token(double seconds) {
  series_->first_token.Observe(seconds);
}

void Metrics::add_tokens(const language::Usage& usage) {
  series_->prompt_tokens.Increment(static_cast<double>(usage.prompt_tokens));
  series_->cached_tokens.Increment(static_cast<double>(usage.cached_tokens));
  series_->completion_tokens.Increment(static_cast<double>(usage.completion_tokens));
}

void Metrics::add_connections(int change) {
  series_->connections.Increment(change);
}

void Metrics::add_streams(int change) {
  series_->streams.Increment(change);
}

void Metrics::watch_queue(std::function<std::size_t()> queued) {
  const std::lock_guard lock(series_->mutex);
  series_->queue = std::move(queued);
}

std::string Metrics::text() const {
  {
    const std::lock_guard lock(series_->mutex);
    if (series_->queue) series_->queued.Set(static_cast<double>(series_->queue()));
  }
  return prometheus::TextSerializer().Serialize(series_->registry.Collect());
}

}  // namespace rapport::server
