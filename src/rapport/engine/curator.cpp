#include "rapport/engine/curator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/log.h"
#include "rapport/data/prepare.h"
#include "rapport/data/source.h"
#include "rapport/engine/recommend_steps.h"
#include "rapport/palr/learning.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/registry.h"

namespace rapport::engine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDemo = "ml-100k";
constexpr const char* kPopularity = "popularity";
// A training that is killed again and again (a machine that sleeps) is begun again: it goes on from
// its checkpoint. One that fails by itself fails each time, so that a few attempts are plenty.
constexpr std::int32_t kAttempts = 10;
// What is wrong with a ranking is seldom mended by waiting.
constexpr std::int32_t kRankerAttempts = 3;
// Closed forms beside the model take minutes for so many items, and the cube of it beyond; counting
// what was taken together takes some 170 bytes an interaction.
constexpr std::int64_t kRankedItems = 20'000, kRankedInteractions = 5'000'000;
// Users: plenty for a ranker, and some 2 GB in its folds.
constexpr std::int64_t kLearnedFrom = 10'000;

std::string training_is_missing(const std::string& model) {
  return fmt::format(
      "this build cannot train {} (RAPPORT_TRAINING=OFF): train it with one that can "
      "and put the folder there",
      model);
}

bool is_made_of_others(const std::string& model) {
  const auto kind = retrieval::find_retriever_kind(model);
  return kind && !(*kind)->made_of.empty();
}

std::string nobody_makes(const std::string& model, const fs::path& directory) {
  return fmt::format(
      "no {} is there, which is made of other models: make it with rapport train "
      "--output {}",
      model, directory.string());
}

