// rapport palr embed: vectors of a catalogue's texts, for a ranker to read.
#include <fmt/format.h>

#include "rapport/base/in_parallel.h"
#include "rapport/cli/palr_course.h"
#include "rapport/language/llama_embedder.h"
#include "rapport/language/model_files.h"
#include "rapport/retrieval/item_embeddings.h"

namespace rapport::cli {
namespace {

constexpr const char* kDefaultEmbedder = "all-minilm-l6-v2-f32";

struct Embedding {
  std::string data, output, embedder = kDefaultEmbedder;
};

Result<void> embed(Context& context, const Embedding& command) {
  TRY(const data::Dataset dataset, data::Dataset::open(command.data));
  TRY_VOID(retrieval::check_embeddings_output(command.output));
  TRY(const language::ModelFile file,
      language::find_model(command.embedder, language::model_folders(context.home)));
  // Nothing else computes beside it, unlike in a server.
  language::EmbedderOptions options{.path = file.path.string()};
  options.threads = static_cast<std::int64_t>(base::thread_count(context.threads));
  TRY(const auto embedder, language::LlamaEmbedder::load(options));
  Course course(context);
  TRY(const retrieval::ItemEmbeddings made,
      retrieval::embed_items(dataset, *embedder,
                             course.stage("embeddings", dataset.items(), "items")));
  TRY_VOID(retrieval::save_item_embeddings(retrieval::whitened(made), dataset, command.output));
  if (context.json) {
    print_json(context, {{"directory", command.output},
                         {"embedder", made.embedder},
                         {"items", dataset.items()},
                         {"dimensions", made.dimensions}});
  } else {
    context.out << fmt::format("{} has {} items' vectors of {} dimensions, by {}\n", command.output,
                               dataset.items(), made.dimensions, made.embedder);
  }
  return {};
}

}  // namespace

void add_palr_embed(CommandLine& line, CLI::App* group) {
  auto to_embed = std::make_shared<Embedding>();
  CLI::App* command =
      line.add("embed", "what an embedding model makes of the items' texts, for a ranker to read",
               "rapport palr embed --data datasets/beauty --output embeddings/beauty", group);
  command->add_option("--data", to_embed->data, "data set (of rapport data prepare)")->required();
  command->add_option("--output", to_embed->output, "folder of the vectors")->required();
  command
      ->add_option("--embedder", to_embed->embedder,
                   "GGUF file of an encoder, or the name of one (rapport models list)")
      ->capture_default_str();
  line.run(command, [to_embed](Context& context) { return embed(context, *to_embed); });
}

}  // namespace rapport::cli
