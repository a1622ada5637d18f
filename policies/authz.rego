# The policy set that ships with Lattice: which keys and teams may use which
# models. A folder named by `policy.dir` replaces it; README.md says how.
package lattice.authz

# What the gateway asks for. All three parts are always there.
decision := {
	"allow": allow,
	"deny": deny,
	"obligations": obligations,
}

default allow := false

# Anything but a model call needs a policy of its own.
allow if {
	input.action.name in {"infer", "embed", "count_tokens"}
	input.resource.type == "model"
	open_to_key
	open_to_team
}

deny contains {
	"code": "policy_model",
	"msg": "This key is limited to other models; ask for one of those that GET /v1/models lists.",
} if not open_to_key

deny contains {
	"code": "policy_model",
	"msg": "The team of this key is limited to other models; ask for one of those that GET /v1/models lists.",
} if not open_to_team

# Nothing has to be done beside an allowed call.
obligations := set()

open_to_key if opens(input.subject.properties.models)

open_to_team if opens(input.subject.properties.team_models)

# null is no limit; an empty list is a limit that nothing meets.
opens(models) if models == null

opens(models) if {
	is_array(models) # regorus makes an error of iterating over null
	some entry in models
	covers(entry)
}

# An entry of a list is a model's name, `provider/*` for every name that begins
# with `provider/`, or `*`.
covers(entry) if entry == input.resource.id

covers(entry) if entry == "*"

covers(entry) if {
	endswith(entry, "/*")
	startswith(input.resource.id, trim_suffix(entry, "*"))
}
