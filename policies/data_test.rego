# Tests of the data, run before a set serves: a word that is misspelt there would
# quietly bind nobody.
package lattice.data_test

roles := data.lattice.roles

default windows := []

windows := data.lattice.windows

default tools := {}

tools := data.lattice.tools

rules := object.get(tools, "rules", [])

levels := data.lattice.classification.levels

# Every member of an entry is one that the policies read.
members_known(entry, names) if {
	is_object(entry)
	every name, _ in entry { name in names }
}

texts(list) if {
	is_array(list)
	every text in list { is_string(text) }
}

texts_if_given(entry, name) if texts(object.get(entry, name, []))

test_members_of_the_data_are_known if {
	members_known(data.lattice.classification, {"levels", "local_only", "unlabelled_provider"})
	members_known(tools, {"denied", "rules"})
	every entry in windows {
		members_known(entry, {"roles", "teams", "subjects", "actions", "models", "weekdays", "from", "until"})
	}
	every entry in rules {
		members_known(entry, {"roles", "teams", "subjects", "tools", "effect", "arguments", "set"})
	}
}

test_lists_are_lists_of_texts if {
	texts(data.lattice.default_roles)
	every entry in array.concat(windows, rules) {
		every name in ["roles", "teams", "subjects", "actions", "models", "weekdays", "tools"] {
			texts_if_given(entry, name)
		}
	}
}

test_roles_have_permissions if {
	every _, role in roles {
		members_known(role, {"permissions"})
		is_array(role.permissions)
		every permission in role.permissions {
			members_known(permission, {"actions", "resources", "effect"})
			texts(permission.actions)
			texts(permission.resources)
			object.get(permission, "effect", "allow") in {"allow", "deny"}
		}
	}
}

test_permissions_name_actions_and_resources if {
	every _, role in roles {
		every permission in role.permissions {
			every action in permission.actions {
				action in {"*", "infer", "embed", "count_tokens", "tool.call"}
			}
			every pattern in permission.resources {
				regex.match(`^(\*|(model|tool):[^*]*\*?)$`, pattern)
			}
		}
	}
}

# The store may lose a role, and then nobody would have any.
test_default_roles_are_defined if {
	every name in data.lattice.default_roles { roles[name] }
}

test_labels_are_levels if {
	texts(levels)
	count({level | some level in levels}) == count(levels)
	texts(data.lattice.classification.local_only)
	every label in data.lattice.classification.local_only { label in levels }
	data.lattice.classification.unlabelled_provider in levels
}

test_windows_have_hours_and_days if {
	is_array(windows)
	every window in windows {
		minute_of_day(window.from)
		minute_of_day(window.until)
		every day in object.get(window, "weekdays", []) {
			day in {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
		}
	}
}

minute_of_day(minute) if {
	is_number(minute)
	floor(minute) == minute
	minute >= 0
	minute <= 1440
}

test_rules_of_tools_name_tools_and_an_effect if {
	object.get(tools, "denied", "remove") in {"remove", "refuse"}
	is_array(rules)
	every rule in rules {
		count(rule.tools) > 0
		rule.effect in {"allow", "deny"}
		is_object(object.get(rule, "set", {}))
	}
}

test_what_denies_sets_nothing if {
	every rule in rules {
		not denies_and_sets(rule)
	}
}

denies_and_sets(rule) if {
	rule.effect == "deny"
	object.get(rule, "set", null) != null
}

test_conditions_have_what_they_need if {
	every rule in rules {
		is_array(object.get(rule, "arguments", []))
		every condition in object.get(rule, "arguments", []) {
			members_known(condition, {"path", "op", "value"})
			a_path(condition.path)
			complete(condition)
		}
	}
}

a_path(path) if is_string(path)

else if is_array(path)

complete(condition) if condition.op in {"present", "absent"}

else if {
	condition.op == "equals"
	object.get(condition, "value", false) == object.get(condition, "value", true)
}

else if {
	condition.op == "in"
	is_array(condition.value)
}

else if {
	condition.op in {"prefix", "suffix"}
	is_string(condition.value)
}

else if {
	condition.op in {"min", "max"}
	is_number(condition.value)
}

# `\d`, `\s`, `\w` and `\b` mean Unicode in the gateway and ASCII in OPA: write out
# which characters are meant, as in `[0-9]`.
else if {
	condition.op == "matches"
	pattern := condition.value
	regex.is_valid(pattern)
	not regex.match(`\\[dDsSwWbB]`, pattern)
}
