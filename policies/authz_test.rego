package lattice.authz_test

import data.lattice.authz

# What most tests change a little: a key without grants asks for a model.
question := {
	"subject": {
		"type": "key",
		"id": "01900000-0000-7000-8000-000000000001",
		"properties": {
			"org": null,
			"team": "research",
			"user": null,
			"agent": null,
			"key": "laptop",
			"roles": [],
			"grants": [],
			"auth": "key",
			"classification": null,
			"models": null,
			"team_models": null,
		},
	},
	"action": {"name": "infer"},
	"resource": {
		"type": "model",
		"id": "assistant",
		"properties": {
			"name": "assistant",
			"provider": "openai",
			"model": "gpt-5",
			"classification": null,
			"local": false,
		},
	},
	"context": {
		"tools": [],
		"offered": [],
		"weekday": "monday",
		"minute_of_day": 600,
		"classification": null,
	},
}

# The question with other facts about its subject, or of another model.
of_subject(properties) := object.union(question, {"subject": {"properties": properties}})

of_model(name) := object.union(question, {"resource": {"id": name, "properties": {"name": name}}})

# With the list `models` of a key and `team_models` of its team.
request(models, team_models, name) := object.union(
	of_model(name),
	{"subject": {"properties": {"models": models, "team_models": team_models}}},
)

# A call in a reply.
call(name, arguments) := {
	"subject": question.subject,
	"action": {"name": "tool.call"},
	"resource": {
		"type": "tool",
		"id": name,
		"properties": {
			"name": name,
			"type": "function",
			"hosted": false,
			"arguments": arguments,
			"provider": "openai",
			"model": "gpt-5",
			"asked": "assistant",
			"classification": null,
			"local": false,
		},
	},
	"context": question.context,
}

# Data of which these tests know everything, so that they hold whatever data the
# set is given.
plain := {
	"roles": {
		"admin": {"permissions": [{"actions": ["*"], "resources": ["*"]}]},
		"member": {"permissions": [
			{"actions": ["infer", "embed", "count_tokens"], "resources": ["model:*"]},
			{"actions": ["tool.call"], "resources": ["tool:*"]},
		]},
		"viewer": {"permissions": [{"actions": ["count_tokens"], "resources": ["model:*"]}]},
		"suspended": {"permissions": [{"actions": ["*"], "resources": ["*"], "effect": "deny"}]},
	},
	"default_roles": ["member"],
	"classification": {
		"levels": ["public", "internal", "confidential", "restricted"],
		"local_only": ["restricted"],
		"unlabelled_provider": "internal",
	},
	"windows": [],
	"tools": {"denied": "remove", "rules": []},
}

decided(asked, known) := decision if {
	decision := authz.decision with input as asked
		with data.lattice.roles as known.roles
		with data.lattice.default_roles as known.default_roles
		with data.lattice.classification as known.classification
		with data.lattice.windows as known.windows
		with data.lattice.tools as known.tools
}

passes(asked) if {
	decision := decided(asked, plain)
	decision.allow == true
	decision.deny == set()
}

fails(asked) if {
	decision := decided(asked, plain)
	decision.allow == false
	count(decision.deny) > 0
}

codes(asked) := {reason.code | some reason in decided(asked, plain).deny}

says(asked, part) if {
	some reason in decided(asked, plain).deny
	contains(reason.msg, part)
}

# For tests of the data that the set is given; README.md has some.
served(asked) if {
	decision := authz.decision with input as asked
	decision.allow == true
}

denied(asked) if {
	decision := authz.decision with input as asked
	decision.allow == false
}

test_no_limit_opens_every_model if passes(request(null, null, "assistant"))

test_no_limit_opens_models_named_by_provider if passes(request(null, null, "openai/gpt-5"))

test_a_listed_model_is_open if passes(request(["small", "assistant"], null, "assistant"))

