#include <fmt/format.h>

#include <bit>

#include "rapport/base/digest.h"
#include "rapport/base/thread_pool.h"
#include "rapport/server/json_fields.h"
#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

constexpr std::size_t kMaxInputs = 2'048;  // OpenAI's
// Between two groups a client that went away is noticed.
constexpr std::size_t kGroup = 32;
// One thread: the embedder uses all cores for a group, and two groups at once would only wait for
// each other. The queue is what one group of workers could not do in a minute anyway.
constexpr std::size_t kMaxQueued = 64;

struct EmbeddingCall {
  std::vector<std::string> inputs;
  bool base64 = false;
};

Result<std::vector<std::string>> read_inputs(Fields& fields) {
  const Json* input = fields.any("input");
  if (input == nullptr || (!input->is_string() && !input->is_array()))
    return fields.wrong("input", "a string or an array of strings");
  const Json list = input->is_string() ? Json::array({*input}) : *input;
  if (list.empty() || list.size() > kMaxInputs)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("input has {} entries: expected 1 to {}", list.size(), kMaxInputs),
                "input");
  std::vector<std::string> inputs;
  inputs.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string place = input->is_string() ? "input" : fmt::format("input[{}]", i);
    if (list[i].is_number() || list[i].is_array())
      return fail(ErrorCode::kUnsupported,
                  "input holds token ids, which mean nothing to this model: send text", "input");
    if (!list[i].is_string())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is {}: expected a string", place, type_name(list[i])), place);
    inputs.push_back(list[i].get<std::string>());
    if (inputs.back().empty())
      return fail(ErrorCode::kInvalidArgument, place + " is empty: send some text", place);
  }
  return inputs;
}

Result<EmbeddingCall> read_call(const HttpRequest& request, language::TextEmbedder& embedder) {
  TRY(const Json body, parse_body(request.body));
  Fields fields(body);
  EmbeddingCall call;
  TRY(call.inputs, read_inputs(fields));
  TRY(const auto model, fields.string("model"));
  if (model && *model != "default" && *model != embedder.id())
    return fail(ErrorCode::kNotFound,
                fmt::format("there is no embedding model of that name: use \"{}\"", embedder.id()),
                "model", "model_not_found");
  TRY(const auto format, fields.string("encoding_format"));
  if (format && *format != "float" && *format != "base64")
    return fields.wrong("encoding_format", "float or base64");
  call.base64 = format == "base64";
  TRY(const auto dimensions, fields.integer("dimensions", 1, 1 << 20));
  if (dimensions && *dimensions != embedder.dimensions())
    return fail(ErrorCode::kUnsupported,
                fmt::format("dimensions is {}: this model has {} and cannot be shortened",
                            *dimensions, embedder.dimensions()),
                "dimensions");
  TRY_VOID(fields.string("user"));
  TRY_VOID(fields.refuse_rest());
  return call;
}

/// 32-bit floats, little-endian, as the official SDKs decode them.
std::string to_base64(std::span<const float> row) {
  std::string bytes;
  bytes.reserve(row.size() * 4);
  for (const float value : row) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((bits >> shift) & 0xff);
  }
  return base::to_base64(bytes);
}

/// The embedder counts within its group; the client counted all its inputs.
Error renumbered(Error error, std::size_t first) {
  for (std::size_t i = kGroup; first > 0 && i-- > 0;) {
    const std::string local = fmt::format("input[{}]", i);
    if (error.param != local) continue;
    error.param = fmt::format("input[{}]", first + i);
    if (const auto place = error.message.find(local); place != std::string::npos)
      error.message.replace(place, local.size(), error.param);
    break;
  }
  return error;
}

Result<HttpResponse> embed(const HttpRequest& request, language::TextEmbedder& embedder) {
  TRY(const EmbeddingCall call, read_call(request, embedder));
  Json data = Json::array();
  std::int64_t tokens = 0;
  for (std::size_t first = 0; first < call.inputs.size(); first += kGroup) {
    if (request.gone.stop_requested()) return fail(ErrorCode::kCancelled, "the client went away");
    const std::size_t end = std::min(first + kGroup, call.inputs.size());
    const std::vector<std::string> group(call.inputs.begin() + static_cast<std::ptrdiff_t>(first),
                                         call.inputs.begin() + static_cast<std::ptrdiff_t>(end));
    const auto matrix = embedder.embed(group);
    if (!matrix) return fail(renumbered(matrix.error(), first));
    tokens += matrix->tokens;
    const auto columns = static_cast<std::size_t>(matrix->columns);
    for (std::size_t row = 0; row < group.size(); ++row) {
      const std::span<const float> values(matrix->values.data() + row * columns, columns);
      data.push_back(
          {{"object", "embedding"},
           {"index", first + row},
           {"embedding", call.base64 ? Json(to_base64(values))
                                     : Json(std::vector<float>(values.begin(), values.end()))}});
    }
  }
  return HttpResponse::json({{"object", "list"},
                             {"data", std::move(data)},
                             {"model", embedder.id()},
                             {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
}

HttpResponse no_embedder() {
  return HttpResponse::error(
      {.code = ErrorCode::kUnavailable,
       .message = "no embedding model is loaded: run scripts/models, or name a GGUF in "
                  "language.embedding.path (language.embedding.enabled must be true), and start "
                  "again",
       .param = {},
       .reason = "no_embedding_model",
       .retry_after = {}});
}

}  // namespace

void add_embedding_routes(Router& router, const Services& services) {
  auto queue = std::make_shared<base::ThreadPool>("embed", 1, kMaxQueued);
  router.add(
      {.method = "POST",
       .pattern = "/v1/embeddings",
       .access = Access::kAnyKey,
       .operation = {.id = "createEmbedding",
                     .tag = "Embeddings",
                     .summary = "Sentence vectors of unit length",
                     .description =
                         "OpenAI's embeddings. `dimensions` may only be the model's own; "
                         "token ids are refused.",
                     .request_schema = "EmbeddingRequest",
                     .responses = {{200, "One vector an input, in order", "EmbeddingList"}}},
       .handler =
           StreamHandler([&services, queue](HttpRequest request, std::shared_ptr<Reply> reply) {
             if (services.embedder == nullptr) {
               reply->send(no_embedder());
               return;
             }
             auto posted = queue->post([&embedder = *services.embedder,
                                        request = std::move(request), reply] {
               auto response = embed(request, embedder);
               reply->send(response ? *std::move(response) : HttpResponse::error(response.error()));
             });
             if (posted) return;
             Error error = std::move(posted).error();
             error.message = "too many embedding requests are waiting: try again in a second";
             error.retry_after = std::chrono::seconds(1);
             reply->send(HttpResponse::error(error));
           })});
}

}  // namespace rapport::server
