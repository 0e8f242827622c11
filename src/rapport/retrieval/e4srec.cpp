#include "rapport/retrieval/e4srec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>

#include "rapport/base/files.h"
#include "rapport/data/groups.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/data/sample.h"
#include "rapport/language/model_files.h"
#include "rapport/language/quantize.h"
#include "rapport/retrieval/item_embeddings.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/sizes.h"
#include "rapport/retrieval/training_loop.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kMostItems = std::numeric_limits<data::ItemIndex>::max();
constexpr std::int64_t kLongest = 8192;
constexpr std::size_t kMostAdapterBytes = std::size_t{1} << 30;
/// Of a training, to whoever watches it.
constexpr std::int64_t kMostReports = 200;
/// Queries whose vectors are in memory at a time.
constexpr std::size_t kQueriesAtOnce = 64;

/// The file that is computed with: the model's own, or its first `layers` in `scratch`.
Result<std::filesystem::path> find_language_model(const std::string& name, std::int64_t layers,
                                                  const base::ScratchDirectory& scratch) {
  TRY(const language::ModelFile whole,
      language::find_model(name, language::model_folders(base::default_home())));
  if (layers == 0) return whole.path;
  const std::filesystem::path first = scratch.path() / "layers.gguf";
  if (auto cut = language::quantize(whole.path.string(), first.string(),
                                    {.type = "copy", .layers = layers});
      !cut) {
    Error error = std::move(cut).error();
    if (error.param == "layers")
      return fail(error.code, fmt::format("first_layers: {}", error.message), "first_layers");
    return fail(std::move(error));
  }
  return first;
}

/// A path as one that is the same from any folder.
std::string lasting_name(const std::string& name_or_path) {
  std::error_code error;
  return std::filesystem::is_regular_file(name_or_path, error)
             ? std::filesystem::absolute(name_or_path).lexically_normal().string()
             : name_or_path;
}

/// A language model with an adapter that is in memory: llama.cpp reads files alone, and has read
/// them, or mapped them, when it is loaded.
Result<std::unique_ptr<language::VectorReader>> open_reader(const E4srecParts& parts) {
  TRY(const base::ScratchDirectory scratch, base::ScratchDirectory::create());
  TRY(const std::filesystem::path file,
      find_language_model(parts.language_model, parts.first_layers, scratch));
  const std::filesystem::path adapter = scratch.path() / "adapter.gguf";
  TRY_VOID(base::write_file_atomically(adapter, parts.adapter));
  auto reader = language::VectorReader::load(
      {.path = file.string(), .adapter = adapter.string(), .longest = parts.max_length + 1});
  if (!reader && reader.error().code == ErrorCode::kConflict)
    return fail(ErrorCode::kConflict,
                fmt::format("{}: the language model {} is not the one that it was trained with: "
                            "bring that one back, or train it again",
                            reader.error().message, parts.language_model));
  return reader;
}

Result<std::string> adapter_bytes(const tuning::LoraAdapter& adapter) {
  TRY(const base::ScratchDirectory scratch, base::ScratchDirectory::create());
  const std::filesystem::path path = scratch.path() / "adapter.gguf";
  TRY_VOID(tuning::write_adapter(adapter, path));
  return base::read_file(path, kMostAdapterBytes);
}

/// Each model's vectors less their mean, which no difference of scores depends on, and as large as
/// the others': 1 in the mean square.
void append_standardised(std::span<const float> from, std::int64_t items,
                         std::vector<std::vector<float>>& columns) {
  const auto rows = static_cast<std::size_t>(items);
  const std::size_t width = from.size() / rows;
  double squares = 0;
  const std::size_t first = columns.size();
  for (std::size_t j = 0; j < width; ++j) {
    std::vector<float> column(rows);
    double sum = 0;
    for (std::size_t i = 0; i < rows; ++i) sum += static_cast<double>(from[i * width + j]);
    const double mean = sum / static_cast<double>(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const double value = static_cast<double>(from[i * width + j]) - mean;
      squares += value * value;
      column[i] = static_cast<float>(value);
    }
    columns.push_back(std::move(column));
  }
  const double size = std::sqrt(squares / static_cast<double>(from.size()));
  for (std::size_t j = first; size > 0 && j < columns.size(); ++j)
    for (float& value : columns[j]) value = static_cast<float>(static_cast<double>(value) / size);
}

