package lattice.authz_test

offering(names) := of_tools([{"name": name, "type": "function", "hosted": false} | some name in names])

of_tools(tools) := object.union(question, {"context": {"offered": tools}})

# Tools as the dialects tell of them.
bash := {"name": "bash", "type": "bash_20250124", "hosted": false}

web_search := {"name": "web_search", "type": "web_search_20250305", "hosted": true}

# Tools that only their type tells.
hosted(name) := {"name": name, "type": name, "hosted": true}

# Decisions under these rules.
ruled(rules, asked) := decided(asked, object.union(plain, {"tools": {"rules": rules}}))

refusing(rules, asked) := decided(asked, object.union(plain, {"tools": {"denied": "refuse", "rules": rules}}))

dropped(rules, asked) := drops(ruled(rules, asked))

drops(decision) := {obligation.name |
	some obligation in decision.obligations
	obligation.type == "drop_tool"
}

# Whether a call of `shell` with these arguments goes out.
calls(rules, arguments) := ruled(rules, call("shell", arguments)).allow

holder(role) := {"subject": {"properties": {"grants": [{"role": role, "level": "own"}]}}}

allow_shell := {"tools": ["shell"], "effect": "allow"}

deny_shell := {"tools": ["shell"], "effect": "deny"}

test_without_rules_every_tool_is_open if {
	ruled([], offering(["shell", "search"])).allow
	dropped([], offering(["shell", "search"])) == set()
	calls([], {"cmd": "ls"})
}

test_a_denied_tool_is_removed_and_not_called if {
	ruled([deny_shell], offering(["shell", "search"])).allow
	dropped([deny_shell], offering(["shell", "search"])) == {"shell"}
	calls([deny_shell], {}) == false
	ruled([deny_shell], call("search", {})).allow
}

test_a_list_of_allowed_tools_closes_the_others if {
	rules := [allow_shell, {"tools": ["web_*"], "effect": "allow"}]
	dropped(rules, offering(["shell", "web_search", "search", "web"])) == {"search", "web"}
	calls(rules, {})
	ruled(rules, call("web_search", {})).allow
	ruled(rules, call("search", {})).allow == false
}

test_denying_outweighs_allowing if {
	every rules in [[allow_shell, deny_shell], [deny_shell, allow_shell]] {
		calls(rules, {}) == false
		dropped(rules, offering(["shell"])) == {"shell"}
	}
}

test_a_word_that_is_neither_is_a_denial if calls([{"tools": ["shell"], "effect": "permit"}], {}) == false

test_a_rule_without_a_word_allows if {
	calls([{"tools": ["shell"]}], {})
	calls([{"tools": ["search"]}], {}) == false
}

test_rules_are_about_whom_they_name if {
	every entry in [{"roles": ["contractor"]}, {"teams": ["sales"]}, {"subjects": ["agent:build"]}] {
		calls([object.union(deny_shell, entry)], {})
		calls([object.union({"tools": ["search"], "effect": "allow"}, entry)], {})
	}
	every entry in [{"roles": ["member"]}, {"teams": ["research"]}, {"subjects": ["key:laptop"]}, {"roles": ["*"], "teams": ["*"]}] {
		calls([object.union(deny_shell, entry)], {}) == false
		calls([object.union({"tools": ["search"], "effect": "allow"}, entry)], {}) == false
	}
}

test_refusing_names_the_tools if {
	decision := refusing([deny_shell], offering(["shell", "search"]))
	decision.allow == false
	decision.obligations == set()
	some reason in decision.deny
	reason.code == "policy_tool"
	message := reason.msg
	contains(message, "shell")
	not contains(message, "search")
	refusing([deny_shell], offering(["search"])).allow
}

test_a_manner_that_is_not_known_refuses if {
	known := object.union(plain, {"tools": {"denied": "drop", "rules": [deny_shell]}})
	decided(offering(["shell"]), known).allow == false
}

test_a_tool_that_only_some_arguments_close_stays_on_offer if {
	conditions := {"arguments": [{"path": "cmd", "op": "prefix", "value": "ls"}]}
	dropped([object.union(deny_shell, conditions)], offering(["shell"])) == set()
	dropped([object.union(allow_shell, conditions)], offering(["shell"])) == set()
}

