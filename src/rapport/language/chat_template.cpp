#include "rapport/language/chat_template.h"

#include <chat.h>
#include <common.h>
#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cassert>
#include <exception>
#include <mutex>
#include <utility>

namespace rapport::language {
namespace {

constexpr std::string_view kRoles[] = {"system", "developer", "user", "assistant", "tool"};

/// For ChatML models whose own template passes over tools. The call format is the one that Hermes
/// and Qwen made common, which small models have seen in training.
constexpr const char* kToolTemplate = R"jinja(
{{- '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' %}
    {{- messages[0].content + '\n\n' }}
{%- endif %}
{%- if tools %}
    {{- 'You can call functions. Each is described by a JSON schema:\n<tools>\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
        {{- '\n' }}
    {%- endfor %}
    {{- '</tools>\nTo call one, answer with its name and arguments as JSON between tags:\n<tool_call>\n{"name": "the function", "arguments": {"a parameter": "its value"}}\n</tool_call>\n' }}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
    {%- elif message.role == 'assistant' and message.tool_calls %}
        {{- '<|im_start|>assistant\n' }}
        {%- if message.content %}
            {{- message.content + '\n' }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {{- '<tool_call>\n{"name": "' + tool_call.function.name + '", "arguments": ' }}
            {%- if tool_call.function.arguments is string %}
                {{- tool_call.function.arguments }}
            {%- else %}
                {{- tool_call.function.arguments | tojson }}
            {%- endif %}
            {{- '}\n</tool_call>\n' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif not (loop.first and message.role == 'system') %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)jinja";

Result<void> check_role(const ChatMessage& message, const std::string& field) {
  const std::string role = message.role();
  if (std::ranges::find(kRoles, role) != std::end(kRoles)) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}.role is \"{}\": expected system, developer, user, assistant or tool",
                          field, role),
              field + ".role");
}

Result<void> check_content(const ChatMessage& message, const std::string& field) {
  const Json content = message.json.value("content", Json());
  const std::string param = field + ".content";
  if (content.is_null() && !message.json.contains("tool_calls"))
    return fail(ErrorCode::kInvalidArgument, param + " is missing: a message needs content", param);
  if (!content.is_array()) return {};
  for (const Json& part : content) {
    const Json type = part.is_object() ? part.value("type", Json()) : Json();
    if (!type.is_string())
      return fail(ErrorCode::kInvalidArgument, param + " has a part without a type", param);
    if (type != "text")
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{} has a part of type \"{}\": the embedded model reads only text",
                              param, type.get<std::string>()),
                  param);
    if (!part.contains("text") || !part["text"].is_string())
      return fail(ErrorCode::kInvalidArgument, param + " has a text part without text", param);
  }
  return {};
}

Result<void> check_tool_calls(const ChatMessage& message, const std::string& field) {
  const auto calls = message.json.find("tool_calls");
  if (calls == message.json.end() || calls->is_null()) return {};
  const std::string param = field + ".tool_calls";
  if (!calls->is_array())
    return fail(ErrorCode::kInvalidArgument, param + " is not an array", param);
  for (const Json& call : *calls) {
    const Json function = call.is_object() ? call.value("function", Json()) : Json();
    if (!function.is_object() || !function.value("name", Json()).is_string() ||
        !function.value("arguments", Json()).is_string())
      return fail(ErrorCode::kInvalidArgument,
                  param + " has a call without a function's name and arguments (JSON in a string)",
                  param);
  }
  return {};
}

Result<void> check_tools(const Json& tools) {
  for (const Json& tool : tools) {
    if (!tool.is_object() || tool.value("type", Json()) != "function")
      return fail(
          ErrorCode::kUnsupported,
          "tools has an entry that is not of type \"function\": the embedded model knows no "
          "other",
          "tools");
    const Json function = tool.value("function", Json());
    if (!function.is_object() || !function.value("name", Json()).is_string())
      return fail(ErrorCode::kInvalidArgument, "tools has a function without a name", "tools");
    const Json parameters = function.value("parameters", Json());
    if (!parameters.is_null() && !parameters.is_object())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the parameters of tool \"{}\" are not a JSON schema",
                              function["name"].get<std::string>()),
                  "tools");
  }
  return {};
}

/// llama.cpp's grammar of an answer in our tool format (kToolTemplate), narrowed to one call at
/// once: its own for a required call lets the model talk first, without end, and call again and
/// again.
std::string one_call_grammar(std::string grammar) {
  constexpr std::string_view kRoot = "root ::= ";
  const std::size_t root = grammar.find("\n" + std::string(kRoot));
  assert(root != std::string::npos && grammar.find("\ntool-call ::= ") != std::string::npos);
  const std::size_t begin = root + 1 + kRoot.size();
  return grammar.replace(begin, grammar.find('\n', begin) - begin, "tool-call");
}

