package lattice.authz_test

roles := {
	"reader": {"permissions": [{"actions": ["count_tokens"], "resources": ["model:*"]}]},
	"user": {"permissions": [{"actions": ["infer"], "resources": ["model:*"]}]},
	"small": {"permissions": [{"actions": ["infer", "embed"], "resources": ["model:small", "model:openai/*"]}]},
	"never": {"permissions": [{"actions": ["infer"], "resources": ["model:assistant"], "effect": "deny"}]},
	"misspelt": {"permissions": [{"actions": ["*"], "resources": ["*"], "effect": "Deny"}]},
	"all": {"permissions": [{"actions": ["*"], "resources": ["*"]}]},
	"tools": {"permissions": [{"actions": ["tool.call"], "resources": ["tool:web_*", "tool:clock"]}]},
	"empty": {"permissions": []},
}

# The question of a subject with these grants, as [role, level].
grantee(grants) := of_subject({"grants": [{"role": role, "level": level} | some [role, level] in grants]})

roles_allow(asked) := decided(asked, object.union(plain, {"roles": roles, "default_roles": ["user"]})).allow

test_a_role_gives_what_its_permissions_name if {
	roles_allow(grantee([["user", "own"]]))
	is_refused(grantee([["reader", "own"]]))
	roles_allow(object.union(grantee([["reader", "own"]]), {"action": {"name": "count_tokens"}}))
}

is_refused(asked) if roles_allow(asked) == false

test_every_level_can_give if {
	every level in ["org", "team", "own"] {
		roles_allow(grantee([["user", level]]))
	}
}

test_an_unknown_level_gives_nothing if {
	every level in ["Org", "", null, 5, ["org"]] {
		is_refused(grantee([["user", level]]))
	}
}

test_denying_outweighs_allowing_at_the_same_level if {
	every level in ["org", "team", "own"] {
		is_refused(grantee([["all", level], ["never", level]]))
		is_refused(grantee([["never", level], ["user", level]]))
	}
}

test_a_higher_level_decides if {
	roles_allow(grantee([["user", "org"], ["never", "team"]]))
	roles_allow(grantee([["user", "org"], ["never", "own"]]))
	roles_allow(grantee([["user", "team"], ["never", "own"]]))
	is_refused(grantee([["never", "org"], ["user", "team"]]))
	is_refused(grantee([["never", "org"], ["user", "own"]]))
	is_refused(grantee([["never", "team"], ["user", "own"]]))
}

test_a_level_that_says_nothing_leaves_it_to_the_next if {
	roles_allow(grantee([["reader", "org"], ["empty", "team"], ["user", "own"]]))
	is_refused(grantee([["reader", "org"], ["never", "team"], ["user", "own"]]))
}

test_without_a_vote_nothing_is_allowed if {
	is_refused(grantee([["reader", "org"], ["empty", "own"]]))
	is_refused(grantee([["small", "org"]]))
}

test_a_word_that_is_neither_denies if is_refused(grantee([["all", "own"], ["misspelt", "own"]]))

test_resources_are_names_or_beginnings if {
	roles_allow(named("small", "small"))
	roles_allow(named("small", "openai/gpt-5"))
	is_refused(named("small", "smaller"))
	is_refused(named("small", "openai"))
	is_refused(named("small", "openai-eu/gpt-5"))
	is_refused(named("small", "tool:small"))
}

named(role, name) := object.union(grantee([[role, "own"]]), {"resource": {"id": name}})

test_tools_are_resources_of_their_own if {
	holder := {"subject": {"properties": {"grants": [{"role": "tools", "level": "own"}]}}}
	roles_allow(object.union(call("web_search", {}), holder))
	roles_allow(object.union(call("clock", {}), holder))
	is_refused(object.union(call("clocks", {}), holder))
	is_refused(object.union(call("shell", {}), holder))
	is_refused(object.union(question, holder))
}

test_who_has_no_grants_has_the_default_roles if {
	roles_allow(grantee([]))
	is_refused(object.union(grantee([]), {"action": {"name": "embed"}}))
	decided(grantee([]), object.union(plain, {"default_roles": []})).allow == false
}

test_a_grant_takes_the_place_of_the_default_roles if is_refused(grantee([["empty", "own"]]))

test_a_role_that_nobody_defines_is_named if {
	asked := grantee([["gone", "org"]])
	is_refused(asked)
	says(asked, "role gone")
	roles_allow(grantee([["gone", "org"], ["user", "own"]]))
}

test_roles_of_the_store_count_and_those_of_files_win if {
	stored := {
		"kept": {"permissions": [{"actions": ["infer"], "resources": ["model:*"]}]},
		"user": {"permissions": []},
		"reader": {"permissions": [{"actions": ["infer"], "resources": ["model:*"]}]},
	}
	roles_allow(grantee([["kept", "own"]])) with data.lattice.store.roles as stored
	roles_allow(grantee([["user", "own"]])) with data.lattice.store.roles as stored
	is_refused(grantee([["reader", "own"]])) with data.lattice.store.roles as stored
}

test_a_refusal_by_role_says_what_it_is_about if {
	codes(grantee([["suspended", "org"], ["admin", "own"]])) == {"policy_model"}
	says(grantee([["suspended", "org"], ["admin", "own"]]), "forbids infer of model:assistant")
	says(grantee([["viewer", "own"]]), "No role of yours gives infer of model:assistant")
	asked := object.union(call("shell", {}), {"subject": {"properties": {"grants": [{"role": "viewer", "level": "own"}]}}})
	codes(asked) == {"policy_tool"}
}

test_nonsense_in_grants_gives_nothing if {
	every nonsense in [null, 5, "user", {}, [null], [5], [["user", "own"]], [{"role": ["user"], "level": "own"}], [{"role": "user"}]] {
		is_refused(of_subject({"grants": nonsense}))
	}
}

