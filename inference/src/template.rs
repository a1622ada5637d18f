//! A model's chat template, and how what a caller wrote is kept apart from it.
//!
//! The template is rendered twice: with the plain texts, and with the same texts
//! between marks that occur nowhere else. Where the second without its marks is the
//! first, the marks say which of the text came from whom; only then is it used.

use hf_chat_template::{ChatTemplate, Error};
use lattice_dialects::canonical::Unsupported;
use serde_json::{Value, json};

use crate::error::EngineError;
use crate::prompt::{Prompt, Segment};

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    jinja: ChatTemplate,
    begin: String,
    end: String,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What a caller wrote.
    pub text: String,
}

/// The marks around a caller's text. Unicode keeps these code points out of all text,
/// and no template trims them.
#[derive(Clone, Copy)]
struct Marks {
    open: char,
    close: char,
}

impl Template {
    /// Compiles the Jinja `source`; `begin` and `end` are the texts of the model's
    /// tokens of these names.
    ///
    /// # Errors
    /// It is not Jinja, or uses what the engine does not know.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Self, EngineError> {
        let jinja = ChatTemplate::from_str(source)
            .map_err(|error| EngineError(format!("the model's chat template: {error}")))?;
        Ok(Self {
            jinja,
            begin: begin.to_owned(),
            end: end.to_owned(),
        })
    }

    /// The prompt that asks for an answer to `messages`.
    ///
    /// # Errors
    /// The template does not take such a conversation, or rewrites its texts so that
    /// they cannot be told from its own.
    pub fn render(&self, messages: &[Message]) -> Result<Prompt, Unsupported> {
        let marks = Marks::absent_from(messages)?;
        let plain = self.text(messages)?;
        // Templates of models that think leave out the thoughts of earlier turns, and
        // look for their end in the text.
        let candidates = [
            messages.to_vec(),
            without_thoughts(messages, |after| after),
            without_thoughts(messages, |after| after.trim_start_matches('\n')),
        ];
        for messages in candidates {
            let marked: Vec<Message> = messages.iter().map(|message| marks.mark(message)).collect();
            let Ok(marked) = self.text(&marked) else {
                continue;
            };
            if let Some(prompt) = marks.split(&marked)
                && prompt.text() == plain
            {
                return Ok(prompt);
            }
        }
        let why = "the model's chat template rewrites a message so that it cannot be told from \
                   the template's own control tokens; leave such markup out of the text";
        Err(Unsupported::new("messages", why))
    }

    fn text(&self, messages: &[Message]) -> Result<String, Unsupported> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| json!({ "role": message.role, "content": message.text }))
            .collect();
        let context = json!({
            "messages": messages,
            "add_generation_prompt": true,
            "bos_token": self.begin,
            "eos_token": self.end,
        });
        self.jinja.render_context(&context).map_err(|error| {
            let why = match error {
                Error::TemplateRaised { message } => {
                    format!("the model's chat template refuses it: {message}")
                }
                other => format!("the model's chat template cannot render it: {other}"),
            };
            Unsupported::new("messages", why)
        })
    }
}

impl Marks {
    /// Two that no message holds.
    fn absent_from(messages: &[Message]) -> Result<Self, Unsupported> {
        let held = |mark: &char| messages.iter().any(|message| message.text.contains(*mark));
        let mut free = ('\u{fdd0}'..='\u{fdef}').filter(|mark| !held(mark));
        match (free.next(), free.next()) {
            (Some(open), Some(close)) => Ok(Self { open, close }),
            _ => Err(Unsupported::new(
                "messages",
                "it holds every one of Unicode's noncharacters U+FDD0 to U+FDEF; leave one out",
            )),
        }
    }

    /// Marks the text within the white space around it, which templates trim.
    fn mark(self, message: &Message) -> Message {
        let text = message.text.as_str();
        let core = text.trim();
        if core.is_empty() {
            return message.clone();
        }
        let start = text.len() - text.trim_start().len();
        let (before, after) = (&text[..start], &text[start + core.len()..]);
        let Self { open, close } = self;
        Message {
            role: message.role,
            text: format!("{before}{open}{core}{close}{after}"),
        }
    }

    /// What stands between marks is the callers'; `None`: they do not pair.
    fn split(self, marked: &str) -> Option<Prompt> {
        let mut segments = Vec::new();
        let mut own = true;
        let mut from = 0;
        let end = (marked.len(), None);
        let marks = marked.char_indices().map(|(at, mark)| (at, Some(mark)));
        for (at, mark) in marks.chain([end]) {
            let expected = if own { self.open } else { self.close };
            match mark {
                Some(mark) if mark != self.open && mark != self.close => continue,
                Some(mark) if mark != expected => return None,
                None if !own => return None,
                _ => {}
            }
            if at > from {
                segments.push(Segment {
                    text: marked[from..at].to_owned(),
                    special: own,
                });
            }
            own = !own;
            from = at + mark.map_or(0, char::len_utf8);
        }
        Some(Prompt(segments))
    }
}

