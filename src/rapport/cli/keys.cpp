#include <fmt/format.h>

#include <filesystem>
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
      server::create_key(*state->store, *state->keys, state->random, state->clock, options.label,
                         options.app, role, options.user));
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

struct RotateOptions {
  std::string to;
  bool deep = false;
};

Result<void> rotate(Context& context, const RotateOptions& options) {
  const std::filesystem::path home(context.home);
  std::optional<store::MasterKeySource> to;
  if (!options.to.empty()) {
    TRY(to, store::parse_master_key_source(options.to));
  }
  base::SystemRandom random;
  const base::SystemClock clock;
  const std::filesystem::path keys = store::keys_of(home);
  if (!std::filesystem::exists(keys / "keyring.json")) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{} has no keys yet: they are made when a command first opens it",
                            home.string()));
  }
  const store::MasterKeySources sources = key_sources();
  const auto wrap_anew = [&](const store::KeyRing& both) -> Result<void> {
    TRY_VOID(store::UserKeys::open(store::user_keys_of(home).string(), both, clock, random));
    return {};
  };
  TRY(const store::MasterKeySource source,
      options.deep ? store::KeyRing::rotate_home_key(keys, random, sources, to, wrap_anew)
                   : store::KeyRing::rotate_master_key(keys, random, sources, to));
  if (context.json) {
    print_json(context, {{"source", std::string(name(source))}, {"deep", options.deep}});
  } else {
    context.out << fmt::format("the keys are sealed under a new master key ({}){}\n", name(source),
                               options.deep ? ", and every user's key is wrapped anew" : "");
  }
  return {};
}

}  // namespace

void add_keys(CommandLine& line) {
  CLI::App* group = line.add_group("keys", "API keys, and the master key of the home");
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

  auto rotated = std::make_shared<RotateOptions>();
  command = line.add("rotate-master",
                     "seal the keys of the home under a new master key, also while the server runs",
                     "rapport keys rotate-master --to passphrase", group);
  command->add_option("--to", rotated->to,
                      "file, environment (RAPPORT_NEW_MASTER_KEY) or passphrase "
                      "(RAPPORT_NEW_PASSPHRASE, or asked); as it is, unless told");
  command->add_flag(
      "--deep", rotated->deep,
      "a new home key too, and every user's key wrapped anew (stop the server first)");
  line.run(command, [rotated](Context& context) { return rotate(context, *rotated); });
}

}  // namespace rapport::cli