test_roles_close_tools_too if {
	dropped_for("no_tools") == {"a", "b"}
	dropped_for("one_tool") == {"b"}
	dropped_for("all_but_one") == {"a"}
	dropped_for("everything") == set()
}

dropped_for(role) := drops(decided(
	object.union(offering(["a", "b"]), holder(role)),
	object.union(plain, {"roles": tool_roles}),
))

tool_roles := {
	"no_tools": {"permissions": [{"actions": ["infer"], "resources": ["model:*"]}]},
	"one_tool": {"permissions": [{"actions": ["*"], "resources": ["model:*", "tool:a"]}]},
	"all_but_one": {"permissions": [
		{"actions": ["*"], "resources": ["*"]},
		{"actions": ["tool.call"], "resources": ["tool:a"], "effect": "deny"},
	]},
	"everything": {"permissions": [{"actions": ["*"], "resources": ["*"]}]},
}

# Conditions: `yes` under an allow, which lets the call pass, and under a deny,
# which stops it.

meets(condition, arguments) if {
	calls([object.union(allow_shell, {"arguments": [condition]})], arguments) == true
	calls([object.union(deny_shell, {"arguments": [condition]})], arguments) == false
}

misses(condition, arguments) if {
	calls([object.union(allow_shell, {"arguments": [condition]})], arguments) == false
	calls([object.union(deny_shell, {"arguments": [condition]})], arguments) == true
}

# What cannot be judged counts against the call both times.
undecided(condition, arguments) if {
	calls([object.union(allow_shell, {"arguments": [condition]})], arguments) == false
	calls([object.union(deny_shell, {"arguments": [condition]})], arguments) == false
}

test_equals if {
	meets({"path": "n", "op": "equals", "value": 1}, {"n": 1})
	meets({"path": "n", "op": "equals", "value": ["rm", "-rf"]}, {"n": ["rm", "-rf"]})
	meets({"path": "n", "op": "equals", "value": null}, {"n": null})
	misses({"path": "n", "op": "equals", "value": 1}, {"n": "1"})
	misses({"path": "n", "op": "equals", "value": true}, {})
}

test_in if {
	meets({"path": "n", "op": "in", "value": ["a", "b"]}, {"n": "b"})
	misses({"path": "n", "op": "in", "value": ["a", "b"]}, {"n": "c"})
	misses({"path": "n", "op": "in", "value": ["a", "b"]}, {"n": ["a"]})
	misses({"path": "n", "op": "in", "value": [null]}, {})
}

test_prefix_and_suffix if {
	meets({"path": "f", "op": "prefix", "value": "/srv/"}, {"f": "/srv/a"})
	misses({"path": "f", "op": "prefix", "value": "/srv/"}, {"f": "/etc/a"})
	undecided({"path": "f", "op": "prefix", "value": "/srv/"}, {"f": ["/srv/a"]})
	undecided({"path": "f", "op": "prefix", "value": "/srv/"}, {"f": null})
	meets({"path": "f", "op": "suffix", "value": ".txt"}, {"f": "a.txt"})
	misses({"path": "f", "op": "suffix", "value": ".txt"}, {"f": "a.txt "})
	undecided({"path": "f", "op": "suffix", "value": ".txt"}, {"f": 5})
}

test_matches if {
	meets({"path": "q", "op": "matches", "value": "^[a-z]+$"}, {"q": "abc"})
	misses({"path": "q", "op": "matches", "value": "^[a-z]+$"}, {"q": "abc; rm"})
	meets({"path": "q", "op": "matches", "value": "rm"}, {"q": "abc; rm"})
	undecided({"path": "q", "op": "matches", "value": "rm"}, {"q": {"rm": 1}})
}

test_min_and_max if {
	meets({"path": "n", "op": "max", "value": 10}, {"n": 10})
	misses({"path": "n", "op": "max", "value": 10}, {"n": 11})
	undecided({"path": "n", "op": "max", "value": 10}, {"n": "9"})
	meets({"path": "n", "op": "min", "value": 0.5}, {"n": 0.5})
	misses({"path": "n", "op": "min", "value": 0.5}, {"n": -1})
	undecided({"path": "n", "op": "min", "value": 10}, {"n": [11]})
	misses({"path": "n", "op": "min", "value": 10}, {})
}

test_present_and_absent if {
	meets({"path": "n", "op": "present"}, {"n": null})
	misses({"path": "n", "op": "present"}, {})
	meets({"path": "n", "op": "absent"}, {})
	misses({"path": "n", "op": "absent"}, {"n": false})
}

