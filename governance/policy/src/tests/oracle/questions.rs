//! Random questions and data, from words that often meet.

use serde_json::{Map, Value, json};

const ROLES: [&str; 6] = [
    "member",
    "admin",
    "viewer",
    "suspended",
    "contractor",
    "gone",
];
const LEVELS: [&str; 4] = ["org", "team", "own", "Org"];
const TEAMS: [&str; 3] = ["research", "sales", "*"];
const NAMES: [&str; 3] = ["ada", "build", "laptop"];
const MODELS: [&str; 6] = [
    "assistant",
    "small",
    "openai/gpt-5",
    "openai/",
    "openai",
    "",
];
const TOOLS: [&str; 7] = ["shell", "web_search", "web_", "web", "clock", "", "naïve *"];
const KINDS: [&str; 5] = [
    "function",
    "function",
    "custom",
    "web_search_20250305",
    "clock",
];
const LABELS: [&str; 6] = [
    "public",
    "internal",
    "confidential",
    "restricted",
    "secret",
    "Public",
];
const ACTIONS: [&str; 5] = ["infer", "embed", "count_tokens", "tool.call", "*"];
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const MINUTES: [u64; 8] = [0, 1, 59, 480, 600, 1079, 1080, 1439];
const WORDS: [&str; 8] = [
    "ls",
    "rm -rf /",
    "/srv/a.txt",
    "/etc/passwd",
    "",
    "ls -l",
    "ÄÖ",
    "a.txt",
];
const KEYS: [&str; 5] = ["cmd", "path", "n", "options", "a.b"];

/// The same ones for the same seed: a `SplitMix64` generator.
pub(super) struct Questions(u64);

impl Questions {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn some(&mut self, from: &[&str], most: usize) -> Value {
        let length = self.below(most + 1);
        (0..length)
            .map(|_| self.of(from))
            .collect::<Vec<_>>()
            .into()
    }

    /// One of them or null.
    fn maybe(&mut self, from: &[&str]) -> Value {
        match self.once_in(2) {
            true => Value::Null,
            false => self.of(from).into(),
        }
    }

    /// A question; now and then something in it is garbled or missing.
    pub(super) fn question(&mut self) -> Value {
        let mut question = json!({
            "subject": self.subject(),
            "action": {"name": self.of(&["infer", "infer", "embed", "count_tokens"])},
            "resource": self.model(),
            "context": {
                "dialect": "openai",
                "stream": true,
                "tools": [],
                "offered": self.offered(),
                "weekday": self.of(&DAYS),
                "minute_of_day": self.of(&MINUTES),
                "source": null,
                "classification": null,
            },
        });
        if self.once_in(6) {
            question["context"]["classification"] = self.maybe(&LABELS);
        }
        if self.once_in(2) {
            question["action"]["name"] = "tool.call".into();
            question["resource"] = self.tool();
        }
        if self.once_in(2) {
            question["subject"]["properties"]["grants"] = json!([]);
        }
        if self.once_in(8) {
            let nonsense = self.nonsense();
            self.garble(&mut question, &nonsense);
        }
        question
    }

    fn subject(&mut self) -> Value {
        let lists = [
            json!(["*"]),
            json!(["assistant"]),
            json!(["openai/*", "small"]),
            json!([]),
        ];
        let grants = self.below(4);
        let grants: Vec<Value> = (0..grants)
            .map(|_| json!({"role": self.of(&ROLES), "level": self.of(&LEVELS)}))
            .collect();
        let mut list = || match self.once_in(6) {
            true => lists[self.below(lists.len())].clone(),
            false => Value::Null,
        };
        let (models, team_models) = (list(), list());
        let classification = match self.once_in(6) {
            true => self.maybe(&LABELS),
            false => Value::Null,
        };
        json!({
            "type": "key",
            "id": "01900000-0000-7000-8000-000000000001",
            "properties": {
                "org": null,
                "team": self.maybe(&TEAMS),
                "user": self.maybe(&NAMES),
                "agent": self.maybe(&NAMES),
                "key": self.maybe(&NAMES),
                "roles": [],
                "grants": grants,
                "auth": "key",
                "classification": classification,
                "models": models,
                "team_models": team_models,
            },
        })
    }

    fn model(&mut self) -> Value {
        let name = self.of(&MODELS);
        json!({"type": "model", "id": name, "properties": {
            "name": name, "provider": "openai", "model": "gpt-5",
            "classification": self.maybe(&LABELS), "local": self.once_in(4),
        }})
    }

    fn tool(&mut self) -> Value {
        let name = self.of(&TOOLS);
        let arguments = match self.below(8) {
            0 => self.of(&WORDS).into(),
            1 => self.value(2),
            _ => self.object(2),
        };
        json!({"type": "tool", "id": name, "properties": {
            "name": name, "type": self.of(&KINDS), "hosted": self.once_in(4),
            "arguments": arguments, "provider": "openai", "model": "gpt-5",
            "asked": self.of(&MODELS), "classification": null, "local": false,
        }})
    }

    fn offered(&mut self) -> Value {
        let length = self.below(6);
        let tools = (0..length).map(|_| {
            json!({"name": self.of(&TOOLS), "type": self.of(&KINDS), "hosted": self.once_in(3)})
        });
        tools.collect::<Vec<_>>().into()
    }

    fn object(&mut self, deep: usize) -> Value {
        let length = self.below(4);
        let members = (0..length).map(|_| (self.of(&KEYS).to_owned(), self.value(deep)));
        members.collect::<Map<_, _>>().into()
    }

