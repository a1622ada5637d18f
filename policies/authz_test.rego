package lattice.authz_test

import data.lattice.authz

# A request of a key with the list `models`, in a team with the list
# `team_models`, for the model `name`.
request(models, team_models, name) := {
	"subject": {
		"type": "key",
		"id": "01900000-0000-7000-8000-000000000001",
		"properties": {
			"org": null,
			"team": "research",
			"roles": [],
			"key": "laptop",
			"auth": "key",
			"models": models,
			"team_models": team_models,
		},
	},
	"action": {"name": "infer"},
	"resource": {
		"type": "model",
		"id": name,
		"properties": {"name": name, "provider": "openai", "model": name, "classification": null},
	},
	"context": {},
}

allows(asked) if {
	decision := authz.decision with input as asked
	decision.allow == true
	count(decision.deny) == 0
}

refuses(asked) if {
	decision := authz.decision with input as asked
	decision.allow == false
}

codes(asked) := {reason.code | some reason in authz.deny with input as asked}

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

test_another_action_is_refused if {
	asked := object.union(request(null, null, "assistant"), {"action": {"name": "tool.call"}})
	refuses(asked)
}

test_another_resource_is_refused if {
	asked := object.union(request(null, null, "assistant"), {"resource": {"type": "tool"}})
	refuses(asked)
}

test_a_request_without_lists_is_refused if {
	asked := {
		"subject": {"properties": {}},
		"action": {"name": "infer"},
		"resource": {"type": "model", "id": "assistant"},
	}
	refuses(asked)
}

test_an_empty_input_is_refused if refuses({})

test_there_are_no_obligations if {
	decision := authz.decision with input as request(null, null, "assistant")
	decision.obligations == set()
}