/// What `directory` tells items by: a trained model's vectors, or an embedding model's. Errors:
/// those of load_retriever_of and load_item_embeddings; kInvalidArgument for a model without
/// vectors.
Result<std::vector<float>> vectors_of(const std::string& directory, const data::Dataset& dataset) {
  if (holds_item_embeddings(directory)) {
    TRY(ItemEmbeddings embeddings, load_item_embeddings(directory, dataset));
    return std::move(embeddings.values);
  }
  TRY(const auto model, load_retriever_of(directory, dataset));
  const std::span<const float> vectors = model->item_vectors();
  if (!vectors.empty()) return std::vector<float>(vectors.begin(), vectors.end());
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("items: {} is of the kind {}, which has no vectors of items: name a "
                          "sasrec, gru4rec, caser or bert4rec, or what rapport palr embed made",
                          directory, model->kind()),
              "items");
}

/// Into `learnt`. Errors: those of vectors_of.
Result<void> read_vectors(const std::vector<std::string>& directories, const data::Dataset& dataset,
                          tuning::ItemSequences& learnt) {
  std::vector<std::vector<float>> columns;
  for (const std::string& directory : directories) {
    TRY(const std::vector<float> vectors, vectors_of(directory, dataset));
    append_standardised(vectors, dataset.items(), columns);
  }
  learnt.width = static_cast<std::int64_t>(columns.size());
  learnt.vectors.resize(columns.size() * static_cast<std::size_t>(dataset.items()));
  for (std::size_t j = 0; j < columns.size(); ++j)
    for (std::size_t i = 0; i < columns[j].size(); ++i)
      learnt.vectors[i * columns.size() + j] = columns[j][i];
  return {};
}

/// Of the users' training parts, the newest first, windows that overlap by the item that the later
/// one begins with.
void add_sequences(const data::Dataset& dataset, const E4srecOptions& options,
                   tuning::ItemSequences& learnt) {
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    auto rest = data::training_history(dataset, user);
    for (std::int64_t window = 0;
         rest.size() >= 2 && (options.windows == 0 || window < options.windows); ++window) {
      const auto newest =
          rest.last(std::min(rest.size(), static_cast<std::size_t>(options.max_length) + 1));
      learnt.items.insert(learnt.items.end(), newest.begin(), newest.end());
      learnt.offsets.push_back(static_cast<std::int64_t>(learnt.items.size()));
      rest = rest.first(rest.size() - newest.size() + 1);
    }
  }
}

Result<void> add_sequences_of_some(const data::Dataset& dataset, const E4srecOptions& options,
                                   std::int64_t seed, tuning::ItemSequences& learnt) {
  if (options.fraction == 1) {
    add_sequences(dataset, options, learnt);
    return {};
  }
  TRY(auto strata, data::parse_group_by("activity"));
  base::SeededRandom random(static_cast<std::uint64_t>(seed));
  TRY(const data::Sample sampled,
      data::sample(dataset, {.fraction = options.fraction, .strata = std::move(strata)}, random));
  add_sequences(sampled.dataset, options, learnt);
  return {};
}

}  // namespace

