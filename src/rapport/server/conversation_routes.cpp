#include "rapport/server/routes.h"

namespace rapport::server {
namespace {

Result<store::UserId> owner(const Services& services, const HttpRequest& request) {
  const auto named = request.query.find("user");
  TRY(const UserScope who,
      user_scope(request, named == request.query.end() ? std::string() : named->second));
  return services.users.id(who.app, who.name);
}

Json to_json(const store::Conversation& conversation) {
  return {{"id", conversation.id},
          {"object", "conversation"},
          {"name", conversation.name.empty() ? Json() : Json(conversation.name)},
          {"turns", conversation.turns},
          {"created", base::iso8601(conversation.created)},
          {"updated", base::iso8601(conversation.updated)}};
}

Json to_json(const store::Turn& turn) {
  // Stored as the message's JSON; what cannot be read is shown as it is.
  auto message = base::parse_json(turn.content, "turn");
  return {{"id", turn.id},
          {"object", "turn"},
          {"index", turn.index},
          {"role", turn.role},
          {"message", message ? *std::move(message) : Json{{"content", turn.content}}},
          {"response_id", turn.response_id.empty() ? Json() : Json(turn.response_id)},
          {"created", base::iso8601(turn.created)}};
}

Result<HttpResponse> list(const Services& services, const HttpRequest& request) {
  TRY(const store::UserId user, owner(services, request));
  TRY(const store::Page page, page_of(request));
  auto conversations = services.store.conversations(user, page);
  // Of a user who has not spoken yet there are none: an answer, as it is for facts and settings.
  if (!conversations && conversations.error().code == ErrorCode::kNotFound)
    conversations = std::vector<store::Conversation>{};
  if (!conversations) return fail(conversations.error());
  Json data = Json::array();
  for (const auto& conversation : *conversations) data.push_back(to_json(conversation));
  return HttpResponse::json(list_object(std::move(data), page));
}

Result<HttpResponse> get(const Services& services, const HttpRequest& request) {
  TRY(const store::UserId user, owner(services, request));
  TRY(const store::Page page, page_of(request));
  TRY(const auto conversation, services.store.conversation(user, request.path_parameters.at("id")));
  TRY(const auto turns, services.store.turns(user, conversation.id, page));
  Json data = Json::array();
  for (const store::Turn& turn : turns) data.push_back(to_json(turn));
  const Json listed = list_object(std::move(data), page);
  Json json = to_json(conversation);
  json["data"] = listed["data"];
  json["has_more"] = listed["has_more"];
  return HttpResponse::json(json);
}

Result<HttpResponse> remove(const Services& services, const HttpRequest& request) {
  TRY(const store::UserId user, owner(services, request));
  const std::string& id = request.path_parameters.at("id");
  TRY_VOID(services.store.delete_conversation(user, id));
  return HttpResponse::json({{"id", id}, {"object", "conversation"}, {"deleted", true}});
}

}  // namespace

void add_conversation_routes(Router& router, const Services& services) {
  const auto handler = [&services](auto function) {
    return result_handler(
        [&services, function](const HttpRequest& request) { return function(services, request); });
  };
  const Parameter id = id_in_path("id", "The conversation's id, `conv_…`.");
  router.add({.method = "GET",
              .pattern = "/v1/conversations",
              .access = Access::kAnyKey,
              .operation = {.id = "listConversations",
                            .tag = "Conversations",
                            .summary = "A user's conversations, newest first",
                            .parameters = {user_in_query(), limit_parameter(), offset_parameter(),
                                           app_header()},
                            .responses = {{200, "The conversations", "ConversationList"}}},
              .handler = handler(list)});
  router.add({.method = "GET",
              .pattern = "/v1/conversations/{id}",
              .access = Access::kAnyKey,
              .operation = {.id = "getConversation",
                            .tag = "Conversations",
                            .summary = "A conversation and its turns, oldest first",
                            .parameters = {id, user_in_query(), limit_parameter(),
                                           offset_parameter(), app_header()},
                            .responses = {{200, "The conversation", "ConversationWithTurns"}}},
              .handler = handler(get)});
  router.add({.method = "DELETE",
              .pattern = "/v1/conversations/{id}",
              .access = Access::kAnyKey,
              .operation = {.id = "deleteConversation",
                            .tag = "Conversations",
                            .summary = "Delete a conversation with its turns and explanations",
                            .parameters = {id, user_in_query(), app_header()},
                            .responses = {{200, "Deleted", "Deleted"}}},
              .handler = handler(remove)});
}

}  // namespace rapport::server