// Of an unknown one the training says what is wrong.
bool can_train(const std::string& model) {
  const auto kind = retrieval::find_retriever_kind(model);
  return !kind || retrieval::can_train(**kind);
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

Curator::Curator(RecommendOptions options, CuratorPaths paths, store::Store& store,
                 CatalogueSlot& slot, language::EmbeddedModel* language_model,
                 const base::Clock& clock)
    : options_(std::move(options)),
      paths_(std::move(paths)),
      store_(store),
      slot_(slot),
      language_model_(language_model),
      clock_(clock) {}

bool Curator::is_demo() const {
  return options_.dataset.empty() && !paths_.demo.empty();
}

fs::path Curator::dataset_path() const {
  if (is_demo()) return paths_.datasets / kDemo;
  if (options_.dataset.empty()) return {};
  if (options_.dataset.find('/') != std::string::npos) return options_.dataset;
  return paths_.datasets / options_.dataset;
}

fs::path Curator::model_path(const std::string& dataset, const std::string& model) const {
  return paths_.retrievers / dataset / model;
}

std::vector<std::string> Curator::ranked_models() const {
  std::vector<std::string> models = {options_.model};
  for (const std::string& model : options_.beside)
    if (std::ranges::find(models, model) == models.end()) models.push_back(model);
  return models;
}

void Curator::open() {
  if (dataset_path().empty()) return;
  const auto opened = open_dataset();
  if (opened || (is_demo() && opened.error().code == ErrorCode::kNotFound)) return;
  base::log_warning("no recommendations", {{"error", opened.error().message}});
}

void Curator::start() {
  open();
  make_missing();
}

void Curator::make_missing() {
  const auto served = slot_.get();
  if (served == nullptr) {
    if (is_demo() && !is_there(dataset_path())) {
      enqueue(kPrepareDatasetJob, dataset_path().string(), {{"dataset", dataset_path().string()}},
              kAttempts);
    }
    return;
  }
  if (options_.model == kPopularity || !options_.train) return;
  if (served->has_model()) return make_ranking(*served);
  if (!training_options(options_.model, served->name())) return;
  // What is there and cannot be used may be somebody's: only what is missing is made.
  if (is_there(model_path(served->name(), options_.model)) || !can_train(options_.model)) return;
  enqueue(kTrainRetrieverJob, served->dataset()->catalogue_checksum() + options_.model,
          {{"dataset", dataset_path().string()}, {"model", options_.model}}, kAttempts);
}

// One of other models is another one: a change of recommend.model or recommend.beside finds none.
fs::path Curator::ranking_path(const std::string& dataset) const {
  if (options_.ranking == kNoRanking) return {};
  if (options_.ranking != kLearnedRanking) return options_.ranking;
  return paths_.rankers / dataset / fmt::format("{}", fmt::join(ranked_models(), "+"));
}

// What nobody has to say: one that is made of another one is made of that which serves. None where
// it takes more.
std::optional<retrieval::Assignments> Curator::training_options(const std::string& model,
                                                                const std::string& dataset) const {
  const auto kind = retrieval::find_retriever_kind(model);
  // Of an unknown one the training says what is wrong.
  if (!kind || (*kind)->made_of.empty()) return retrieval::Assignments{};
  if ((*kind)->fewest_parts > 1 || model == options_.model) return std::nullopt;
  return retrieval::Assignments{
      {std::string((*kind)->made_of), model_path(dataset, options_.model).string()}};
}

// That the models that are there have learned from these interactions, so that a ranker can learn
// from what they have not; told before the others are trained.
Result<void> Curator::check_models(const ServedCatalogue& served) const {
  const data::Dataset& dataset = *served.dataset();
  for (const std::string& model : ranked_models()) {
    const fs::path path = model_path(dataset.name(), model);
    if (is_there(path)) {
      TRY(const Json description, retrieval::read_model_description(path));
      if (description.value(Json::json_pointer("/data/checksum"), Json()) != dataset.checksum())
        return fail(ErrorCode::kConflict,
                    fmt::format("{} was trained on other interactions than {}: delete it, and "
                                "another one is trained",
                                path.string(), dataset.name()));
    } else if (!can_train(model)) {
      return fail(ErrorCode::kUnsupported, training_is_missing(model));
    } else if (const auto options = training_options(model, dataset.name()); !options) {
      return fail(ErrorCode::kNotFound, nobody_makes(model, path));
    } else if (!options->empty() && served.model().item_vectors().empty()) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{} reads the items' vectors of the model that serves, and {} has "
                              "none: serve a sasrec, gru4rec, caser or bert4rec, or leave it out "
                              "of recommend.beside",
                              model, options_.model));
    }
  }
  return {};
}

void Curator::make_ranking(const ServedCatalogue& served) {
  if (options_.ranking != kLearnedRanking || served.ranking() != nullptr) return;
  if (!reads_history(served.model()) || served.model().is_indexed()) return;
  const data::Dataset& dataset = *served.dataset();
  if (dataset.items() > kRankedItems || dataset.interactions() > kRankedInteractions) {
    base::log_info("no ranking is learned of so large a data set", {{"items", dataset.items()}});
    return;
  }
  if (const auto sound = check_models(served); !sound) {
    base::log_warning("no ranking is learned", {{"why", sound.error().message}});
    slot_.put(served.with_ranking(nullptr, sound.error().message));
    return;
  }
  const std::vector<std::string> models = ranked_models();
  enqueue(kTrainRankerJob, fmt::format("{}{}", dataset.checksum(), fmt::join(models, "+")),
          {{"dataset", dataset_path().string()}, {"models", models}}, kRankerAttempts);
}

Result<void> Curator::open_dataset() {
  TRY(data::Dataset dataset, data::Dataset::open(dataset_path()));
  serve(std::make_shared<const data::Dataset>(std::move(dataset)));
  return {};
}