test_an_unlisted_model_is_not if fails(request(["small"], null, "assistant"))

test_an_empty_list_opens_nothing if fails(request([], null, "assistant"))

test_a_team_limit_binds_a_key_without_one if {
	passes(request(null, ["assistant"], "assistant"))
	fails(request(null, ["small"], "assistant"))
}

test_an_empty_team_list_opens_nothing if fails(request(["assistant"], [], "assistant"))

test_both_lists_must_agree if {
	passes(request(["assistant", "small"], ["assistant"], "assistant"))
	fails(request(["small"], ["assistant"], "assistant"))
	fails(request(["assistant"], ["small"], "assistant"))
}

test_a_star_opens_every_model if {
	passes(request(["*"], null, "assistant"))
	passes(request(null, ["*"], "openai/gpt-5"))
}

test_a_provider_star_opens_the_names_under_it if {
	passes(request(["openai/*"], null, "openai/gpt-5"))
	fails(request(["openai/*"], null, "anthropic/claude"))
	fails(request(["openai/*"], null, "openai"))
	fails(request(["openai/*"], null, "openai-eu/gpt-5"))
	fails(request(["openai/*"], null, "assistant"))
}

test_a_star_elsewhere_is_only_a_character if {
	fails(request(["gpt-*"], null, "gpt-5"))
	fails(request(["open*/gpt-5"], null, "openai/gpt-5"))
}

test_names_are_compared_exactly if {
	fails(request(["Assistant"], null, "assistant"))
	fails(request(["assistan"], null, "assistant"))
	fails(request(["assistant "], null, "assistant"))
}

test_each_limit_gives_its_own_reason if {
	count(decided(request(["small"], ["small"], "assistant"), plain).deny) == 2
	count(decided(request(["small"], null, "assistant"), plain).deny) == 1
	count(decided(request(null, ["small"], "assistant"), plain).deny) == 1
	codes(request(["small"], ["small"], "assistant")) == {"policy_model"}
}

test_embeddings_and_counts_follow_the_same_lists if {
	every name in ["embed", "count_tokens"] {
		passes(object.union(request(["assistant"], null, "assistant"), {"action": {"name": name}}))
		fails(object.union(request(["small"], null, "assistant"), {"action": {"name": name}}))
	}
}

test_an_action_that_does_not_go_with_the_resource_is_refused if {
	fails(object.union(question, {"action": {"name": "tool.call"}}))
	fails(object.union(question, {"action": {"name": "admin.read"}}))
	fails(object.union(question, {"resource": {"type": "tool"}}))
	fails(object.union(call("search", {}), {"action": {"name": "infer"}}))
}

test_a_question_without_context_is_about_a_listing if passes(object.remove(question, ["context"]))

test_a_question_that_lacks_a_fact_is_refused if {
	every name in ["models", "team_models", "classification", "grants"] {
		properties := object.remove(question.subject.properties, [name])
		fails({
			"subject": {"type": "key", "id": "1", "properties": properties},
			"action": question.action,
			"resource": question.resource,
			"context": question.context,
		})
	}
}

test_nonsense_is_refused if {
	every nonsense in [null, true, 5, "infer", [], {}, {"subject": []}, {"action": {"name": {}}}] {
		fails(nonsense)
	}
	every part in ["subject", "action", "resource"] {
		every nonsense in [null, true, 5, "text", [1], {"properties": null}] {
			fails(object.union(object.remove(question, [part]), {part: nonsense}))
		}
	}
}

test_nonsense_in_a_list_opens_nothing if {
	every nonsense in [5, "assistant", {"a": "assistant"}, [null, 5, {}, ["assistant"]], false] {
		fails(request(nonsense, null, "assistant"))
	}
}

test_there_are_no_obligations_by_default if {
	decision := decided(object.union(question, {"context": {"tools": ["search", "mail"]}}), plain)
	decision.allow == true
	decision.obligations == set()
}
