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

allows(asked) if {
	decision := authz.decision with input as asked
	decision.allow == true
	decision.deny == set()
}

refuses(asked) if {
	decision := authz.decision with input as asked
	decision.allow == false
	count(decision.deny) > 0
}

codes(asked) := {reason.code | some reason in authz.deny with input as asked}

says(asked, part) if {
	some reason in authz.deny with input as asked
	contains(reason.msg, part)
}

test_no_limit_opens_every_model if allows(request(null, null, "assistant"))

test_no_limit_opens_models_named_by_provider if allows(request(null, null, "openai/gpt-5"))

test_a_listed_model_is_open if allows(request(["small", "assistant"], null, "assistant"))

test_an_unlisted_model_is_not if refuses(request(["small"], null, "assistant"))

test_an_empty_list_opens_nothing if refuses(request([], null, "assistant"))

test_a_team_limit_binds_a_key_without_one if {
	allows(request(null, ["assistant"], "assistant"))
	refuses(request(null, ["small"], "assistant"))
}

test_an_empty_team_list_opens_nothing if refuses(request(["assistant"], [], "assistant"))

test_both_lists_must_agree if {
	allows(request(["assistant", "small"], ["assistant"], "assistant"))
	refuses(request(["small"], ["assistant"], "assistant"))
	refuses(request(["assistant"], ["small"], "assistant"))
}

test_a_star_opens_every_model if {
	allows(request(["*"], null, "assistant"))
	allows(request(null, ["*"], "openai/gpt-5"))
}

test_a_provider_star_opens_the_names_under_it if {
	allows(request(["openai/*"], null, "openai/gpt-5"))
	refuses(request(["openai/*"], null, "anthropic/claude"))
	refuses(request(["openai/*"], null, "openai"))
	refuses(request(["openai/*"], null, "openai-eu/gpt-5"))
	refuses(request(["openai/*"], null, "assistant"))
}

test_a_star_elsewhere_is_only_a_character if {
	refuses(request(["gpt-*"], null, "gpt-5"))
	refuses(request(["open*/gpt-5"], null, "openai/gpt-5"))
}

test_names_are_compared_exactly if {
	refuses(request(["Assistant"], null, "assistant"))
	refuses(request(["assistan"], null, "assistant"))
	refuses(request(["assistant "], null, "assistant"))
}

test_each_limit_gives_its_own_reason if {
	count(authz.deny) == 2 with input as request(["small"], ["small"], "assistant")
	count(authz.deny) == 1 with input as request(["small"], null, "assistant")
	count(authz.deny) == 1 with input as request(null, ["small"], "assistant")
	codes(request(["small"], ["small"], "assistant")) == {"policy_model"}
}

test_embeddings_and_counts_follow_the_same_lists if {
	every name in ["embed", "count_tokens"] {
		allows(object.union(request(["assistant"], null, "assistant"), {"action": {"name": name}}))
		refuses(object.union(request(["small"], null, "assistant"), {"action": {"name": name}}))
	}
}

test_an_action_that_does_not_go_with_the_resource_is_refused if {
	refuses(object.union(question, {"action": {"name": "tool.call"}}))
	refuses(object.union(question, {"action": {"name": "admin.read"}}))
	refuses(object.union(question, {"resource": {"type": "tool"}}))
	refuses(object.union(call("search", {}), {"action": {"name": "infer"}}))
}

test_a_question_without_context_is_about_a_listing if allows(object.remove(question, ["context"]))

test_a_question_that_lacks_a_fact_is_refused if {
	every name in ["models", "team_models", "classification", "grants"] {
		properties := object.remove(question.subject.properties, [name])
		refuses({
			"subject": {"type": "key", "id": "1", "properties": properties},
			"action": question.action,
			"resource": question.resource,
			"context": question.context,
		})
	}
}

test_nonsense_is_refused if {
	every nonsense in [null, true, 5, "infer", [], {}, {"subject": []}, {"action": {"name": {}}}] {
		refuses(nonsense)
	}
	every part in ["subject", "action", "resource"] {
		every nonsense in [null, true, 5, "text", [1], {"properties": null}] {
			refuses(object.union(object.remove(question, [part]), {part: nonsense}))
		}
	}
}

test_nonsense_in_a_list_opens_nothing if {
	every nonsense in [5, "assistant", {"a": "assistant"}, [null, 5, {}, ["assistant"]], false] {
		refuses(request(nonsense, null, "assistant"))
	}
}

test_there_are_no_obligations_by_default if {
	decision := authz.decision with input as object.union(question, {"context": {"tools": ["search", "mail"]}})
	decision.allow == true
	decision.obligations == set()
}
