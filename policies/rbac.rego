# Roles: who may do what. A role has permissions; a grant gives a role at a
# level. Within a level one permission that denies outweighs all that allow, and
# the highest level that has anything to say decides.
package lattice.authz

granted if standing in {1, 3, 5}

standing := vote(input.action.name, resource)

# As permissions name it: `model:NAME` or `tool:NAME`.
resource := concat(":", [input.resource.type, input.resource.id])

reasons contains {
	"code": concat("_", ["policy", input.resource.type]),
	"msg": sprintf("A role of yours forbids %s of %s; whoever administers the gateway can change that.", [input.action.name, resource]),
} if {
	known_question
	standing in {2, 4, 6}
}

reasons contains {
	"code": concat("_", ["policy", input.resource.type]),
	"msg": sprintf("No role of yours gives %s of %s; whoever administers the gateway can grant one that does.", [input.action.name, resource]),
} if {
	known_question
	standing == 0
}

reasons contains {
	"code": "policy_denied",
	"msg": sprintf("You hold the role %s, which is defined nowhere and so gives nothing; whoever administers the gateway can define it or grant another.", [role]),
} if {
	known_question
	standing == 0
	some role in roles_held
	not data.lattice.roles[role]
	not data.lattice.store.roles[role]
}

# The strongest of the permissions that match: 0 where none does, odd where it
# allows.
vote(action, on) := max({0} | {strength[grant.level][effect(permission)] |
	some grant in grants
	some permission in permissions(grant.role)
	some word in [action, "*"]
	word in permission.actions
	some pattern in permission.resources
	fits(pattern, on)
})

strength := {
	"org": {"deny": 6, "allow": 5},
	"team": {"deny": 4, "allow": 3},
	"own": {"deny": 2, "allow": 1},
}

# The files' roles win over the store's.
permissions(role) := list if list := data.lattice.roles[role].permissions

else := list if list := data.lattice.store.roles[role].permissions

# A word that is neither allow nor deny denies.
effect(entry) := "allow" if object.get(entry, "effect", "allow") == "allow"

else := "deny"

grants := [{"role": role, "level": "own"} | some role in data.lattice.default_roles] if {
	input.subject.properties.grants == []
}

else := input.subject.properties.grants if is_array(input.subject.properties.grants)

else := []

roles_held := {grant.role | some grant in grants; is_string(grant.role)}

# Whether an entry of `data` (a window, a rule of tools) is about the subject. A
# list that is not there asks for nothing.
concerns(entry) if {
	names_any(object.get(entry, "roles", ["*"]), roles_held)
	names_any(object.get(entry, "teams", ["*"]), {input.subject.properties.team})
	names_any(object.get(entry, "subjects", ["*"]), subject_names)
}

names_any(list, _) if "*" in list

names_any(list, names) if {
	some name in names
	name in list
}

# `user:NAME`, `agent:NAME`, `key:NAME`
subject_names := {concat(":", [kind, name]) |
	some kind in ["user", "agent", "key"]
	name := input.subject.properties[kind]
	is_string(name)
}

# In `data`, a pattern is a text, or the beginning of one with a star behind it.
fits(pattern, text) if pattern == text

else if {
	endswith(pattern, "*")
	startswith(text, trim_suffix(pattern, "*"))
}

fits_any(patterns, text) if {
	some pattern in patterns
	fits(pattern, text)
}
