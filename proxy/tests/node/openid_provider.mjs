// A real OpenID provider on loopback, with clients that get access tokens for the gateway.
//
//   TOOLS=FOLDER node openid_provider.mjs
//
// TOOLS is the folder whose node_modules `cargo xtask setup` has filled. Prints its issuer as one
// line. A client gets a token by `client_credentials`: its name is its secret, and RESOURCES says
// how the token for each resource is signed, whom it is for and how long it lasts. `POST /-/rotate`
// puts new keys in the place of all old ones; `GET /-/fetched` counts how often keys were fetched.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.TOOLS, "package.json"));
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const RESOURCES = {
  "urn:lattice:rs256": { alg: "RS256" },
  "urn:lattice:ps256": { alg: "PS256" },
  "urn:lattice:es256": { alg: "ES256" },
  "urn:lattice:eddsa": { alg: "EdDSA" },
  "urn:lattice:short": { alg: "ES256", ttl: 1 },
  "urn:other": { alg: "ES256", audience: "other" },
};

const CLIENTS = {
  researcher: { groups: ["idp-everyone", "idp-research"], roles: ["idp-admins", "unlisted"], email: "ada@example.com" },
  visitor: { groups: ["idp-everyone"] },
};

function keys() {
  const pairs = [
    ["RSA", generateKeyPairSync("rsa", { modulusLength: 2048 })],
    ["EC", generateKeyPairSync("ec", { namedCurve: "P-256" })],
    ["OKP", generateKeyPairSync("ed25519")],
  ];
  return pairs.map(([kind, { privateKey }]) => ({ ...privateKey.export({ format: "jwk" }), kid: `${kind}-${randomUUID()}`, use: "sig" }));
}

function provider(issuer) {
  const made = new Provider(issuer, {
    jwks: { keys: keys() },
    cookies: { keys: [randomUUID()] },
    enabledJWA: { requestObjectSigningAlgValues: [], idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
    clients: Object.keys(CLIENTS).map((name) => ({
      client_id: name,
      client_secret: name,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    })),
    extraTokenClaims: (_, token) => CLIENTS[token.clientId],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => {
          const { alg, audience = "lattice", ttl = 300 } = RESOURCES[resource];
          return { scope: "infer", audience, accessTokenFormat: "jwt", accessTokenTTL: ttl, jwt: { sign: { alg } } };
        },
      },
    },
  });
  made.on("server_error", (_, error) => console.error(error));
  return made.callback();
}

let answer;
let issuer;
let fetched = 0;
const server = createServer((request, response) => {
  if (request.url === "/-/rotate") {
    answer = provider(issuer);
    return response.end("{}");
  }
  if (request.url === "/-/fetched") {
    return response.end(String(fetched));
  }
  fetched += request.url === "/jwks" ? 1 : 0;
  return answer(request, response);
});
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer);
  console.log(issuer);
});
