//! Which model files there are, and what they are called.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::EngineError;
use crate::gguf::{self, Header};

/// Files of a folder beyond this many are not looked at.
const MOST_FILES: usize = 1000;

/// A model file.
#[derive(Debug)]
pub struct Entry {
    /// What callers ask for.
    pub name: String,
    /// Also good to ask for.
    pub file_name: String,
    pub path: PathBuf,
    pub bytes: u64,
    /// Or why it is no model.
    pub header: Result<Header, String>,
}

/// The models of a folder and those given by name; a folder that is not there has none.
///
/// # Errors
/// The folder cannot be read, or a file given by name is not there.
pub fn scan(folder: Option<&Path>, named: &[(String, PathBuf)]) -> Result<Vec<Entry>, EngineError> {
    let mut entries = Vec::new();
    for (name, path) in named {
        if !path.is_file() {
            let path = path.display();
            return Err(EngineError(format!(
                "model {name:?}: there is no file {path}"
            )));
        }
        entries.push(entry(name.clone(), path.clone()));
    }
    let mut found = match folder {
        Some(folder) => files(folder)?,
        None => Vec::new(),
    };
    found.retain(|path| !named.iter().any(|(_, given)| same(given, path)));
    found.sort();
    found.truncate(MOST_FILES);
    entries.extend(found.into_iter().map(|path| entry(name_of(&path), path)));
    Ok(entries)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let wrong = |error| EngineError(format!("the model folder {}: {error}", folder.display()));
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for file in fs::read_dir(folder).map_err(wrong)? {
        let path = file.map_err(wrong)?.path();
        let gguf = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
        if gguf && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

fn entry(name: String, path: PathBuf) -> Entry {
    let file_name = path.file_name().unwrap_or_default();
    Entry {
        name,
        file_name: file_name.to_string_lossy().into_owned(),
        bytes: fs::metadata(&path).map_or(0, |file| file.len()),
        header: gguf::read(&path).map_err(|error| error.to_string()),
        path,
    }
}

/// The file's name in lower case, without its end and without how it was quantised.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    let stem = stem.to_string_lossy().to_lowercase();
    let ends = stem.match_indices(['.', '-', '_']).map(|(at, _)| at);
    let mut ends = ends.filter(|&at| at > 0 && is_quantisation(&stem[at + 1..]));
    let end = ends.next().unwrap_or(stem.len());
    stem[..end].to_owned()
}

/// `q4_1`, `q4_k_m`, `iq3_xxs`, `f16`, `bf16`, `mxfp4`, …; in lower case.
fn is_quantisation(text: &str) -> bool {
    if matches!(text, "f16" | "f32" | "bf16" | "fp16" | "fp32" | "mxfp4") {
        return true;
    }
    let mut words = text.split('_');
    let kind = words.next().unwrap_or_default();
    let bits = ["q", "iq", "tq"]
        .iter()
        .find_map(|kinds| kind.strip_prefix(kinds));
    let digit = |word: &str| word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    let known = |word| matches!(word, "k" | "xxs" | "xs" | "s" | "m" | "l" | "xl" | "nl");
    bits.is_some_and(digit) && words.all(|word| digit(word) || known(word))
}

/// The entry that a caller asks for.
///
/// # Errors
/// None or several: a sentence for the caller.
pub fn find(entries: &[Entry], asked: &str) -> Result<usize, String> {
    let all = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<usize> {
        let indices = 0..entries.len();
        indices.filter(|&index| wanted(&entries[index])).collect()
    };
    let by_file = all(&|entry| entry.file_name == asked);
    let by_name = all(&|entry| entry.name.eq_ignore_ascii_case(asked));
    match (by_file.as_slice(), by_name.as_slice()) {
        (&[one], _) | (&[], &[one]) => Ok(one),
        (&[], &[]) => {
            let asked: String = asked.chars().take(80).collect();
            Err(format!(
                "there is no local model {asked:?}; /v1/models lists those that there are"
            ))
        }
        (&[], several) => {
            let files: Vec<_> = several
                .iter()
                .map(|&index| &entries[index].file_name)
                .collect();
            Err(format!(
                "{asked:?} is more than one file: ask for one of {files:?}"
            ))
        }
        (_, _) => Err(format!(
            "{asked:?} is more than one file: give one of them a name of its own"
        )),
    }
}

/// Why asking for this entry by its name will not do.
pub fn ambiguity(entries: &[Entry], entry: &Entry) -> Option<String> {
    let error = find(entries, &entry.name).err()?;
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), b"GGUF").unwrap();
        }
        folder
    }

    #[test]
    fn a_name_is_the_file_without_how_it_was_quantised() {
        let names = [
            ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
            ("gemma-3-270m-q4_k_m.gguf", "gemma-3-270m"),
            ("qwen2.5-0.5b-instruct-fp16.gguf", "qwen2.5-0.5b-instruct"),
            (
                "Llama-3.2-1B-Instruct-IQ3_XXS.gguf",
                "llama-3.2-1b-instruct",
            ),
            ("tiny_q8_0.gguf", "tiny"),
            ("Qwen3-0.6B.gguf", "qwen3-0.6b"),
            ("q4_0.gguf", "q4_0"),
            ("phi-q.gguf", "phi-q"),
        ];
        for (file, name) in names {
            assert_eq!(name_of(Path::new(file)), name);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_models() {
        let nowhere = folder(&[]).path().join("none");
        assert_eq!(scan(Some(&nowhere), &[]).unwrap().len(), 0);
    }

    #[test]
    fn a_file_given_by_name_must_be_there_and_is_listed_once() {
        let folder = folder(&["a.gguf", "notes.txt"]);
        let file = folder.path().join("a.gguf");
        let entries = scan(Some(folder.path()), &[("mine".to_owned(), file.clone())]).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["mine"]);
        let error = scan(None, &[("mine".to_owned(), file.with_file_name("b.gguf"))]).unwrap_err();
        assert!(
            error.0.contains("\"mine\"") && error.0.contains("b.gguf"),
            "{error}"
        );
    }

    #[test]
    fn of_two_files_of_one_name_each_can_be_had_by_its_own() {
        let folder = folder(&["m.Q4_0.gguf", "m.Q8_0.gguf"]);
        let entries = scan(Some(folder.path()), &[]).unwrap();
        let error = find(&entries, "m").unwrap_err();
        assert!(
            error.contains("m.Q4_0.gguf") && error.contains("m.Q8_0.gguf"),
            "{error}"
        );
        assert_eq!(find(&entries, "m.Q8_0.gguf"), Ok(1));
        assert_eq!(ambiguity(&entries, &entries[0]), Some(error));
    }

    #[test]
    fn only_what_is_listed_can_be_asked_for() {
        let folder = folder(&["m.gguf"]);
        let entries = scan(Some(folder.path()), &[]).unwrap();
        assert_eq!(find(&entries, "M"), Ok(0));
        let path = folder.path().join("m.gguf").display().to_string();
        for asked in [path.as_str(), "../m.gguf", "./m.gguf", ""] {
            assert!(find(&entries, asked).is_err(), "{asked}");
        }
    }

    #[test]
    fn a_file_that_is_no_model_says_so() {
        let folder = folder(&["m.gguf"]);
        let entries = scan(Some(folder.path()), &[]).unwrap();
        assert!(entries[0].header.is_err());
    }
}
