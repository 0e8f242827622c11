#include <fmt/format.h>

#include <iostream>

#include "rapport/cli/application.h"
#include "rapport/cli/command_line.h"
#include "rapport/server/authentication.h"

namespace rapport::cli {
namespace {

struct KeyOptions {
  std::string label, app = "default", role = "app", user, id;
};

Json to_json(const store::ApiKey& key) {
  return {{"id", key.id},
          {"label", key.label},
          {"app", key.app},
          {"role", std::string(store::name(key.role))},
          {"user", key.user_name.empty() ? Json() : Json(key.user_name)},
          {"created", base::iso8601(key.created)},
          {"revoked", key.revoked ? Json(base::iso8601(*key.revoked)) : Json()}};
}

Result<void> create(Context& context, const KeyOptions& options) {
  TRY(auto state, open_state(context));
  TRY(const store::KeyRole role, store::parse_key_role(options.role));
  TRY(const server::CreatedKey created,
      server::create_key(*state->store, state->random, state->clock, options.label, options.app,
                         role, options.user));
  if (context.json) {
    Json json = to_json(created.key);
    json["secret"] = created.secret;
    print_json(context, json);
  } else {
    // The secret alone on standard output, so that it can be piped to where it belongs.
    context.err << fmt::format(
        "{} ({}): keep this secret, it is shown once and only its digest is stored\n",
        created.key.id, options.role);
    context.out << created.secret << '\n';
  }
  return {};
}

Result<void> list(Context& context) {
  TRY(auto state, open_state(context));
  TRY(const auto keys, state->store->keys());
  if (context.json) {
    Json json = Json::array();
    for (const store::ApiKey& key : keys) json.push_back(to_json(key));
    print_json(context, {{"keys", std::move(json)}});
    return {};
  }
  for (const store::ApiKey& key : keys) {
    context.out << fmt::format("{}  {:<6} {:<12} {:<20} {}{}\n", key.id, store::name(key.role),
                               key.app, key.label,
                               key.user_name.empty() ? "" : "user " + key.user_name + "  ",
                               key.revoked ? "revoked " + base::iso8601(*key.revoked) : "");
  }
  if (keys.empty())
    context.out
        << "no keys: programs of this machine need none, unless server.require_keys is true\n";
  return {};
}

Result<void> revoke(Context& context, const KeyOptions& options) {
  TRY(auto state, open_state(context));
  TRY_VOID(state->store->revoke_key(options.id));
  if (context.json) {
    print_json(context, {{"id", options.id}, {"revoked", true}});
  } else {
    context.out << "revoked: " << options.id << '\n';
  }
  return {};
}

}  // namespace

void add_keys(CommandLine& line) {
  CLI::App* group = line.add_group("keys", "API keys");
  auto created = std::make_shared<KeyOptions>();
  CLI::App* command =
      line.add("create", "make an API key and print its secret once",
               "rapport keys create --label kitchen-app --role app --app kitchen", group);
  command->add_option("--label", created->label, "what it is for")->required();
  command->add_option("--role", created->role, "admin, app or user")->capture_default_str();
  command->add_option("--app", created->app, "application")->capture_default_str();
  command->add_option("--user", created->user, "bind it to this user (role user)");
  line.run(command, [created](Context& context) { return create(context, *created); });

  line.run(line.add("list", "all keys, without secrets", "rapport keys list", group), list);

  auto revoked = std::make_shared<KeyOptions>();
  command = line.add("revoke", "make a key useless", "rapport keys revoke key_…", group);
  command->add_option("KEY", revoked->id, "id of the key")->required();
  line.run(command, [revoked](Context& context) { return revoke(context, *revoked); });
}

}  // namespace rapport::cli
