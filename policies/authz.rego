# The policy set that ships with Lattice. This file is what the gateway asks and
# what keys and teams are limited to; the files beside it hold roles,
# classification, hours and tools. README.md says how to change them.
package lattice.authz

# What the gateway asks for. All three parts are always there.
decision := {
	"allow": allow,
	"deny": deny,
	"obligations": obligations,
}

# Everything has to be shown: what an odd input leaves undefined does not allow.
default allow := false

allow if {
	asks_for_model
	granted
	open_to_key
	open_to_team
	cleared
	within_hours
	tools_in_order
}

# The model, the lists and the classification were decided with the request that
# the call answers.
allow if {
	asks_for_tool
	granted
	within_hours
	tool_open
	arguments_settled
}

asks_for_model if {
	input.resource.type == "model"
	is_string(input.resource.id)
	input.action.name in {"infer", "embed", "count_tokens"}
}

asks_for_tool if {
	input.resource.type == "tool"
	is_string(input.resource.id)
	is_string(input.resource.properties.asked)
	is_string(input.resource.properties.type)
	input.action.name == "tool.call"
}

known_question if asks_for_model

else if asks_for_tool

# Reasons are looked for only where there has to be one. A file of your own may
# add to `deny` as well: one reason refuses.
deny contains reason if {
	not allow
	some reason in reasons
}

deny contains {
	"code": "policy_denied",
	"msg": "The question lacks a fact that this policy decides by; ask with every field that policies/README.md lists.",
} if {
	not allow
	count(reasons) == 0
}

reasons contains {
	"code": "policy_denied",
	"msg": "This policy decides on infer, embed and count_tokens of a model and on tool.call of a tool; ask about one of those.",
} if not known_question

reasons contains {
	"code": "policy_model",
	"msg": "This key is limited to other models; ask for one of those that GET /v1/models lists.",
} if {
	asks_for_model
	not open_to_key
}

reasons contains {
	"code": "policy_model",
	"msg": "The team of this key is limited to other models; ask for one of those that GET /v1/models lists.",
} if {
	asks_for_model
	not open_to_team
}

open_to_key if opens(input.subject.properties.models)

open_to_team if opens(input.subject.properties.team_models)

# null is no limit; an empty list is a limit that nothing meets.
opens(models) if models == null

else if {
	is_array(models) # regorus makes an error of iterating over null
	some entry in models
	lists(entry)
}

# An entry of a list is a model's name, `provider/*` for every name that begins
# with `provider/`, or `*`.
lists(entry) if entry == input.resource.id

else if entry == "*"

else if {
	is_string(entry)
	endswith(entry, "/*")
	startswith(input.resource.id, trim_suffix(entry, "*"))
}
