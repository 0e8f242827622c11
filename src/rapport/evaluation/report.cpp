#include "rapport/evaluation/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace rapport::evaluation {
namespace {

using Row = std::vector<std::string>;

void add_means(Json& json, const RankingMetrics& metrics) {
  for (const Metric& metric : reported_metrics()) json[metric.name()] = metrics.mean(metric);
}

Json to_json(const std::vector<Estimate>& estimates) {
  Json json = Json::object();
  for (const Estimate& estimate : estimates)
    json[estimate.metric.name()] = {estimate.interval.low, estimate.interval.high};
  return json;
}

void add_groups(Json& json, const GroupResults& results) {
  Json groups = Json::array();
  for (const GroupResult& group : results.groups) {
    Json entry = {{"group", group.name},
                  {"users", group.metrics.users()},
                  {"weight", group.metrics.weight()}};
    add_means(entry, group.metrics);
    entry["intervals"] = to_json(group.estimates);
    groups.push_back(std::move(entry));
  }
  Json gaps = Json::object();
  for (const Gap& gap : results.gaps) {
    gaps[gap.metric.name()] = {
        {"difference", gap.difference}, {"best", gap.best}, {"worst", gap.worst}};
  }
  json["groups"] = std::move(groups);
  json["gap"] = std::move(gaps);
}

Json to_json(const Against& against) {
  Json json = {{"model", against.model}};
  add_means(json, against.metrics);
  Json differences = Json::object();
  for (const Estimate& estimate : against.differences) {
    differences[estimate.metric.name()] = {{"difference", estimate.interval.estimate},
                                           {"low", estimate.interval.low},
                                           {"high", estimate.interval.high}};
  }
  json["differences"] = std::move(differences);
  return json;
}

std::string percent(double share) {
  return fmt::format("{:g} %", 100 * share);
}

std::string of_mean(const statistics::Interval& interval) {
  return fmt::format("{:.4f} to {:.4f}", interval.low, interval.high);
}

std::string of_difference(const statistics::Interval& interval) {
  return fmt::format("{:+.4f} to {:+.4f}", interval.low, interval.high);
}

std::string metrics_table(const Report& report) {
  Row header = {"metric", report.model, percent(report.confidence) + " interval"};
  if (report.against) {
    header.insert(header.end(), {report.against->model + " (against)", "difference",
                                 percent(report.confidence) + " interval of it"});
  }
  std::vector<Row> rows;
  for (std::size_t i = 0; i < report.estimates.size(); ++i) {
    const auto& [metric, interval] = report.estimates[i];
    Row row = {metric.name(), fmt::format("{:.4f}", interval.estimate), of_mean(interval)};
    if (report.against) {
      const statistics::Interval& gain = report.against->differences[i].interval;
      row.insert(row.end(), {fmt::format("{:.4f}", report.against->metrics.mean(metric)),
                             fmt::format("{:+.4f}", gain.estimate), of_difference(gain)});
    }
    rows.push_back(std::move(row));
  }
  return markdown_table(header, rows);
}

std::string groups_table(const std::string& by, const GroupResults& results) {
  constexpr Metric kHits = hit_rate_at(10), kGain = ndcg_at(10);
  std::vector<Row> rows;
  for (const GroupResult& group : results.groups) {
    Row row = {group.name, fmt::format("{}", group.metrics.users())};
    for (const Metric& metric : {kHits, kGain}) {
      const auto found = std::ranges::find(group.estimates, metric, &Estimate::metric);
      assert(found != group.estimates.end());
      row.push_back(fmt::format("{:.4f}", found->interval.estimate));
      row.push_back(of_mean(found->interval));
    }
    rows.push_back(std::move(row));
  }
  std::string table =
      markdown_table({by, "users", kHits.name(), "interval", kGain.name(), "interval"}, rows);
  for (const Gap& gap : results.gaps) {
    if (gap.metric == kHits || gap.metric == kGain) {
      table += fmt::format("\nGap in {}: {:.4f}, between {} and {}.\n", gap.metric.name(),
                           gap.difference, gap.best, gap.worst);
    }
  }
  return table;
}

// Characters of UTF-8, each taken to be one column wide.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string escaped(const std::string& cell) {
  std::string text;
  for (const char c : cell) {
    if (c == '|') text += '\\';
    text += c == '\n' ? ' ' : c;
  }
  return text;
}

}  // namespace

Json to_json(const Report& report) {
  Json json = {{"model", report.model},
               {"data", {{"name", report.data}, {"checksum", report.data_checksum}}},
               {"split", std::string(data::name(report.split))},
               {"users", report.metrics.users()},
               {"weight", report.metrics.weight()},
               {"skipped", report.skipped}};
  add_means(json, report.metrics);
  json["seconds"] = report.seconds;
  json["confidence"] = report.confidence;
  json["intervals"] = to_json(report.estimates);
  if (report.groups) {
    json["by"] = report.by;
    add_groups(json, *report.groups);
  }
  if (report.against) json["against"] = to_json(*report.against);
  return json;
}

std::string to_markdown(const Report& report) {
  std::string text = fmt::format(
      "{} on {}, {} items of {} users ({:.2f} s); all items ranked, seen ones masked, ties count "
      "against the model.\n\n{}",
      report.model, report.data, data::name(report.split), report.metrics.users(), report.seconds,
      metrics_table(report));
  if (report.groups) text += "\n" + groups_table(report.by, *report.groups);
  return text;
}

std::string markdown_table(const Row& header, const std::vector<Row>& rows) {
  std::vector<Row> lines = {header};
  lines.insert(lines.end(), rows.begin(), rows.end());
  std::vector<std::size_t> widths(header.size(), 3);
  for (Row& line : lines) {
    assert(line.size() == header.size());
    for (std::size_t column = 0; column < line.size(); ++column) {
      line[column] = escaped(line[column]);
      widths[column] = std::max(widths[column], width(line[column]));
    }
  }
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (std::size_t column = 0; column < header.size(); ++column) {
      const std::string& cell = lines[i][column];
      const std::string padding(widths[column] - width(cell), ' ');
      text += column == 0 ? "| " + cell + padding + ' ' : "| " + padding + cell + ' ';
    }
    text += "|\n";
    if (i > 0) continue;
    for (std::size_t column = 0; column < header.size(); ++column)
      text += '|' + std::string(widths[column] + 1, '-') + (column == 0 ? '-' : ':');
    text += "|\n";
  }
  return text;
}

}  // namespace rapport::evaluation
