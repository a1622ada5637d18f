# Tools: which ones a caller may be offered, and which calls may go out.
#
# A rule names tools, and may name whom it is about and what the arguments have to
# be. A rule that denies outweighs every rule that allows. Whom a rule that allows
# is about has no tools but those that such rules name.
package lattice.authz

# The rules that are about this subject.
tools_allowed := [rule | some rule in data.lattice.tools.rules; effect(rule) == "allow"; concerns(rule)]

tools_denied := [rule | some rule in data.lattice.tools.rules; effect(rule) == "deny"; concerns(rule)]

# A request: tools that may not be called whatever the arguments are.

default offered := []

offered := input.context.tools

# Each name costs time, and a decision may not have more obligations than 1024.
offer_understood if {
	is_array(offered)
	count(offered) <= 512
	every name in offered { is_string(name) }
}

tools_in_order if offered == []

else if {
	offer_understood
	closed_are_removed
}

else if {
	offer_understood
	count(closed) == 0
}

closed_are_removed if not data.lattice.tools.denied

else if data.lattice.tools.denied == "remove"

# Most roles speak of all tools alike: one vote for them all.
closed contains name if {
	offer_understood
	offered != []
	not roles_tell_tools_apart
	vote("tool.call", "tool:*") in {0, 2, 4, 6}
	some name in offered
}

closed contains name if {
	offer_understood
	roles_tell_tools_apart
	some name in offered
	vote("tool.call", concat(":", ["tool", name])) in {0, 2, 4, 6}
}

closed contains name if {
	count(closing) > 0
	offer_understood
	some name in offered
	fits_any(closing, name)
}

closed contains name if {
	count(tools_allowed) > 0
	offer_understood
	some name in offered
	not listed[name]
}

listed contains name if {
	offer_understood
	some name in offered
	fits_any(listing, name)
}

# What rules name that deny whatever the arguments are, and what those name that
# allow.
closing := {pattern |
	some rule in tools_denied
	count(object.get(rule, "arguments", [])) == 0
	some pattern in object.get(rule, "tools", ["*"])
}

listing := {pattern |
	some rule in tools_allowed
	some pattern in object.get(rule, "tools", ["*"])
}

roles_tell_tools_apart if {
	some role in roles_held
	some permission in permissions(role)
	some pattern in permission.resources
	startswith(pattern, "tool:")
	pattern != "tool:*"
}

obligations contains {"type": "drop_tool", "name": name} if {
	offered != []
	asks_for_model
	closed_are_removed
	some name in closed
}

reasons contains {
	"code": "policy_tool",
	"msg": sprintf("You may not use these tools: %s; ask again without them.", [concat(", ", closed)]),
} if {
	asks_for_model
	not tools_in_order
	offer_understood
}

reasons contains {
	"code": "policy_denied",
	"msg": "The tools on offer are not a list of at most 512 names; offer fewer tools, each by its name.",
} if {
	asks_for_model
	not tools_in_order
	not offer_understood
}

# A call in a reply.

about_tool(rule) if fits_any(object.get(rule, "tools", ["*"]), input.resource.id)

tool_open if {
	not call_denied
	call_listed
}

call_denied if {
	some rule in tools_denied
	about_tool(rule)
	not spared(rule)
}

call_listed if count(tools_allowed) == 0

else if count(rules_met) > 0

rules_met := [rule |
	some rule in tools_allowed
	about_tool(rule)
	every condition in object.get(rule, "arguments", []) { judge(condition) == true }
]

# A rule that denies lets a call pass only if a condition is plainly not met.
spared(rule) if {
	some condition in object.get(rule, "arguments", [])
	judge(condition) == false
}

# Whether the arguments meet a condition: true, false, or "unclear", which counts
# against the call.
judge(condition) := met(condition, arguments) if condition.path == ""

else := "unclear" if not arguments_named

else := met(condition, object.get(arguments, steps(condition.path), nothing))

arguments := input.resource.properties.arguments

arguments_named if is_object(arguments)

steps(path) := path if is_array(path)

else := split(path, ".")

# What no argument can be.
nothing := set()

met(condition, value) := value == nothing if condition.op == "absent"

else := value != nothing if condition.op == "present"

else := false if value == nothing

else := value == condition.value if condition.op == "equals"

else := value in condition.value if condition.op == "in"

else := startswith(value, condition.value) if {
	condition.op == "prefix"
	is_string(value)
}

else := endswith(value, condition.value) if {
	condition.op == "suffix"
	is_string(value)
}

else := regex.match(condition.value, value) if {
	condition.op == "matches"
	is_string(value)
}

else := value >= condition.value if {
	condition.op == "min"
	is_number(value)
}

else := value <= condition.value if {
	condition.op == "max"
	is_number(value)
}

else := "unclear"

# What rules that the call meets set in its arguments, later ones over earlier.
changes := [rule.set | some rule in rules_met]

arguments_settled if count(changes) == 0

else if arguments_named

obligations contains {
	"type": "set_arguments",
	"arguments": object.union_n(array.concat([arguments], changes)),
} if {
	asks_for_tool
	count(changes) > 0
	arguments_named
}

reasons contains {
	"code": "policy_tool",
	"msg": sprintf("You may not call %s with these arguments, or not at all; do without it or ask for other arguments.", [input.resource.id]),
} if {
	asks_for_tool
	not tool_open
}

reasons contains {
	"code": "policy_tool",
	"msg": sprintf("The policy sets arguments of %s, which takes a JSON object of them; call it with one.", [input.resource.id]),
} if {
	asks_for_tool
	not arguments_settled
}
