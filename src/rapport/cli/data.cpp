#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "rapport/base/progress.h"
#include "rapport/base/random.h"
#include "rapport/cli/command_line.h"
#include "rapport/data/dataset_statistics.h"
#include "rapport/data/prepare.h"
#include "rapport/data/sample.h"

namespace rapport::cli {
namespace {

namespace fs = std::filesystem;

struct PrepareArguments {
  std::string format, interactions, items, users, user_map, graph, links, output, name;
  std::int64_t min_count = 5;
};

struct SampleArguments {
  std::string directory, output, strata;
  data::SampleOptions options;
};

/// A data set is called as its folder.
std::string name_of(const std::string& directory) {
  const fs::path path = fs::absolute(directory).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

std::int64_t bytes_of(const data::SourcePaths& paths) {
  std::int64_t total = 0;
  for (const fs::path& path :
       {paths.interactions, paths.items, paths.users, paths.user_map, paths.graph, paths.links}) {
    std::error_code missing;
    const auto bytes = path.empty() ? 0 : fs::file_size(path, missing);
    if (!missing) total += static_cast<std::int64_t>(bytes);
  }
  return total;
}

Result<data::Source> read(Context& context, data::Format format, const data::SourcePaths& paths,
                          const base::Clock& clock) {
  constexpr std::int64_t kKibibyte = 1024;
  base::Progress progress(
      "reading", bytes_of(paths) / kKibibyte, "KiB", clock,
      context.quiet ? base::ProgressStyle::kQuiet : base::default_progress_style());
  std::int64_t seen = 0;
  return data::read_source(format, paths, {.on_bytes = [&](std::int64_t bytes) {
                             progress.advance((seen + bytes) / kKibibyte - seen / kKibibyte);
                             seen += bytes;
                           }});
}

Result<void> prepare(Context& context, const PrepareArguments& arguments) {
  TRY(const data::Format format, data::parse_format(arguments.format));
  TRY(const data::SourcePaths paths, data::complete(format, {.interactions = arguments.interactions,
                                                             .items = arguments.items,
                                                             .users = arguments.users,
                                                             .user_map = arguments.user_map,
                                                             .graph = arguments.graph,
                                                             .links = arguments.links}));
  const base::SystemClock clock;
  const auto start = clock.steady();
  TRY(const data::Source source, read(context, format, paths, clock));
  TRY(const data::Preparation prepared,
      data::prepare(source,
                    {.name = arguments.name.empty() ? name_of(arguments.output) : arguments.name,
                     .min_count = arguments.min_count}));
  TRY_VOID(prepared.dataset.save(arguments.output));
  const double seconds = std::chrono::duration<double>(clock.steady() - start).count();
  const data::Dataset& dataset = prepared.dataset;
  if (context.json) {
    print_json(context, {{"name", dataset.name()},
                         {"directory", arguments.output},
                         {"users", dataset.users()},
                         {"items", dataset.items()},
                         {"interactions", dataset.interactions()},
                         {"interactions_read", prepared.interactions_read},
                         {"notes", prepared.notes},
                         {"checksum", dataset.checksum()},
                         {"catalogue_checksum", dataset.catalogue_checksum()},
                         {"seconds", seconds}});
    return {};
  }
  context.out << data::table_line(dataset) << '\n';
  context.out << fmt::format("  {:>12} interactions read\n",
                             data::with_commas(prepared.interactions_read));
  for (const auto& [what, count] : prepared.notes)
    context.out << fmt::format("  {:>12} {}\n", data::with_commas(count), what);
  context.out << fmt::format("in {}, after {:.2f} s\n", arguments.output, seconds);
  return {};
}

std::string line(const char* what, const data::Spread& spread) {
  return fmt::format("  {}: {} to {}, median {:g}, mean {:.1f}\n", what, spread.minimum,
                     data::with_commas(spread.maximum), spread.median, spread.mean);
}

/// "F 1,709, M 4,331"; of long lists the first ones.
template <typename Counts>
std::string list(const Counts& counts) {
  constexpr int kShown = 12;
  std::string text;
  int shown = 0;
  for (const auto& [value, count] : counts) {
    if (++shown > kShown) return text + fmt::format(", … ({} in all)", counts.size());
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value, data::with_commas(count));
  }
  return text;
}

Result<void> stats(Context& context, const std::string& directory) {
  TRY(const data::Dataset dataset, data::Dataset::open(directory));
  const data::DatasetStatistics found = data::statistics(dataset);
  if (context.json) {
    Json json = data::to_json(found);
    json["name"] = dataset.name();
    json["source"] = dataset.source();
    json["checksum"] = dataset.checksum();
    json["catalogue_checksum"] = dataset.catalogue_checksum();
    print_json(context, json);
    return {};
  }
  context.out << data::table_line(dataset) << '\n'
              << line("items a user", found.items_per_user)
              << line("users an item", found.users_per_item);
  context.out << fmt::format("  tested on: {} users\n", data::with_commas(found.users_tested));
  if (found.times) {
    context.out << fmt::format("  from {} to {}\n", base::iso8601(1000 * found.times->first),
                               base::iso8601(1000 * found.times->second));
  }
  context.out << fmt::format("  items with a title: {}, with a year: {}, with categories: {}\n",
                             data::with_commas(found.items_with_title),
                             data::with_commas(found.items_with_year),
                             data::with_commas(found.items_with_categories));
  if (!found.categories.empty())
    context.out << fmt::format("  categories: {}\n", list(found.categories));
  for (const auto& [group, counts] : found.groups)
    context.out << fmt::format("  {}: {}\n", group, list(counts));
  if (found.edges > 0) {
    context.out << fmt::format("  knowledge graph: {} edges, {} relations, {} entities\n",
                               data::with_commas(found.edges), found.relations,
                               data::with_commas(found.entities));
  }
  return {};
}

Result<void> sample(Context& context, const SampleArguments& arguments) {
  TRY(const data::Dataset dataset, data::Dataset::open(arguments.directory));
  data::SampleOptions options = arguments.options;
  options.name = name_of(arguments.output);
  if (!arguments.strata.empty()) {
    TRY(options.strata, data::parse_group_by(arguments.strata));
  }
  base::SeededRandom random(static_cast<std::uint64_t>(context.seed));
  TRY(const data::Sample sampled, data::sample(dataset, options, random));
  TRY_VOID(sampled.dataset.save(arguments.output));
  if (context.json) {
    print_json(context, {{"name", sampled.dataset.name()},
                         {"directory", arguments.output},
                         {"users", sampled.dataset.users()},
                         {"interactions", sampled.dataset.interactions()},
                         {"seed", context.seed},
                         {"strata", sampled.dataset.source()["strata"]},
                         {"checksum", sampled.dataset.checksum()}});
    return {};
  }
  context.out << data::table_line(sampled.dataset) << '\n'
              << fmt::format("  {:>10} {:>8} {:>8} {:>12}  stratum\n", "population", "sampled",
                             "weight", "up-weighting");
  for (const data::Stratum& stratum : sampled.strata) {
    context.out << fmt::format("  {:>10} {:>8} {:>8.3f} {:>12.3f}  {}\n", stratum.population,
                               stratum.sampled, stratum.weight, stratum.up_weighting, stratum.name);
  }
  context.out << "in " << arguments.output << '\n';
  return {};
}

void add_prepare(CommandLine& line, CLI::App* group) {
  auto arguments = std::make_shared<PrepareArguments>();
  CLI::App* command = line.add(
      "prepare", "make a data set of somebody's interactions",
      "rapport data prepare --format recbole --interactions ml-100k/ --output datasets/ml-100k\n"
      "  rapport data prepare --format movielens --interactions ratings.dat --items movies.dat "
      "--users users.dat --output datasets/ml-1m\n"
      "  rapport data prepare --format csv --interactions orders.csv --items products.csv "
      "--min-count 3 --output datasets/shop",
      group);
  command->add_option("--format", arguments->format, "movielens, amazon, sequences, recbole or csv")
      ->required();
  command
      ->add_option("--interactions", arguments->interactions,
                   "file of who chose what (for recbole also its folder); gzip or plain")
      ->required();
  command->add_option("--items", arguments->items, "file of titles and attributes");
  command->add_option("--users", arguments->users, "file of age, gender, occupation, zip code");
  command->add_option("--user-map", arguments->user_map,
                      "file that says, a line, `user-in-interactions user-in-users`");
  command->add_option("--graph", arguments->graph,
                      "knowledge graph: head, relation, tail (RecBole's .kg)");
  command->add_option("--links", arguments->links,
                      "which entity of the graph an item is (RecBole's .link)");
  command
      ->add_option("--min-count", arguments->min_count,
                   "drop users and items with fewer interactions, until none is left")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--name", arguments->name, "of the data set (default: its folder's)");
  command
      ->add_option("--output", arguments->output, "folder to write; a data set there is replaced")
      ->required();
  line.run(command, [arguments](Context& context) { return prepare(context, *arguments); });
}

void add_sample(CommandLine& line, CLI::App* group) {
  auto arguments = std::make_shared<SampleArguments>();
  CLI::App* command = line.add(
      "sample", "a part of a data set's users, stratified and weighted",
      "rapport data sample datasets/ml-1m --fraction 0.2 --strata gender,activity --output "
      "datasets/ml-1m-20",
      group);
  data::SampleOptions& options = arguments->options;
  command->add_option("DIR", arguments->directory, "the data set")->required();
  command->add_option("--fraction", options.fraction, "of the users")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--strata", arguments->strata,
                      "age, gender, occupation, region, activity; separated by commas");
  command
      ->add_option("--min-per-stratum", options.min_per_stratum,
                   "users that each stratum has at least, or all that there are")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}))
      ->capture_default_str();
  command
      ->add_option("--balance", options.balance,
                   "0: strata as large as they are; 1: equal; between: small ones up-weighted")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--output", arguments->output, "folder to write; a data set there is replaced")
      ->required();
  line.run(command, [arguments](Context& context) { return sample(context, *arguments); });
}

}  // namespace

void add_data(CommandLine& line) {
  CLI::App* group = line.add_group("data", "data sets: interactions, items and users");
  add_prepare(line, group);
  auto directory = std::make_shared<std::string>();
  CLI::App* command =
      line.add("stats", "what a data set is like", "rapport data stats datasets/ml-1m", group);
  command->add_option("DIR", *directory, "the data set")->required();
  line.run(command, [directory](Context& context) { return stats(context, *directory); });
  add_sample(line, group);
}

}  // namespace rapport::cli