// True when it is the configured model that serves.
bool Curator::serve(std::shared_ptr<const data::Dataset> dataset) {
  std::shared_ptr<const retrieval::Retriever> model;
  std::string why;
  if (options_.model == kPopularity) {
    why = "recommend.model is popularity";
  } else if (auto loaded =
                 retrieval::load_retriever(model_path(dataset->name(), options_.model), *dataset)) {
    if ((*loaded)->items() >= options_.index_from) {
      slot_.put(
          ServedCatalogue::create(dataset, nullptr, "the index of the catalogue is being made"));
      const auto indexed = (*loaded)->index_items(options_.train_threads, options_.index_from);
      if (!(*loaded)->is_indexed())
        base::log_warning("the catalogue is scored whole, without an index",
                          {{"why", indexed ? "the model's scores are more than products"
                                           : indexed.error().message}});
    }
    model = *std::move(loaded);
  } else if (loaded.error().code != ErrorCode::kNotFound) {
    why = loaded.error().message;
    base::log_warning("popularity serves in place of a model", {{"error", why}});
  } else if (!can_train(options_.model)) {
    why = training_is_missing(options_.model);
    base::log_warning("popularity serves", {{"why", why}});
  } else if (!training_options(options_.model, dataset->name())) {
    why = nobody_makes(options_.model, model_path(dataset->name(), options_.model));
    base::log_warning("popularity serves", {{"why", why}});
  } else if (!options_.train) {
    why = fmt::format("no {} is trained, and recommend.train is false", options_.model);
  } else {
    why = fmt::format("no {} is trained yet: /v1/jobs shows whether one is being trained",
                      options_.model);
  }
  slot_.put(ServedCatalogue::create(std::move(dataset), std::move(model), why));
  add_ranking();
  const auto served = slot_.get();
  base::log_info("recommendations",
                 {{"catalogue", served->name()},
                  {"items", served->catalogue().size()},
                  {"model", std::string(served->model().kind())},
                  {"ranker", std::string(served->ranking() ? served->ranking()->kind() : "")}});
  return served->has_model();
}

// Beside the model that serves already: it takes seconds to open.
void Curator::add_ranking() {
  const auto served = slot_.get();
  auto opened = open_ranking(*served);
  if (opened) {
    slot_.put(served->with_ranking(*std::move(opened)));
    return;
  }
  const Error& error = opened.error();
  slot_.put(served->with_ranking(nullptr, error.message));
  // What is not there yet, or not wanted, is no fault.
  if (error.code != ErrorCode::kNotFound)
    base::log_warning("the order is the model's own", {{"why", error.message}});
}

// Errors: kNotFound where there is none; those of its parts for one that is no use.
Result<std::shared_ptr<const palr::ListRanker>> Curator::open_ranking(
    const ServedCatalogue& served) const {
  const auto none = [](std::string why) { return fail(ErrorCode::kNotFound, std::move(why)); };
  const fs::path directory = ranking_path(served.name());
  if (directory.empty()) return none("recommend.ranking is none");
  if (!served.has_model() || !reads_history(served.model()))
    return none(fmt::format("{} reads no history", served.model().kind()));
  if (served.model().is_indexed()) return none("the catalogue is not scored whole");
  if (!is_there(directory))
    return none(fmt::format("no ranking is in {} yet: /v1/jobs shows whether one is being learned",
                            directory.string()));
  const data::Dataset& dataset = *served.dataset();
  TRY(const Json description,
      retrieval::read_model_description(model_path(served.name(), options_.model)));
  const palr::CandidateSource model{options_.model, description["weights"]["sha256"],
                                    served.shared_model()};
  TRY(palr::RankingModel learned, palr::load_ranking_model(directory, dataset));
  if (std::ranges::find(learned.sources, model.checksum, &palr::KnownSource::checksum) ==
      learned.sources.end())
    return fail(ErrorCode::kConflict,
                fmt::format("{} learned from other models than the {} that serves",
                            directory.string(), options_.model));
  TRY(auto sources,
      palr::find_sources(learned, paths_.retrievers / served.name(), dataset, {&model, 1}));
  std::shared_ptr<palr::CandidateAsker> asker;
  if (palr::reads_scores(learned)) {
    if (language_model_ == nullptr)
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{} learned from what an embedded language model says of candidates, "
                              "and language.backend is another one: serve with that, or train a "
                              "ranking without --language-scores",
                              directory.string()));
    TRY(asker, palr::asker_for(learned, dataset, *language_model_, directory));
  }
  return palr::ListRanker::create(std::move(learned), std::move(sources), dataset,
                                  options_.train_threads, std::move(asker));
}