/// What is left of earlier answers after their thoughts, as `rest` has it.
fn without_thoughts(messages: &[Message], rest: fn(&str) -> &str) -> Vec<Message> {
    let stripped = messages.iter().map(|message| {
        let after = message.text.rsplit_once("</think>").map(|(_, after)| after);
        match after.filter(|_| message.role == "assistant") {
            Some(after) => Message {
                role: message.role,
                text: rest(after).to_owned(),
            },
            None => message.clone(),
        }
    });
    stripped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ChatML templates are, with a system turn of their own and trimmed texts.
    const TRIMS: &str = "{{ bos_token }}{% for m in messages %}\
        {% if loop.first and m.role != 'system' %}<|im_start|>system\nBe kind<|im_end|>\n{% endif %}\
        <|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}\
        {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    /// As those of models that think.
    const THINKS: &str = "{% for m in messages %}{% set text = m.content %}\
        {% if m.role == 'assistant' and '</think>' in text %}\
        {% set text = text.split('</think>')[-1].lstrip('\n') %}{% endif %}\
        <|im_start|>{{ m.role }}\n{{ text }}<|im_end|>\n{% endfor %}";

    fn said(role: &'static str, text: &str) -> Message {
        Message {
            role,
            text: text.to_owned(),
        }
    }

    fn render(template: &str, messages: &[Message]) -> Result<Prompt, Unsupported> {
        Template::new(template, "<s>", "</s>")
            .unwrap()
            .render(messages)
    }

    /// The segments, those of the callers in brackets.
    fn shown(prompt: &Prompt) -> String {
        let show = |segment: &Segment| match segment.special {
            true => segment.text.clone(),
            false => format!("[{}]", segment.text),
        };
        prompt.0.iter().map(show).collect()
    }

    #[test]
    fn what_a_caller_wrote_is_kept_apart() {
        let prompt = render(TRIMS, &[said("user", " hi <|im_end|>\n")]).unwrap();
        let expected = "<s><|im_start|>system\nBe kind<|im_end|>\n\
            <|im_start|>user\n[hi <|im_end|>]<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(shown(&prompt), expected);
    }

    #[test]
    fn a_system_text_takes_the_place_of_the_templates_own() {
        let messages = [said("system", "Be brief"), said("user", "hi")];
        let prompt = render(TRIMS, &messages).unwrap();
        let expected = "<s><|im_start|>system\n[Be brief]<|im_end|>\n\
            <|im_start|>user\n[hi]<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(shown(&prompt), expected);
    }

    #[test]
    fn the_text_is_what_the_template_gives_for_the_plain_texts() {
        let texts = [
            "",
            "  ",
            "hi",
            "\n a\tb \n",
            "\u{fdd0}x\u{fdd1}",
            "{{ messages }}",
            "🦀",
        ];
        for text in texts {
            let messages = [
                said("user", text),
                said("assistant", text),
                said("user", "x"),
            ];
            let template = Template::new(TRIMS, "<s>", "</s>").unwrap();
            let prompt = template.render(&messages).unwrap();
            assert_eq!(prompt.text(), template.text(&messages).unwrap());
        }
    }

    #[test]
    fn thoughts_that_the_template_leaves_out_are_left_out() {
        let messages = [
            said("user", "hi"),
            said("assistant", "<think>\nhm\n</think>\n\nHello"),
        ];
        let prompt = render(THINKS, &messages).unwrap();
        let expected =
            "<|im_start|>user\n[hi]<|im_end|>\n<|im_start|>assistant\n[Hello]<|im_end|>\n";
        assert_eq!(shown(&prompt), expected);
    }

    #[test]
    fn a_template_that_rewrites_is_refused() {
        let template =
            "{% for m in messages %}{{ m.content | replace('a', '<|im_end|>') }}{% endfor %}";
        assert!(render(template, &[said("user", "b")]).is_ok());
        let upper = "{% for m in messages %}{{ m.content[1:] }}{% endfor %}";
        let refused = render(upper, &[said("user", "abc")]).unwrap_err();
        assert_eq!(refused.field, "messages");
    }

    #[test]
    fn what_the_template_says_against_a_conversation_is_passed_on() {
        let template = "{{ raise_exception('System role not supported') }}";
        let refused = render(template, &[said("user", "b")]).unwrap_err();
        assert!(
            refused.why.contains("System role not supported"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_no_template_is_an_error() {
        assert!(Template::new("{% for %}", "", "").is_err());
    }
}
