#include "rapport/server/router.h"

#include <algorithm>
#include <cassert>

#include "rapport/server/wire.h"

namespace rapport::server {
namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  path.remove_prefix(std::min<std::size_t>(1, path.size()));  // the leading slash
  while (true) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is_parameter(std::string_view segment) {
  return segment.starts_with('{');
}
bool is_rest(std::string_view segment) {
  return segment.ends_with("*}");
}

bool matches(const std::vector<std::string>& pattern,
             const std::vector<std::string_view>& segments) {
  const bool rest = is_rest(pattern.back());
  if (rest ? segments.size() < pattern.size() : segments.size() != pattern.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_parameter(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) return false;
  }
  return true;
}

Result<std::map<std::string, std::string>> parameters_of(
    const std::vector<std::string>& pattern, const std::vector<std::string_view>& segments) {
  std::map<std::string, std::string> parameters;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_parameter(pattern[i])) continue;
    std::string_view encoded = segments[i];
    std::string key = pattern[i].substr(1, pattern[i].size() - 2);
    if (is_rest(pattern[i])) {
      key.pop_back();
      encoded = {segments[i].data(),
                 static_cast<std::size_t>(segments.back().data() + segments.back().size() -
                                          segments[i].data())};
    }
    TRY(parameters[key], percent_decode(encoded));
  }
  return parameters;
}

}  // namespace

std::string_view name(Access access) {
  switch (access) {
    case Access::kPublic: return "public";
    case Access::kAnyKey: return "any key";
    case Access::kApp: return "app";
    case Access::kAdmin: return "admin";
  }
  return "admin";
}

void Router::add(Route route) {
  std::vector<std::string> segments;
  for (const std::string_view segment : split(route.pattern)) segments.emplace_back(segment);
  assert(std::ranges::none_of(routes_, [&](const Route& known) {
    return known.method == route.method && known.pattern == route.pattern;
  }));
  routes_.push_back(std::move(route));
  segments_.push_back(std::move(segments));
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  const std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  const std::vector<std::string_view> segments = split(path);
  Match match;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (!matches(segments_[i], segments)) continue;
    if (routes_[i].method != wanted) {
      match.allowed.push_back(routes_[i].method);
      if (routes_[i].method == "GET") match.allowed.emplace_back("HEAD");
      continue;
    }
    auto parameters = parameters_of(segments_[i], segments);
    if (!parameters) {
      match.fault = std::move(parameters).error();
    } else {
      match.route = &routes_[i];
      match.parameters = *std::move(parameters);
    }
    match.allowed.clear();
    return match;
  }
  return match;
}

}  // namespace rapport::server
