package lattice.authz_test

labelling := {
	"levels": ["public", "internal", "confidential", "restricted", "secret"],
	"local_only": ["restricted"],
	"unlabelled_provider": "internal",
}

# A question whose team's data, whose caller and whose provider say this.
labelled(team, caller, provider) := object.union(question, {
	"subject": {"properties": {"classification": team}},
	"resource": {"properties": {"classification": provider}},
	"context": {"classification": caller},
})

at_home(asked) := object.union(asked, {"resource": {"properties": {"local": true}}})

reaches(asked) := decided(asked, object.union(plain, {"classification": labelling})).allow

test_what_is_not_labelled_goes_anywhere if {
	every provider in [null, "public", "restricted", "unheard-of"] {
		reaches(labelled(null, null, provider))
	}
}

test_a_provider_has_to_be_cleared if {
	reaches(labelled("internal", null, "internal"))
	reaches(labelled("internal", null, "confidential"))
	reaches(labelled("confidential", null, "public")) == false
}

test_a_provider_without_a_label_is_cleared_as_the_data_say if {
	reaches(labelled("internal", null, null))
	reaches(labelled("confidential", null, null)) == false
}

test_a_provider_with_an_unknown_label_is_cleared_for_nothing if {
	every provider in ["Internal", "", 5, {}, []] {
		reaches(labelled("public", null, provider)) == false
	}
}

test_a_caller_can_raise_the_label if {
	reaches(labelled(null, "confidential", null)) == false
	reaches(labelled("public", "confidential", "internal")) == false
	reaches(labelled("public", "confidential", "confidential"))
}

test_a_caller_cannot_lower_the_label if {
	reaches(labelled("confidential", "public", "internal")) == false
	reaches(labelled("restricted", "public", "secret")) == false
}

test_a_confined_label_stays_here if {
	reaches(labelled("restricted", null, "restricted")) == false
	reaches(labelled("restricted", null, "secret")) == false
	reaches(at_home(labelled("restricted", null, null)))
}

test_above_a_confined_label_everything_stays_here if {
	reaches(labelled("secret", null, "secret")) == false
	reaches(labelled("restricted", "secret", "secret")) == false
	reaches(at_home(labelled("restricted", "secret", null)))
}

test_this_machine_is_cleared_for_everything if {
	every label in labelling.levels {
		reaches(at_home(labelled(label, null, "public")))
	}
}

test_local_is_only_what_is_true if {
	every nonsense in [null, false, "true", 1] {
		asked := object.union(labelled("restricted", null, null), {"resource": {"properties": {"local": nonsense}}})
		reaches(asked) == false
	}
}

test_an_unknown_label_is_refused_and_the_levels_are_named if {
	every label in ["Restricted", "", 5, {}, ["public"], true, false] {
		reaches(labelled(label, null, null)) == false
		reaches(labelled("public", label, null)) == false
		reaches(at_home(labelled(label, null, null))) == false
	}
	codes(labelled("Restricted", null, null)) == {"policy_denied"}
	says(labelled("Restricted", null, null), "public, internal, confidential, restricted")
}

test_a_refused_label_says_why if {
	codes(labelled("confidential", null, "internal")) == {"policy_model"}
	says(labelled("confidential", null, "internal"), "cleared for internal only")
	says(labelled("restricted", null, null), "stay on the machine")
	says(labelled("public", null, "Internal"), "does not know")
}

test_calls_of_tools_are_not_asked_again if {
	asked := object.union(call("search", {}), {"subject": {"properties": {"classification": "restricted"}}})
	reaches(asked)
}
