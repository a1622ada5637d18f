# Classification: what is labelled goes only to providers that are cleared for
# the label, and some labels never leave this machine.
package lattice.authz

# The team's label and the caller's own. The higher one counts, so that a caller
# can only raise it.
labels contains input.subject.properties.classification if {
	input.subject.properties.classification != null
}

labels contains input.context.classification if {
	input.context.classification != null
}

labels_unknown if {
	some label in labels
	not rank[label]
}

# Counted from 1, because a rule takes a rank of its own accord for true.
rank[level] := place + 1 if some place, level in data.lattice.classification.levels

needed := max({rank[label] | some label in labels})

cleared if {
	input.subject.properties.classification == null
	count(labels) == 0
}

else if {
	not labels_unknown
	input.resource.properties.local == true
	needed > 0
}

else if {
	not labels_unknown
	not confined
	rank[clearance] >= needed
}

# What is labelled above such a label stays here too: raising a label opens
# nothing.
confined if {
	some label in data.lattice.classification.local_only
	rank[label] <= needed
}

clearance := data.lattice.classification.unlabelled_provider if {
	input.resource.properties.classification == null
}

else := input.resource.properties.classification

reasons contains {
	"code": "policy_denied",
	"msg": sprintf("The classification of your data is none that this gateway knows; use one of %s.", [
		concat(", ", data.lattice.classification.levels),
	]),
} if {
	asks_for_model
	not cleared
	labels_unknown
}

reasons contains {
	"code": "policy_model",
	"msg": sprintf("Your data are %s, and %s; ask for a model that may have them.", [label, obstacle]),
} if {
	asks_for_model
	not cleared
	not labels_unknown
	some label in labels
	rank[label] == needed
}

obstacle := "those stay on the machine of this gateway" if confined

else := sprintf("the provider of this one is cleared for %s only", [clearance]) if rank[clearance]

else := "the provider of this one is cleared for a classification that this gateway does not know"