std::map<std::string, JobRunner::Work> Curator::work() {
  return {{kPrepareDatasetJob,
           [this](const store::Job&, JobContext&) -> Result<void> { return prepare_demo(); }},
          {kTrainRetrieverJob,
           [this](const store::Job& job, JobContext& context) { return train(job, context); }},
          {kTrainRankerJob, [this](const store::Job& job, JobContext& context) {
             return train_ranker(job, context);
           }}};
}

Result<void> Curator::prepare_demo() {
  if (!is_demo()) return {};  // of a start that had one
  if (!is_there(dataset_path())) {
    TRY(const data::Source source,
        data::read_source(data::Format::kRecBole,
                          {.interactions = paths_.demo / fmt::format("{}.inter", kDemo)}, {}));
    TRY(const data::Preparation prepared, data::prepare(source, {.name = kDemo}));
    TRY_VOID(base::ensure_directory(paths_.datasets));
    TRY_VOID(prepared.dataset.save(dataset_path()));
  }
  TRY_VOID(open_dataset());
  make_missing();
  return {};
}

Result<void> Curator::train(const store::Job& job, JobContext& context) {
  const std::string model = job.payload.value("model", "");
  const fs::path path = job.payload.value("dataset", "");
  // The configuration may be another one than when the job was made.
  if (model != options_.model || path != dataset_path()) return {};
  TRY(data::Dataset opened, data::Dataset::open(path));
  const auto dataset = std::make_shared<const data::Dataset>(std::move(opened));
  // Killed between saving the model and finishing the job: it is there already.
  if (!serve(dataset)) {
    TRY_VOID(train_model(model, *dataset, context, 0, 1));
    serve(dataset);
  }
  make_missing();
  return {};
}

// Of the job's whole progress its share is that between `from` and `to`.
Result<void> Curator::train_model(const std::string& model, const data::Dataset& dataset,
                                  JobContext& context, double from, double to) const {
  const fs::path directory = model_path(dataset.name(), model);
  TRY_VOID(base::ensure_directory(directory.parent_path()));
  const retrieval::FitContext fit_context{
      .clock = clock_,
      .threads = options_.train_threads,
      // Named by the data too: one of another data set is none to go on from.
      .checkpoint = directory.parent_path() /
                    fmt::format("{}-{}.checkpoint", model, dataset.checksum().substr(0, 8)),
      .resume = true,
      .on_progress =
          [&](const retrieval::FitProgress& at) {
            context.progress(from + (to - from) * at.done);
            base::log_debug("training", {{"model", model},
                                         {"epoch", at.epoch},
                                         {"loss", at.loss},
                                         {"validation_ndcg", at.validation_ndcg.value_or(0)}});
          },
      .stop_token = context.stop_token()};
  const auto options = training_options(model, dataset.name()).value_or(retrieval::Assignments{});
  auto fit = retrieval::fit_retriever(model, dataset, options, fit_context);
  if (!fit &&
      (fit.error().code == ErrorCode::kConflict || fit.error().code == ErrorCode::kCorrupt)) {
    // What is left of other options, or damaged: nobody is here to say "begin anew".
    base::log_warning("a training begins anew", {{"why", fit.error().message}});
    std::error_code ignored;
    fs::remove_all(fit_context.checkpoint, ignored);
    fit = retrieval::fit_retriever(model, dataset, options, fit_context);
  }
  if (!fit) return fail(std::move(fit).error());
  return retrieval::save_model(*fit, dataset, directory, fit_context.checkpoint);
}

