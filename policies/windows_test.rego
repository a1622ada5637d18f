package lattice.authz_test

import data.lattice.authz

office := {"roles": ["member"], "weekdays": ["monday", "friday"], "from": 480, "until": 1080}

night := {"weekdays": ["friday"], "from": 1320, "until": 360}

at(weekday, minute) := object.union(question, {"context": {"weekday": weekday, "minute_of_day": minute}})

open(windows, asked) := decided(asked, object.union(plain, {"windows": windows})).allow

message(windows, asked) := reason.msg if {
	some reason in decided(asked, object.union(plain, {"windows": windows})).deny
}

test_without_windows_it_is_never_too_late if {
	open([], at("sunday", 0))
	open([], object.remove(question, ["context"]))
}

test_a_window_opens_and_closes if {
	open([office], at("monday", 479)) == false
	open([office], at("monday", 480))
	open([office], at("monday", 1079))
	open([office], at("monday", 1080)) == false
	open([office], at("tuesday", 600)) == false
}

test_a_window_over_midnight_belongs_to_the_day_it_begins_on if {
	open([night], at("friday", 1319)) == false
	open([night], at("friday", 1320))
	open([night], at("saturday", 0))
	open([night], at("saturday", 359))
	open([night], at("saturday", 360)) == false
	open([night], at("friday", 0)) == false
	open([night], at("saturday", 1320)) == false
	open([object.union(night, {"weekdays": ["sunday"]})], at("monday", 10))
}

test_a_window_without_days_opens_daily if {
	daily := {"from": 60, "until": 120}
	every day in authz.weekdays {
		open([daily], at(day, 60))
		open([daily], at(day, 120)) == false
	}
}

test_a_window_that_ends_when_it_begins_lasts_a_day if {
	long := {"weekdays": ["monday"], "from": 600, "until": 600}
	open([long], at("monday", 599)) == false
	open([long], at("monday", 600))
	open([long], at("tuesday", 599))
	open([long], at("tuesday", 600)) == false
}

test_one_open_window_is_enough if {
	open([office, night], at("friday", 1400))
	open([office, night], at("monday", 600))
	open([office, night], at("sunday", 600)) == false
}

binds(entry, asked) if open([object.union({"from": 0, "until": 1}, entry)], asked) == false

frees(entry, asked) if open([object.union({"from": 0, "until": 1}, entry)], asked)

test_windows_bind_whom_they_name if {
	binds({}, question)
	binds({"roles": ["*"]}, question)
	binds({"roles": ["contractor", "member"]}, question)
	frees({"roles": ["contractor"]}, question)
	frees({"roles": []}, question)
	binds({"teams": ["research"]}, question)
	frees({"teams": ["sales"]}, question)
	binds({"subjects": ["key:laptop"]}, question)
	frees({"subjects": ["user:laptop"]}, question)
	binds({"subjects": ["user:ada"]}, of_subject({"user": "ada"}))
	frees({"roles": ["member"], "teams": ["sales"]}, question)
	binds({"roles": ["admin"]}, of_subject({"grants": [{"role": "admin", "level": "own"}]}))
	frees({"roles": ["member"]}, of_subject({"grants": [{"role": "admin", "level": "own"}]}))
}

test_windows_bind_what_they_name if {
	binds({"actions": ["infer"]}, question)
	frees({"actions": ["embed", "tool.call"]}, question)
	binds({"models": ["assist*"]}, question)
	frees({"models": ["small"]}, question)
	binds({"actions": ["tool.call"], "models": ["assistant"]}, call("search", {}))
	frees({"actions": ["infer"]}, call("search", {}))
	frees({"models": ["search"]}, call("search", {}))
}

test_a_refusal_says_when_to_come_back if {
	contains(message([office], at("monday", 100)), "monday at 08:00 UTC")
	contains(message([office], at("monday", 1080)), "friday at 08:00 UTC")
	contains(message([office], at("saturday", 5)), "monday at 08:00 UTC")
	contains(message([office, night], at("friday", 1090)), "friday at 22:00 UTC")
	contains(message([{"weekdays": ["monday"], "from": 61, "until": 90}], at("monday", 95)), "monday at 01:01 UTC")
}

test_an_unknown_time_is_outside if {
	every nonsense in [null, "600", [], {}] {
		open([office], at("monday", nonsense)) == false
	}
	every nonsense in [null, "Monday", 0, [], {}] {
		open([office], at(nonsense, 600)) == false
	}
	open([office], object.remove(question, ["context"])) == false
}