    /// JSON as it stands in arguments.
    fn value(&mut self, deep: usize) -> Value {
        match self.below(if deep == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => self.once_in(2).into(),
            2 => self.of(&[0.0, 0.5, -3.0, 7.0]).into(),
            3 => self.of(&WORDS).into(),
            4 => {
                let length = self.below(3);
                (0..length)
                    .map(|_| self.value(deep - 1))
                    .collect::<Vec<_>>()
                    .into()
            }
            _ => self.object(deep - 1),
        }
    }

    fn nonsense(&mut self) -> Value {
        match self.below(6) {
            0 => json!([]),
            1 => json!([null, 5, {"role": ["member"], "level": "own"}, "assistant"]),
            2 => json!({"*": "*"}),
            3 => json!(1.5),
            _ => self.value(1),
        }
    }

    /// Puts `nonsense` somewhere, or takes something away.
    fn garble(&mut self, value: &mut Value, nonsense: &Value) {
        let Value::Object(members) = value else {
            *value = nonsense.clone();
            return;
        };
        let names: Vec<String> = members.keys().cloned().collect();
        match names.is_empty() || self.once_in(8) {
            true => *value = nonsense.clone(),
            false => {
                let name = &names[self.below(names.len())];
                match self.once_in(5) {
                    true => drop(members.remove(name)),
                    false => self.garble(&mut members[name], nonsense),
                }
            }
        }
    }

    /// A `data` document that passes the tests in `data_test.rego`.
    pub(super) fn data(&mut self) -> Value {
        let names = ["admin", "member", "viewer", "suspended", "contractor"];
        let roles: Map<_, _> = names
            .map(|name| (name.to_owned(), self.role()))
            .into_iter()
            .collect();
        let stored: Map<_, _> = ["gone", "member"]
            .map(|name| (name.to_owned(), self.role()))
            .into_iter()
            .collect();
        let (windows, rules) = (self.below(2), self.below(4));
        json!({"lattice": {
            "roles": roles,
            "store": {"roles": stored},
            "default_roles": self.some(&names, 2),
            "classification": {
                "levels": LABELS[..4 + self.below(2)],
                "local_only": self.some(&LABELS[..4], 1),
                "unlabelled_provider": self.of(&LABELS[..4]),
            },
            "windows": (0..windows).map(|_| self.window()).collect::<Vec<_>>(),
            "tools": {
                "denied": self.of(&["remove", "remove", "refuse"]),
                "rules": (0..rules).map(|_| self.rule()).collect::<Vec<_>>(),
            },
        }})
    }

    fn role(&mut self) -> Value {
        let resources = [
            "*",
            "*",
            "model:*",
            "tool:*",
            "model:assistant",
            "model:openai/*",
            "tool:shell",
            "tool:web_*",
        ];
        let length = self.below(4);
        let permissions = (0..length).map(|_| {
            let mut permission = json!({
                "actions": self.some(&ACTIONS, 6),
                "resources": self.some(&resources, 6),
            });
            if self.once_in(6) {
                permission["effect"] = self.of(&["allow", "deny", "deny"]).into();
            }
            permission
        });
        json!({"permissions": permissions.collect::<Vec<_>>()})
    }

    /// Whom an entry is about.
    fn whom(&mut self, entry: &mut Value) {
        let subjects = ["user:ada", "agent:build", "key:laptop", "*", "user:build"];
        let lists: [(&str, &[&str]); 3] = [
            ("roles", &ROLES),
            ("teams", &TEAMS),
            ("subjects", &subjects),
        ];
        for (name, words) in lists {
            if self.once_in(3) {
                entry[name] = self.some(words, 3);
            }
        }
    }

    fn window(&mut self) -> Value {
        let mut window = json!({"from": self.of(&MINUTES), "until": self.of(&MINUTES)});
        self.whom(&mut window);
        let lists: [(&str, &[&str]); 3] = [
            ("weekdays", &DAYS),
            ("actions", &ACTIONS),
            ("models", &["*", "openai/*", "small"]),
        ];
        for (name, words) in lists {
            if self.once_in(3) {
                window[name] = self.some(words, 5);
            }
        }
        window
    }

    fn rule(&mut self) -> Value {
        let tools = [
            "shell",
            "web_*",
            "*",
            "clock",
            "web_search_20250305",
            "function",
        ];
        let mut rule = json!({"tools": [self.of(&tools)], "effect": self.of(&["allow", "deny"])});
        self.whom(&mut rule);
        if self.once_in(2) {
            let length = self.below(3);
            rule["arguments"] = (0..length)
                .map(|_| self.condition())
                .collect::<Vec<_>>()
                .into();
        }
        if rule["effect"] == "allow" && self.once_in(2) {
            rule["set"] = self.object(1);
        }
        rule
    }

    fn condition(&mut self) -> Value {
        let paths = [
            json!("cmd"),
            json!("options.cmd"),
            json!(["n", 0]),
            json!(""),
            json!(["a.b"]),
            json!("n"),
        ];
        let path = paths[self.below(paths.len())].clone();
        let op = self.of(&[
            "equals", "in", "prefix", "suffix", "matches", "present", "absent", "min", "max",
        ]);
        let value = match op {
            "equals" => self.value(1),
            "in" => (0..3).map(|_| self.value(0)).collect::<Vec<_>>().into(),
            "prefix" | "suffix" => self.of(&["/srv/", "ls", ".txt", ""]).into(),
            "matches" => self.of(&["^[a-z]+$", "rm|ls", "^$", "(?i)äö", "."]).into(),
            "min" | "max" => self.of(&[0.0, 0.5, 7.0]).into(),
            _ => return json!({"path": path, "op": op}),
        };
        json!({"path": path, "op": op, "value": value})
    }
}