Result<void> Curator::train_ranker(const store::Job& job, JobContext& context) {
  const auto served = slot_.get();
  const fs::path path = job.payload.value("dataset", "");
  // The configuration may be another one than when the job was made.
  if (job.payload.value("models", Json()) != Json(ranked_models()) || path != dataset_path() ||
      options_.ranking != kLearnedRanking || served == nullptr || !served->has_model())
    return {};
  // Killed between saving the ranking and finishing the job: it is there already.
  if (served->ranking() != nullptr) return {};
  TRY_VOID(check_models(*served));
  TRY_VOID(learn_ranking(*served->dataset(), ranking_path(served->name()), context));
  add_ranking();
  if (const auto now = slot_.get(); now->ranking() == nullptr)
    return fail(ErrorCode::kInternal, now->why_no_ranking());
  return {};
}

Result<void> Curator::learn_ranking(const data::Dataset& dataset, const fs::path& directory,
                                    JobContext& context) const {
  const std::vector<std::string> models = ranked_models();
  // Stages of about equal worth: each model, then candidates and features of all users.
  const double share = 1 / static_cast<double>(models.size() + 2);
  double from = 0;
  std::vector<std::string> proposing, judges;
  for (const std::string& model : models) {
    const fs::path path = model_path(dataset.name(), model);
    // What is made of others proposes little that they do not.
    const bool judges_only = model != options_.model && is_made_of_others(model);
    (judges_only ? judges : proposing).push_back(path.string());
    if (!is_there(path)) TRY_VOID(train_model(model, dataset, context, from, from + share));
    from += share;
    context.progress(from);
  }
  TRY(const auto sources, palr::load_sources(proposing, dataset, judges));
  palr::PalrOptions options;
  // Of everybody: there are no others here to measure it by.
  options.fraction =
      std::min(1.0, static_cast<double>(kLearnedFrom) / static_cast<double>(dataset.users()));
  const auto stage = [&](std::string_view, std::int64_t) -> retrieval::WorkStep {
    const double begin = from;
    from += share;
    return [&context, begin, share](double done) -> Result<void> {
      context.progress(begin + share * done);
      if (context.stop_token().stop_requested())
        return fail(ErrorCode::kCancelled, "the learning of a ranking was stopped");
      return {};
    };
  };
  TRY(const palr::RankingModel model,
      palr::learn_ranking(dataset, sources, options, {},
                          {.clock = clock_,
                           .ranker = {.seed = 1,
                                      .threads = options_.train_threads,
                                      .stop_token = context.stop_token()},
                           .stage = stage}));
  TRY_VOID(base::ensure_directory(directory.parent_path()));
  return palr::save_ranking_model(model, dataset, directory);
}

// One open job for the same thing, however often the server starts.
void Curator::enqueue(const char* kind, const std::string& what, Json payload,
                      std::int32_t attempts) {
  const std::string stem = fmt::format("job_{}_{}_", kind, base::digest(what).substr(0, 12));
  for (std::int64_t n = 1;; ++n) {
    const std::string id = stem + std::to_string(n);
    const auto known = store_.job(id);
    if (known && (known->status == store::JobStatus::kQueued ||
                  known->status == store::JobStatus::kRunning)) {
      return;
    }
    if (known) continue;
    store::Job job;
    job.id = id;
    job.kind = kind;
    job.payload = std::move(payload);
    job.max_attempts = attempts;
    if (const auto enqueued = store_.enqueue(job); !enqueued) {
      base::log_warning("cannot enqueue a job", {{"error", enqueued.error().message}});
    } else {
      base::log_info("a job begins in the background", {{"kind", kind}, {"job", id}});
    }
    return;
  }
}

}  // namespace rapport::engine
