#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "rapport/base/files.h"
#include "rapport/base/progress.h"
#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/cli/model_pull.h"
#include "rapport/language/bert_import.h"
#include "rapport/language/model_files.h"
#include "rapport/language/quantize.h"

namespace rapport::cli {
namespace {

namespace fs = std::filesystem;

Json to_json(const language::ModelFile& file) {
  return {{"name", file.name},
          {"title", file.title},
          {"architecture", file.architecture},
          {"quantization", file.quantization},
          {"parameters", file.parameters},
          {"context_tokens", file.context_tokens},
          {"bytes", file.bytes},
          {"chat", file.has_chat_template},
          {"path", file.path.string()}};
}

const char* use_of(const language::ModelFile& file) {
  if (file.is_encoder) return "embedding";
  return file.has_chat_template ? "chat" : "no chat template";
}

Result<void> list(Context& context) {
  const auto listing = language::list_models(language::model_folders(context.home));
  if (context.json) {
    Json models = Json::array(), refused = Json::array();
    for (const auto& file : listing.models) models.push_back(to_json(file));
    for (const Error& error : listing.refused) refused.push_back(error.message);
    print_json(context, {{"models", std::move(models)}, {"refused", std::move(refused)}});
    return {};
  }
  if (listing.models.empty()) context.out << "no models: `make build` brings the default ones\n";
  for (const auto& file : listing.models) {
    context.out << fmt::format(
        "{:<36} {:<8} {:<14} {:>7.1f} M parameters  {:>7} tokens  {:>7.1f} MiB  {}\n", file.name,
        file.architecture, file.quantization, static_cast<double>(file.parameters) / 1e6,
        file.context_tokens, static_cast<double>(file.bytes) / (1 << 20), use_of(file));
  }
  for (const Error& error : listing.refused) context.err << "refused: " << error.message << '\n';
  return {};
}

base::ProgressStyle progress_style(const Context& context) {
  return context.quiet ? base::ProgressStyle::kQuiet : base::default_progress_style();
}

Result<void> quantize(Context& context, const std::string& input, const std::string& output,
                      const language::QuantizeOptions& options) {
  TRY_VOID(base::prepare_output_file(output));
  const base::SystemClock clock;
  std::unique_ptr<base::Progress> progress;
  std::int64_t shown = 0;
  TRY_VOID(language::quantize(input, output, options, [&](std::int64_t done, std::int64_t total) {
    if (!progress) {
      progress = std::make_unique<base::Progress>("quantising", total, "tensors", clock,
                                                  progress_style(context));
    }
    progress->advance(done - shown);
    shown = done;
  }));
  progress.reset();
  TRY(const language::ModelFile file, language::read_model_file(output));
  if (context.json) {
    print_json(context, to_json(file));
  } else {
    context.out << fmt::format("{}: {}, {:.1f} MiB\n", output, file.quantization,
                               static_cast<double>(file.bytes) / (1 << 20));
  }
  return {};
}

// Appears under its name only when it is whole: a model is too large to go through memory.
Result<void> copy_whole(const std::string& from, const std::string& to) {
  const std::string part = to + ".part";
  std::error_code error;
  if (fs::equivalent(from, to, error)) return {};
  error.clear();
  fs::copy_file(from, part, fs::copy_options::overwrite_existing, error);
  if (!error) fs::rename(part, to, error);
  if (!error) return {};
  std::error_code ignored;
  fs::remove(part, ignored);
  return fail(ErrorCode::kIo, fmt::format("cannot copy {} to {}: {}", from, to, error.message()));
}

// A GGUF is copied as it is (after it was read and found whole); a sentence-transformers folder is
// converted.
Result<void> import_model(Context& context, const std::string& path, std::string output) {
  const bool folder = fs::is_directory(path);
  if (!folder && !fs::exists(path)) {
    return fail(ErrorCode::kNotFound,
                path + " does not exist: name a GGUF file or a folder with model.safetensors",
                "PATH");
  }
  if (output.empty()) {
    const fs::path models = fs::path(context.home) / "models";
    TRY_VOID(base::ensure_directory(models));
    const std::string name = fs::path(path).lexically_normal().filename().string();
    output = (models / (folder ? name + "-f32.gguf" : name)).string();
  }
  if (folder) {
    TRY_VOID(language::import_bert(path, output, language::WeightType::kF32));
  } else {
    TRY_VOID(language::read_model_file(path));
    TRY_VOID(copy_whole(path, output));
  }
  TRY(const language::ModelFile file, language::read_model_file(output));
  if (context.json) {
    print_json(context, to_json(file));
  } else {
    context.out << fmt::format("{}: {}, {:.1f} MiB\n", output, file.architecture,
                               static_cast<double>(file.bytes) / (1 << 20));
  }
  return {};
}

// Where a package client brings it: among the models of the source tree, which `list` shows.
Result<void> pull(Context& context, const std::string& name) {
  std::error_code error;
  TRY(const fs::path source, source_tree(fs::read_symlink("/proc/self/exe", error)));
  TRY(const language::ModelFile file, pull_model(source, name));
  if (context.json) {
    print_json(context, to_json(file));
  } else {
    context.out << fmt::format("{}: {}, {:.1f} MiB, in {}\n", file.name, file.architecture,
                               static_cast<double>(file.bytes) / (1 << 20), file.path.string());
  }
  return {};
}

}  // namespace

void add_models(CommandLine& line) {
  CLI::App* group = line.add_group("models", "model files");
  line.run(line.add("list", "the models that can be named", "rapport models list", group), list);

  auto name = std::make_shared<std::string>();
  CLI::App* pulled = line.add("pull", "fetch a model that scripts/setup knows, by package client",
                              "rapport models pull gemma-3-270m", group);
  pulled->add_option("NAME", *name, "its name; a wrong one is answered with all of them")
      ->required();
  line.run(pulled, [name](Context& context) { return pull(context, *name); });

  struct Paths {
    std::string input, output;
    language::QuantizeOptions options = {.type = "q8_0"};
  };
  auto import = std::make_shared<Paths>();
  CLI::App* command = line.add(
      "import", "bring a GGUF file or a sentence-transformers folder into the models folder",
      "rapport models import ~/Downloads/qwen3-0.6b-q8_0.gguf", group);
  command->add_option("PATH", import->input, "GGUF file, or folder with model.safetensors")
      ->required();
  command->add_option("--output", import->output, "file to write (default: in <home>/models)");
  line.run(command, [import](Context& context) {
    return import_model(context, import->input, import->output);
  });

  auto paths = std::make_shared<Paths>();
  command = line.add("quantize", "make a GGUF smaller or faster",
                     "rapport models quantize in.gguf out-q8_0.gguf --type q8_0", group);
  command->add_option("IN", paths->input, "GGUF file to read")->required();
  command->add_option("OUT", paths->output, "GGUF file to write")->required();
  command
      ->add_option("--type", paths->options.type,
                   "f32, bf16, f16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, …; copy: as they are")
      ->capture_default_str();
  command->add_option("--layers", paths->options.layers,
                      "keep only the first ones: for --model e4srec, not for text (default: all)");
  line.run(command, [paths](Context& context) {
    return quantize(context, paths->input, paths->output, paths->options);
  });
}

}  // namespace rapport::cli