bool speaks_of_tools(const std::vector<ChatMessage>& messages) {
  return std::ranges::any_of(messages, [](const ChatMessage& message) {
    const Json calls = message.json.value("tool_calls", Json());
    return message.role() == "tool" || (calls.is_array() && !calls.empty());
  });
}

struct Tools {
  Json list = Json::array();
  common_chat_tool_choice choice = COMMON_CHAT_TOOL_CHOICE_NONE;
};

/// A named function becomes the only tool, and required.
Result<Tools> choose_tools(const ChatInputs& inputs) {
  const bool given = inputs.tools.is_array() && !inputs.tools.empty();
  const Json& choice = inputs.tool_choice;
  if (choice == "none") return Tools{};
  if (!given) {
    if (choice.is_null() || choice == "auto") return Tools{};
    return fail(ErrorCode::kInvalidArgument, "tool_choice needs tools", "tool_choice");
  }
  if (choice.is_null() || choice == "auto")
    return Tools{inputs.tools, COMMON_CHAT_TOOL_CHOICE_AUTO};
  if (choice == "required") return Tools{inputs.tools, COMMON_CHAT_TOOL_CHOICE_REQUIRED};
  const Json function = choice.is_object() ? choice.value("function", Json()) : Json();
  const Json wanted = function.is_object() ? function.value("name", Json()) : Json();
  for (const Json& tool : inputs.tools) {
    if (wanted.is_string() && tool["function"]["name"] == wanted)
      return Tools{Json::array({tool}), COMMON_CHAT_TOOL_CHOICE_REQUIRED};
  }
  return fail(
      ErrorCode::kInvalidArgument,
      "tool_choice is neither \"none\", \"auto\", \"required\" nor {\"type\": \"function\", "
      "\"function\": {\"name\": one of tools}}",
      "tool_choice");
}

common_chat_templates_inputs to_llama(const ChatInputs& inputs, const Tools& tools) {
  Json messages = Json::array();
  for (const ChatMessage& message : inputs.messages) {
    Json object = message.json;
    if (!object.contains("content") || object["content"].is_null()) object["content"] = "";
    if (object.contains("tool_calls") && object["tool_calls"].is_null()) object.erase("tool_calls");
    if (object.contains("tool_calls")) {
      for (Json& call : object["tool_calls"]) call["type"] = "function";
    }
    messages.push_back(std::move(object));
  }
  common_chat_templates_inputs out;
  out.messages = common_chat_msgs_parse_oaicompat(common_json::parse(base::dump_json(messages)));
  if (!tools.list.empty())
    out.tools = common_chat_tools_parse_oaicompat(common_json::parse(base::dump_json(tools.list)));
  out.tool_choice = tools.choice;
  out.parallel_tool_calls = inputs.parallel_tool_calls;
  return out;
}

/// One at a time in the process: llama.cpp tells every template the date and asks std::localtime
/// for it, which writes to one place for all threads.
common_chat_params apply(const common_chat_templates* templates,
                         const common_chat_templates_inputs& inputs) {
  static std::mutex applying;
  const std::lock_guard lock(applying);
  return common_chat_templates_apply(templates, inputs);
}

}  // namespace

struct ChatTemplate::Templates {
  common_chat_templates_ptr own;
  common_chat_templates_ptr with_tools;  // null when `own` knows tools, or no family of ours
  bool own_knows_tools = false;
  /// llama.cpp studies a template anew for each prompt (2 ms). Where that changes neither prompt
  /// nor stop strings, plain chats skip it (0.1 ms).
  bool plain_is_enough = false;
};

ChatTemplate::ChatTemplate(const llama_model& model, std::unique_ptr<Templates> templates)
    : vocab_(llama_model_get_vocab(&model)), templates_(std::move(templates)) {
  for (llama_token token = 0; token < llama_vocab_n_tokens(vocab_); ++token) {
    const char* text = llama_vocab_get_text(vocab_, token);
    if (llama_vocab_is_control(vocab_, token) && text != nullptr && *text != '\0')
      control_tokens_.emplace_back(text);
  }
}

