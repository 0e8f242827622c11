// What a benchmark of our own prints: figures as a table for a reader, or as the JSON that
// scripts/bench collects.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::bench {

/// Exits with the reason: a benchmark that cannot run has no figures.
template <typename T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}
inline void must(const Result<void>& result) {
  if (result) return;
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

class Figures {
 public:
  void add(std::string name, double value, std::string unit) {
    list_.push_back({{"name", std::move(name)}, {"value", value}, {"unit", std::move(unit)}});
  }

  void print(bool json) const {
    if (json) {
      fmt::print("{}\n", Json{{"figures", list_}}.dump());
      return;
    }
    for (const Json& figure : list_)
      fmt::print("{:<72} {:>12.3f} {}\n", figure["name"].get<std::string>(),
                 figure["value"].get<double>(), figure["unit"].get<std::string>());
  }

 private:
  Json list_ = Json::array();
};

}  // namespace rapport::bench
