# Tools: which ones a caller may be offered, and which calls may go out.
#
# A rule names tools, by name or by type, and may name whom it is about and what the
# arguments have to be. A rule that denies outweighs every rule that allows. Whom a rule that allows
# is about has no tools but those that such rules name.
package lattice.authz

# The rules that are about this subject.
tools_allowed := [rule | some rule in data.lattice.tools.rules; effect(rule) == "allow"; concerns(rule)]

tools_denied := [rule | some rule in data.lattice.tools.rules; effect(rule) == "deny"; concerns(rule)]

# A request: tools that may not be called whatever the arguments are.

default offered := []

offered := input.context.offered

# Each name costs time, and a decision may not have more obligations than 1024.
offer_understood if {
	is_array(offered)
	count(offered) <= 512
	every tool in offered {
		is_string(tool.name)
		is_string(tool.type)
		is_boolean(tool.hosted)
	}
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
	some tool in offered
	name := tool.name
}

closed contains name if {
	offer_understood
	roles_tell_tools_apart
	some tool in offered
	name := tool.name
	vote("tool.call", concat(":", ["tool", name])) in {0, 2, 4, 6}
}

closed contains name if {
	count(closing) > 0
	offer_understood
	some tool in offered
	means(closing, tool)
	name := tool.name
}

closed contains name if {
	count(tools_allowed) > 0
	offer_understood
	some tool in offered
	not listed[tool]
	name := tool.name
}

# What the provider runs is called before anybody here sees the arguments. Where a
# rule would look at them, or set them, such a tool is not offered.
closed contains name if some name in unseen

unseen contains name if {
	count(closing_some) > 0
	offer_understood
	some tool in offered
	tool.hosted
	means(closing_some, tool)
	name := tool.name
}

unseen contains name if {
	count(tools_allowed) > 0
	offer_understood
	some tool in offered
	tool.hosted
	listed[tool]
	not open_whatever[tool]
	name := tool.name
}

listed contains tool if {
	offer_understood
	some tool in offered
	means(listing, tool)
}

open_whatever contains tool if {
	offer_understood
	some tool in offered
	tool.hosted
	means(listing_all, tool)
}

# A rule knows a tool by its name, or by its type, which tells functions not apart.
means(patterns, tool) if fits_any(patterns, tool.name)

else if {
	tool.type != "function"
	tool.type != "custom"
	fits_any(patterns, tool.type)
}

# What rules name that deny whatever the arguments are, and those that deny some;
# what those name that allow, and those that do whatever the arguments are.
closing := {pattern |
	some rule in tools_denied
	not looks_at_arguments(rule)
	some pattern in object.get(rule, "tools", ["*"])
}

closing_some := {pattern |
	some rule in tools_denied
	looks_at_arguments(rule)
	some pattern in object.get(rule, "tools", ["*"])
}

listing := {pattern |
	some rule in tools_allowed
	some pattern in object.get(rule, "tools", ["*"])
}

listing_all := {pattern |
	some rule in tools_allowed
	not looks_at_arguments(rule)
	some pattern in object.get(rule, "tools", ["*"])
}

looks_at_arguments(rule) if count(object.get(rule, "arguments", [])) > 0

else if is_object(object.get(rule, "set", null))

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
	"msg": sprintf("You may not use these tools: %s; ask again without them.", [concat(", ", closed - unseen)]),
} if {
	asks_for_model
	not tools_in_order
	offer_understood
	count(closed - unseen) > 0
}

reasons contains {
	"code": "policy_tool",
	"msg": sprintf("The policy looks at the arguments of these tools, which their provider runs unseen: %s; ask again without them.", [concat(", ", unseen)]),
} if {
	asks_for_model
	not tools_in_order
	offer_understood
	count(unseen) > 0
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

about_tool(rule) if means(object.get(rule, "tools", ["*"]), called)

called := {"name": input.resource.id, "type": input.resource.properties.type}

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
