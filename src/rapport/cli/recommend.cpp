#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rapport/base/config.h"
#include "rapport/base/text.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/palr_course.h"
#include "rapport/engine/recommend_steps.h"
#include "rapport/retrieval/model_directory.h"

namespace rapport::cli {
namespace {

struct RecommendCommand {
  std::string data, model, ranker, user, query, adapter;
  std::string language_model = kAskedModel;
  std::vector<std::string> history;
  std::int64_t top = 10;
  bool explain = false;
};

/// Milliseconds: whoever types a command waits for the ranker.
constexpr std::int64_t kPatience = 60'000;

using Served = std::shared_ptr<const engine::ServedCatalogue>;

struct Opened {
  LoadedModel language_model;  // where the ranking asks one
  Served served;
};

Result<Opened> open(const Context& context, const RecommendCommand& command) {
  TRY(data::Dataset opened, data::Dataset::open(command.data));
  auto dataset = std::make_shared<const data::Dataset>(std::move(opened));
  TRY(auto model, retrieval::load_retriever(command.model, *dataset));
  Opened all{.language_model = {},
             .served = engine::ServedCatalogue::create(dataset, std::move(model))};
  if (command.ranker.empty()) return all;
  TRY(palr::RankingModel learned, palr::load_ranking_model(command.ranker, *dataset));
  // A path that ends with a slash has no last name.
  std::filesystem::path path = std::filesystem::absolute(command.model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  TRY(auto sources, palr::find_sources(learned, path.parent_path(), *dataset, {}));
  std::shared_ptr<palr::CandidateAsker> asker;
  if (palr::reads_scores(learned)) {
    TRY(all.language_model, load_model(context, command.language_model, command.adapter,
                                       palr::QuestionOptions{}.tokens));
    TRY(asker, palr::asker_for(learned, *dataset, *all.language_model.model, command.ranker));
  }
  TRY(auto ranking, palr::ListRanker::create(std::move(learned), std::move(sources), *dataset,
                                             /*threads=*/0, std::move(asker)));
  all.served = all.served->with_ranking(std::move(ranking));
  return all;
}

/// Item ids of the history that is asked about.
Result<std::vector<std::string>> history_of(const RecommendCommand& command,
                                            const engine::ServedCatalogue& served) {
  if (command.user.empty()) return command.history;
  const data::People& people = served.dataset()->people();
  const auto user = people.find(command.user);
  if (!user) {
    std::vector<std::string> ids;
    for (data::UserIndex i = 0; i < people.size(); ++i) ids.emplace_back(people.id(i));
    const std::string near = base::nearest(base::truncate(command.user, 64), ids);
    return fail(ErrorCode::kNotFound,
                fmt::format("the data set {} has no user \"{}\"{}", served.name(), command.user,
                            near.empty() ? ": name one of its own ids"
                                         : fmt::format(": did you mean \"{}\"?", near)));
  }
  std::vector<std::string> ids;
  for (const data::ItemIndex item : served.dataset()->history(*user)) {
    ids.emplace_back(served.catalogue().id(item));
  }
  return ids;
}

/// The steps of a recommendation that need no store, in the order of the scores alone.
Result<std::vector<engine::RecommendedItem>> recommend(const RecommendCommand& command,
                                                       const std::vector<std::string>& history,
                                                       const engine::ServedCatalogue& served) {
  engine::RecommendOptions options;
  options.ranking_ms = kPatience;
  std::vector<engine::LeftOut> left_out;
  TRY(engine::Taste taste,
      engine::taste_of_given(history, served,
                             "its ids are those of the files that it was prepared from"));
  engine::RecommendationRequest request;
  request.query = command.query;
  TRY(const engine::Wishes wishes, engine::wishes_of(request, served, options.domain));
  engine::add_wishes(wishes, served, taste);
  TRY(const auto allowed, engine::Allowed::create(request, wishes, taste, served));
  const retrieval::Retriever& model = served.model();
  TRY(auto candidates,
      engine::retrieve(served, model, taste, allowed, command.top, options, left_out));
  const auto ranked = engine::learned_ranking(served, taste, allowed, candidates, options,
                                              base::SystemClock(), left_out);
  if (served.ranking() != nullptr && !ranked)
    return fail(ErrorCode::kInternal, left_out.back().what + ": " + left_out.back().why);
  engine::rank(candidates, taste, served, true, options);
  engine::verify(candidates, served, allowed, left_out);
  const auto chosen = engine::balance(candidates, command.top, 0, served);
  return engine::explain(chosen, taste, served, model, ranked, command.explain);
}

Json to_json(const engine::RecommendedItem& item, bool with_reasons) {
  Json json = {{"item", item.id},
               {"title", item.title},
               {"score", item.score},
               {"categories", item.categories},
               {"year", item.year ? Json(*item.year) : Json()}};
  if (!with_reasons) return json;
  json["reasons"] = Json::array();
  for (const engine::Reason& reason : item.reasons) json["reasons"].push_back(to_json(reason));
  return json;
}

Result<void> run(Context& context, const RecommendCommand& command) {
  if (command.user.empty() == command.history.empty()) {
    return fail(ErrorCode::kInvalidArgument, "name either --user ID or --history ID,ID,…");
  }
  TRY(const Opened opened, open(context, command));
  const Served& served = opened.served;
  TRY(const auto history, history_of(command, *served));
  TRY(const auto items, recommend(command, history, *served));
  if (context.json) {
    Json list = Json::array();
    for (const auto& item : items) list.push_back(to_json(item, command.explain));
    print_json(context, {{"user", command.user.empty() ? Json() : Json(command.user)},
                         {"catalogue", served->name()},
                         {"model", served->model().kind()},
                         {"ranker", served->ranking() ? Json(served->ranking()->kind()) : Json()},
                         {"items", std::move(list)}});
    return {};
  }
  if (items.empty())
    context.out << fmt::format("Nothing in the catalogue {} fits that.\n", served->name());
  for (std::size_t i = 0; i < items.size(); ++i) {
    context.out << fmt::format("{:>3}. {:<10} {:>9.4f}  {}\n", i + 1, items[i].id, items[i].score,
                               engine::title_and_year(items[i]));
    if (!command.explain) continue;
    for (const engine::Reason& reason : items[i].reasons) {
      context.out << fmt::format("{:27}it {}\n", "", reason.text);
    }
  }
  return {};
}

}  // namespace

void add_recommend(CommandLine& line) {
  auto options = std::make_shared<RecommendCommand>();
  CLI::App* command = line.add("recommend", "what a trained model recommends for a history",
                               "rapport recommend --data datasets/ml-100k "
                               "--model retrievers/ml-100k/sasrec --history 50,181 --explain");
  command->add_option("--data", options->data, "data set (rapport data prepare)")->required();
  command->add_option("--model", options->model, "model (rapport train)")->required();
  command->add_option("--ranker", options->ranker,
                      "ranking model (rapport palr train) that orders what its retrievers, beside "
                      "the model, propose");
  command
      ->add_option("--language-model", options->language_model,
                   "asked where the ranking learned from one's answers (rapport palr score)")
      ->capture_default_str();
  command->add_option("--adapter", options->adapter, "its LoRA adapter (rapport palr finetune)");
  command->add_option("--user", options->user, "a user of the data set, by its own id");
  command->add_option("--history", options->history, "item ids, oldest first")->delimiter(',');
  command->add_option("--query", options->query,
                      "what is wanted, in words: \"something lighter, no horror, before 1990\"");
  command->add_option("--top", options->top, "how many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--explain", options->explain, "why each is there");
  line.run(command, [options](Context& context) { return run(context, *options); });
}

}  // namespace rapport::cli