void E4srecOptions::describe(base::OptionSet& set) {
  set.add(
      "items", items,
      "directories of trained models, or of rapport palr embed, whose vectors of items are read; "
      "separated by commas");
  set.add("language_model", language_model, "GGUF file, or the name of one (rapport models list)");
  set.add("first_layers", first_layers, "of the language model; the others are left out; 0: all", 0,
          1'000);
  set.add("max_length", max_length, "newest items that are read", 1, kLongest);
  set.add("windows", windows, "of a sequence, each of max_length, newest first; 0: all of it", 0,
          100'000);
  set.add("fraction", fraction, "of the users, drawn evenly by how much they took", 1e-6, 1);
  reading.describe(set);
}

Result<E4srecOptions> E4srecOptions::resolved(const data::Dataset&) const {
  if (items.empty())
    return fail(ErrorCode::kInvalidArgument,
                "items: name a trained model whose vectors of items are read: --set items=DIR",
                "items");
  TRY_VOID(reading.check());
  return *this;
}

Json E4srecOptions::to_json() const {
  Json names = Json::array();
  for (const std::filesystem::path model : items)
    names.push_back((model.has_filename() ? model : model.parent_path()).filename().string());
  Json json = reading.to_json();
  json["items"] = std::move(names);
  json["language_model"] = language_model;
  json["first_layers"] = first_layers;
  json["max_length"] = max_length;
  json["windows"] = windows;
  json["fraction"] = fraction;
  return json;
}

E4srec::E4srec(E4srecParts parts, std::unique_ptr<language::VectorReader> reader)
    : Retriever(parts.items),
      parts_(std::move(parts)),
      reader_(std::move(reader)),
      panels_(parts_.items, parts_.width) {
  panels_.fill(parts_.vectors.data(), 0, panels_.count());
}

Result<std::unique_ptr<E4srec>> E4srec::create(E4srecParts parts) {
  TRY(auto reader, open_reader(parts));
  const auto d = static_cast<std::size_t>(reader->dimension());
  if (parts.inputs.size() != static_cast<std::size_t>(parts.items + 1) * d ||
      parts.output.size() != static_cast<std::size_t>(parts.width) * d)
    return fail(ErrorCode::kCorrupt,
                fmt::format("its vectors are not those of {}, whose states have {} numbers",
                            parts.language_model, d));
  return std::unique_ptr<E4srec>(new E4srec(std::move(parts), std::move(reader)));
}

Result<std::unique_ptr<Retriever>> E4srec::load(const Json& options,
                                                const base::Safetensors& file) {
  E4srecParts parts;
  std::int64_t d = 0;
  const Size sizes[] = {{"items", &parts.items, 1, kMostItems},
                        {"width", &parts.width, 1, 1 << 16},
                        {"max_length", &parts.max_length, 1, kLongest},
                        {"first_layers", &parts.first_layers, 0, 1'000},
                        {"dimension", &d, 1, 1 << 16}};
  TRY_VOID(read_sizes("e4srec", options, sizes));
  if (const auto fits = check_sizes(sizes); !fits)
    return fail(ErrorCode::kCorrupt, fits.error().message);
  if (!options.contains("language_model") || !options["language_model"].is_string())
    return fail(ErrorCode::kCorrupt, "the options lack language_model");
  parts.language_model = options["language_model"].get<std::string>();
  TRY(parts.vectors, read_weights(file, "vectors", {parts.items, parts.width}));
  TRY(parts.inputs, read_weights(file, "inputs", {parts.items + 1, d}));
  TRY(parts.output, read_weights(file, "output", {parts.width, d}));
  TRY(parts.adapter, file.read_text("adapter"));
  return create(std::move(parts));
}

Json E4srec::do_options() const {
  return {{"items", parts_.items},
          {"width", parts_.width},
          {"max_length", parts_.max_length},
          {"first_layers", parts_.first_layers},
          {"dimension", reader_->dimension()},
          {"language_model", parts_.language_model}};
}

void E4srec::do_save(base::SafetensorsWriter& writer) const {
  const std::int64_t d = reader_->dimension();
  writer.add("vectors", {parts_.items, parts_.width}, std::span<const float>(parts_.vectors));
  writer.add("inputs", {parts_.items + 1, d}, std::span<const float>(parts_.inputs));
  writer.add("output", {parts_.width, d}, std::span<const float>(parts_.output));
  writer.add_bytes("adapter", "U8", {static_cast<std::int64_t>(parts_.adapter.size())},
                   parts_.adapter);
}

/// [queries × dimension] of the language model.
Result<void> E4srec::states(std::span<const Query> queries, std::span<float> states) const {
  const auto d = static_cast<std::size_t>(reader_->dimension());
  std::vector<float> vectors;
  std::vector<std::int64_t> offsets = {0};
  const auto add = [&](std::int64_t row) {
    const auto from = parts_.inputs.begin() + row * reader_->dimension();
    vectors.insert(vectors.end(), from, from + reader_->dimension());
  };
  for (const Query& query : queries) {
    const auto newest = query.history.last(
        std::min(query.history.size(), static_cast<std::size_t>(parts_.max_length)));
    add(parts_.items);  // the start
    for (const data::ItemIndex item : newest) add(item);
    offsets.push_back(static_cast<std::int64_t>(vectors.size() / d));
  }
  return reader_->read(vectors, offsets, states);
}

Result<void> E4srec::do_score(std::span<const Query> queries, std::span<float> scores) const {
  const auto d = static_cast<std::size_t>(reader_->dimension());
  const auto width = static_cast<std::size_t>(parts_.width);
  const auto items = static_cast<std::size_t>(parts_.items);
  for (std::size_t begin = 0; begin < queries.size(); begin += kQueriesAtOnce) {
    const auto asked = queries.subspan(begin, std::min(kQueriesAtOnce, queries.size() - begin));
    std::vector<float> read(asked.size() * d);
    TRY_VOID(states(asked, read));
    std::vector<float> mapped(asked.size() * width);
    for (std::size_t i = 0; i < asked.size(); ++i)
      for (std::size_t j = 0; j < width; ++j)
        mapped[i * width + j] =
            std::inner_product(read.begin() + static_cast<std::ptrdiff_t>(i * d),
                               read.begin() + static_cast<std::ptrdiff_t>((i + 1) * d),
                               parts_.output.begin() + static_cast<std::ptrdiff_t>(j * d), 0.0f);
    for (std::size_t i = 0; i < asked.size(); ++i)
      if (asked[i].history.empty())
        std::fill_n(mapped.begin() + static_cast<std::ptrdiff_t>(i * width), width, 0.0f);
    panels_.score(mapped.data(), static_cast<std::int64_t>(asked.size()),
                  scores.data() + begin * items);
  }
  return {};
}

Result<Fit> fit_e4srec(std::string_view kind, const data::Dataset& dataset,
                       const Assignments& assignments, const FitContext& context) {
  TRY(const E4srecOptions options, read_options<E4srecOptions>(dataset, assignments));
  TRY(const base::ScratchDirectory scratch, base::ScratchDirectory::create());
  TRY(const std::filesystem::path language_model,
      find_language_model(options.language_model, options.first_layers, scratch));
  // What it cannot do is told before hours of training.
  TRY_VOID(language::VectorReader::load(
               {.path = language_model.string(), .longest = options.max_length + 1})
               .map([](const auto&) {}));
  tuning::ItemSequences learnt;
  TRY_VOID(read_vectors(options.items, dataset, learnt));
  TRY_VOID(add_sequences_of_some(dataset, options, context.seed, learnt));
  if (learnt.sequences() == 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has no user with two items to learn from", dataset.name()), "data");
  const tuning::TuneContext tune{
      .clock = context.clock,
      .seed = context.seed,
      .threads = context.threads,
      .checkpoint = context.checkpoint,
      .resume = context.resume,
      .on_progress =
          [&](const tuning::TuneProgress& at) {
            const std::int64_t often = std::max<std::int64_t>(1, at.steps / kMostReports);
            if (context.on_progress && (at.step % often == 0 || at.step == at.steps))
              context.on_progress(
                  {.done = static_cast<double>(at.step) / static_cast<double>(at.steps),
                   .epoch = at.step,
                   .epochs = at.steps,
                   .unit = "step",
                   .loss = at.loss,
                   .validation_ndcg = {},
                   .seconds = at.seconds / static_cast<double>(at.step)});
          },
      .stop_token = context.stop_token};
  TRY(tuning::TunedItemReader tuned,
      tuning::tune_item_reader(language_model, learnt, options.reading, tune));
  tuned.adapter.about = {{"made_by", fmt::format("rapport train --model {}", kind)}};
  E4srecParts parts{.items = dataset.items(),
                    .width = learnt.width,
                    .max_length = options.max_length,
                    .language_model = lasting_name(options.language_model),
                    .first_layers = options.first_layers,
                    .vectors = std::move(learnt.vectors),
                    .inputs = std::move(tuned.inputs),
                    .output = std::move(tuned.output),
                    .adapter = {}};
  TRY(parts.adapter, adapter_bytes(tuned.adapter));
  Fit fit;
  TRY(fit.model, E4srec::create(std::move(parts)));
  fit.seed = context.seed;
  fit.options = options.to_json();
  fit.report = std::move(tuned.report);
  fit.report["epochs"] = options.reading.lora.epochs;
  fit.report["sequences"] = learnt.sequences();
  return fit;
}

}  // namespace rapport::retrieval