test_an_unknown_test_is_unclear if undecided({"path": "n", "op": "looks_like", "value": 1}, {"n": 1})

test_paths_lead_into_objects_and_lists if {
	arguments := {"options": {"force": true, "a.b": 1}, "args": ["rm", {"deep": "yes"}]}
	meets({"path": "options.force", "op": "equals", "value": true}, arguments)
	meets({"path": ["options", "a.b"], "op": "equals", "value": 1}, arguments)
	meets({"path": ["args", 0], "op": "equals", "value": "rm"}, arguments)
	meets({"path": ["args", 1, "deep"], "op": "equals", "value": "yes"}, arguments)
	misses({"path": ["args", 5], "op": "present"}, arguments)
	misses({"path": "options.force.more", "op": "present"}, arguments)
	misses({"path": "a.b", "op": "present"}, arguments)
}

test_the_empty_path_is_the_whole if {
	meets({"path": "", "op": "prefix", "value": "SELECT "}, "SELECT 1")
	misses({"path": "", "op": "prefix", "value": "SELECT "}, "DROP TABLE a")
	undecided({"path": "", "op": "prefix", "value": "SELECT "}, {"q": "SELECT 1"})
	meets({"path": "", "op": "equals", "value": {}}, {})
}

test_what_has_no_names_cannot_be_judged_by_name if {
	every arguments in ["rm", null, 5, ["cmd"], true] {
		undecided({"path": "cmd", "op": "absent"}, arguments)
		undecided({"path": "cmd", "op": "equals", "value": "rm"}, arguments)
	}
}

test_all_conditions_of_a_rule_have_to_hold if {
	both := [{"path": "a", "op": "equals", "value": 1}, {"path": "b", "op": "equals", "value": 2}]
	calls([object.union(allow_shell, {"arguments": both})], {"a": 1, "b": 2})
	calls([object.union(allow_shell, {"arguments": both})], {"a": 1}) == false
	calls([object.union(deny_shell, {"arguments": both})], {"a": 1, "b": 2}) == false
	calls([object.union(deny_shell, {"arguments": both})], {"a": 1})
}

test_one_rule_that_allows_is_enough if {
	one := object.union(allow_shell, {"arguments": [{"path": "a", "op": "equals", "value": 1}]})
	other := object.union(allow_shell, {"arguments": [{"path": "a", "op": "equals", "value": 2}]})
	calls([one, other], {"a": 2})
	calls([one, other], {"a": 3}) == false
}

changed(rules, arguments) := {obligation.arguments |
	some obligation in ruled(rules, call("shell", arguments)).obligations
	obligation.type == "set_arguments"
}

test_a_rule_can_set_arguments if {
	setting := object.union(allow_shell, {"set": {"timeout": 5, "options": {"dry": true}}})
	changed([setting], {"cmd": "ls", "timeout": 900, "options": {"color": true}}) == {{"cmd": "ls", "timeout": 5, "options": {"color": true, "dry": true}}}
	changed([setting], {}) == {{"timeout": 5, "options": {"dry": true}}}
	later := object.union(allow_shell, {"set": {"timeout": 1}})
	changed([setting, later], {}) == {{"timeout": 1, "options": {"dry": true}}}
}

test_a_rule_that_is_not_met_sets_nothing if {
	setting := object.union(allow_shell, {"set": {"a": 1}, "arguments": [{"path": "cmd", "op": "present"}]})
	changed([allow_shell, setting], {}) == set()
	changed([allow_shell, setting], {"cmd": "ls"}) == {{"cmd": "ls", "a": 1}}
}

test_arguments_that_cannot_be_set_are_refused if {
	setting := object.union(allow_shell, {"set": {"a": 1}})
	decision := ruled([setting], call("shell", "ls"))
	decision.allow == false
	decision.obligations == set()
}

test_a_refused_call_names_its_tool if {
	some reason in ruled([deny_shell], call("shell", {})).deny
	reason.code == "policy_tool"
	contains(reason.msg, "shell")
}

