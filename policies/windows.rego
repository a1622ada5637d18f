# Hours: whom a window binds is served inside such windows only. Times are UTC.
package lattice.authz

within_hours if count(windows) == 0

else if {
	some window in windows
	open_now(window)
}

# Those that bind this subject in this question.
windows := [window |
	some window in data.lattice.windows
	fits_any(object.get(window, "actions", ["*"]), input.action.name)
	fits_any(object.get(window, "models", ["*"]), model_asked)
	concerns(window)
]

model_asked := input.resource.id if input.resource.type == "model"

else := input.resource.properties.asked

open_now(window) if {
	window.from < window.until
	minute >= window.from
	minute < window.until
	opens_on(window, day)
}

# Over midnight; a window that ends when it begins lasts a day.
open_now(window) if {
	window.from >= window.until
	minute >= window.from
	opens_on(window, day)
}

open_now(window) if {
	window.from >= window.until
	minute < window.until
	opens_on(window, (day + 6) % 7)
}

opens_on(window, place) if weekdays[place] in object.get(window, "weekdays", weekdays)

weekdays := ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

day := place if {
	some place, name in weekdays
	name == input.context.weekday
}

minute := input.context.minute_of_day if is_number(input.context.minute_of_day)

reasons contains {
	"code": "policy_denied",
	"msg": sprintf("You are not served at this hour; try again %s at %02d:%02d UTC.", [
		weekdays[floor(opening / 1440)],
		floor((opening % 1440) / 60),
		opening % 60,
	]),
} if {
	known_question
	not within_hours
}

# In minutes of a week that begins on Monday, as is all below.
opening := (now + min(waits)) % 10080

now := (day * 1440) + floor(minute)

waits contains (((place * 1440) + window.from + 10080) - now) % 10080 if {
	some window in windows
	some place, _ in weekdays
	opens_on(window, place)
}