ChatTemplate::~ChatTemplate() = default;

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::create(const llama_model& model,
                                                           const std::string& source) {
  auto templates = std::make_unique<Templates>();
  try {
    templates->own = common_chat_templates_init(&model, source);
    if (!common_chat_templates_was_explicit(templates->own.get()))
      return fail(ErrorCode::kUnsupported,
                  "the model has no chat template: use an instruction-tuned version of it",
                  "model");
    templates->own_knows_tools =
        common_chat_templates_get_caps(templates->own.get())["supports_tools"];
    const std::string used = common_chat_templates_source(templates->own.get());
    if (!templates->own_knows_tools && used.find("<|im_start|>") != std::string::npos)
      templates->with_tools = common_chat_templates_init(&model, kToolTemplate);

    common_chat_templates_inputs probe;
    common_chat_msg message;
    message.role = "user";
    message.content = "?";
    probe.messages = {message};
    const common_chat_params studied = apply(templates->own.get(), probe);
    probe.force_pure_content = true;
    const common_chat_params plain = apply(templates->own.get(), probe);
    templates->plain_is_enough = studied.prompt == plain.prompt &&
                                 studied.additional_stops.empty() && !studied.supports_thinking &&
                                 studied.preserved_tokens.empty();
  } catch (const std::exception& error) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("the model's chat template does not work: {}", error.what()), "model");
  }
  return std::unique_ptr<ChatTemplate>(new ChatTemplate(model, std::move(templates)));
}

Result<void> ChatTemplate::check(const ChatInputs& inputs) const {
  for (std::size_t i = 0; i < inputs.messages.size(); ++i) {
    const std::string field = fmt::format("messages[{}]", i);
    TRY_VOID(check_role(inputs.messages[i], field));
    TRY_VOID(check_content(inputs.messages[i], field));
    TRY_VOID(check_tool_calls(inputs.messages[i], field));
  }
  if (!inputs.tools.is_null()) TRY_VOID(check_tools(inputs.tools));
  TRY(const Tools tools, choose_tools(inputs));
  if (!tools.list.empty() && !templates_->own_knows_tools && !templates_->with_tools)
    return fail(
        ErrorCode::kUnsupported,
        "this model's chat template has no words for tools: leave tools out, or use a model "
        "that was trained with them",
        "tools");
  return {};
}

Result<ChatPrompt> ChatTemplate::render(const ChatInputs& inputs) const {
  TRY_VOID(check(inputs));
  TRY(const Tools tools, choose_tools(inputs));
  const bool about_tools = !tools.list.empty() || speaks_of_tools(inputs.messages);
  const bool ours = about_tools && templates_->with_tools;
  const common_chat_templates* templates =
      ours ? templates_->with_tools.get() : templates_->own.get();
  const bool at_once = ours && tools.choice == COMMON_CHAT_TOOL_CHOICE_REQUIRED;
  ChatPrompt prompt;
  try {
    common_chat_templates_inputs llama_inputs = to_llama(inputs, tools);
    if (at_once) llama_inputs.tool_choice = COMMON_CHAT_TOOL_CHOICE_AUTO;
    llama_inputs.add_bos = llama_vocab_get_add_bos(vocab_);
    llama_inputs.add_eos = llama_vocab_get_add_eos(vocab_);
    llama_inputs.force_pure_content = !about_tools && templates_->plain_is_enough;
    auto format = std::make_shared<common_chat_params>(apply(templates, llama_inputs));
    prompt.text = format->prompt;
    prompt.stop = format->additional_stops;
    if (at_once) prompt.grammar = one_call_grammar(std::exchange(format->grammar, ""));
    if (!tools.list.empty()) prompt.tool_format = std::move(format);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the model's chat template refuses these messages: {}", error.what()),
                "messages");
  }
  TRY(prompt.tokens, tokenize(prompt.text, inputs.messages));
  return prompt;
}

bool ChatTemplate::spells_control_token(const std::string& text) const {
  return std::ranges::any_of(control_tokens_, [&](const std::string& token) {
    return text.find(token) != std::string::npos;
  });
}

Result<std::vector<std::int32_t>> ChatTemplate::tokenize(
    const std::string& text, const std::vector<ChatMessage>& messages) const {
  std::vector<std::int32_t> tokens;
  const auto append = [&](std::size_t begin, std::size_t end, bool control) {
    if (begin == end) return;
    const auto piece = common_tokenize(vocab_, text.substr(begin, end - begin),
                                       /*add_special=*/begin == 0, /*parse_special=*/control);
    tokens.insert(tokens.end(), piece.begin(), piece.end());
  };
  std::size_t done = 0;      // up to here `tokens` covers `text`
  std::size_t searched = 0;  // messages appear in order
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string content = messages[i].content();
    const std::size_t found = text.find(content, searched);
    if (found != std::string::npos) searched = found + content.size();
    if (!spells_control_token(content)) continue;
    // A template that rewrites content (trims it, say) leaves no way to tell its tokens from ours.
    if (found == std::string::npos) {
      const std::string param = fmt::format("messages[{}].content", i);
      return fail(ErrorCode::kInvalidArgument,
                  param + " spells one of the model's control tokens: remove it", param);
    }
    append(done, found, /*control=*/true);
    append(found, searched, /*control=*/false);
    done = searched;
  }
  append(done, text.size(), /*control=*/true);
  return tokens;
}

}  // namespace rapport::language