test_nonsense_on_offer_is_refused if {
	nameless := object.remove(bash, ["name"])
	untyped := object.union(bash, {"type": null})
	unsaid := object.remove(bash, ["hosted"])
	every nonsense in [5, "shell", {"a": "b"}, [null], ["shell"], [bash, 5], [[bash]], [nameless], [untyped], [unsaid]] {
		ruled([], of_tools(nonsense)).allow == false
		ruled([deny_shell], of_tools(nonsense)).allow == false
	}
}

test_more_tools_than_can_be_judged_are_refused if {
	names := [format_int(number, 10) | some number in numbers.range(1, 513)]
	ruled([], offering(names)).allow == false
	ruled([], offering(array.slice(names, 0, 512))).allow
}

test_a_rule_knows_a_tool_by_its_name_and_by_its_type if {
	every pattern in ["bash", "bash_20250124", "bash_*"] {
		deny := [{"tools": [pattern], "effect": "deny"}]
		dropped(deny, of_tools([bash, web_search])) == {"bash"}
		ruled(deny, typed_call(bash, {})).allow == false
		ruled(deny, typed_call(web_search, {})).allow
		allow := [{"tools": [pattern], "effect": "allow"}]
		dropped(allow, of_tools([bash, web_search])) == {"web_search"}
		ruled(allow, typed_call(bash, {})).allow
		ruled(allow, typed_call(web_search, {})).allow == false
	}
}

typed_call(tool, arguments) := object.union(
	call(tool.name, arguments),
	{"resource": {"properties": {"type": tool.type, "hosted": tool.hosted}}},
)

# All functions are of one type: to open them all takes a star, or their names.
test_a_type_does_not_tell_functions_apart if {
	every kind in ["function", "custom"] {
		tool := {"name": "shell", "type": kind, "hosted": false}
		rules := [{"tools": [kind], "effect": "allow"}]
		dropped(rules, of_tools([tool])) == {"shell"}
		ruled(rules, typed_call(tool, {})).allow == false
		dropped([{"tools": [kind], "effect": "deny"}], of_tools([tool])) == set()
	}
}

only_ls := [{"path": "cmd", "op": "prefix", "value": "ls"}]

test_what_the_provider_runs_is_closed_where_a_rule_looks_at_arguments if {
	every name in ["web_search", "file_search", "code_interpreter", "mcp", "image_generation", "googleSearch", "codeExecution", "urlContext"] {
		every effect in ["allow", "deny"] {
			rules := [{"tools": [name], "effect": effect, "arguments": only_ls}]
			dropped(rules, of_tools([hosted(name)])) == {name}
			dropped(rules, offering([name])) == set()
		}
		setting := [{"tools": [name], "effect": "allow", "set": {"a": 1}}]
		dropped(setting, of_tools([hosted(name)])) == {name}
		dropped(setting, offering([name])) == set()
	}
}

test_what_the_caller_runs_stays_on_offer_for_its_calls_to_be_judged if {
	rules := [{"tools": ["bash_20250124"], "effect": "allow", "arguments": only_ls}]
	dropped(rules, of_tools([bash])) == set()
	ruled(rules, typed_call(bash, {"cmd": "ls -l"})).allow
	ruled(rules, typed_call(bash, {"cmd": "rm"})).allow == false
}

test_what_the_provider_runs_is_open_where_a_rule_asks_for_nothing if {
	dropped([{"tools": ["web_*"], "effect": "allow"}], of_tools([web_search])) == set()
	both := [{"tools": ["web_*"], "effect": "allow"}, {"tools": ["web_search"], "effect": "allow", "arguments": only_ls}]
	dropped(both, of_tools([web_search])) == set()
	elsewhere := [{"tools": ["shell"], "effect": "deny", "arguments": only_ls}]
	dropped(elsewhere, of_tools([web_search])) == set()
}

test_refusing_says_that_the_provider_runs_it_unseen if {
	rules := [deny_shell, {"tools": ["web_search"], "effect": "deny", "arguments": only_ls}]
	shell := {"name": "shell", "type": "function", "hosted": false}
	decision := refusing(rules, of_tools([shell, web_search]))
	count(decision.deny) == 2
	tells(decision, "unseen: web_search;")
	tells(decision, "these tools: shell;")
}

tells(decision, words) if {
	some reason in decision.deny
	contains(reason.msg, words)
}

test_a_call_of_no_type_is_not_judged if {
	asked := call("shell", {})
	ruled([], object.union(asked, {"resource": {"properties": {"type": null}}})).allow == false
}
