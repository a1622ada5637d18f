//! Programs of others: PostgreSQL's for the managed database, and what a build from
//! source takes.

use std::path::{Path, PathBuf};

use lattice_store::managed::{self, ManagedError, Survey};

use super::check::Check;
use super::known::Known;
use crate::config::checked::Database;

/// A program that only a build takes: its names, and Debian's package.
const TO_BUILD: [(&str, &[&str], &str); 2] = [
    ("cmake", &["cmake"], "cmake"),
    ("C++ compiler", &["c++", "g++", "clang++"], "g++"),
];

/// Looks for programs.
pub fn look(known: &Known) -> Vec<Check> {
    let mut checks: Vec<Check> = postgres(known).into_iter().collect();
    checks.extend(TO_BUILD.iter().map(|(name, programs, package)| {
        to_build(
            name,
            programs.iter().find_map(|name| on_path(name)),
            package,
        )
    }));
    checks.push(to_build("libclang", libclang(), "libclang-dev"));
    checks
}

fn postgres(known: &Known) -> Option<Check> {
    let bin_dir = match &known.database {
        Ok((Database::Url(_), _)) => {
            return Some(Check::ok(
                "PostgreSQL",
                "not needed here: database.url is set",
            ));
        }
        Ok((Database::Managed { bin_dir }, _)) => bin_dir.as_deref(),
        // Whether a URL is meant is not known: it may be the secret that is missing.
        Err(_) => return None,
    };
    let data_dir = known.data_dir.as_deref().unwrap_or(Path::new(""));
    Some(match managed::survey(data_dir, bin_dir) {
        Ok(Survey {
            programs, major, ..
        }) => Check::ok("PostgreSQL", format!("{major} in {}", programs.display())),
        Err(error) => managed_error("PostgreSQL", &error),
    })
}

/// Why the managed database does not run.
pub fn managed_error(name: &str, error: &ManagedError) -> Check {
    let otherwise = "mend that, or point database.url at a PostgreSQL of your own";
    match error {
        ManagedError::Io { .. } | ManagedError::Failed { .. } => {
            Check::fail(name, error.to_string(), otherwise)
        }
        named => {
            let said = named.to_string();
            let said = said.strip_prefix("PostgreSQL is ").unwrap_or(&said);
            Check::failed(name, said, ": ", otherwise)
        }
    }
}

fn to_build(name: &str, found: Option<PathBuf>, package: &str) -> Check {
    match found {
        Some(path) => Check::ok(name, path.display().to_string()),
        None => Check::warn(
            name,
            "not found; only a build from source takes it",
            format!("apt-get install {package}"),
        ),
    }
}

/// The program of this name that a shell would run.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    candidates.find(|candidate| candidate.is_file())
}

/// Where bindgen finds it: the folder that `LIBCLANG_PATH` names and no other, else
/// LLVM's own folders and the system's.
fn libclang() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from) {
        return Some(path.clone())
            .filter(|path| path.is_file())
            .or_else(|| libclang_in(&path));
    }
    let mut system: Vec<PathBuf> = ["/usr/local/lib", "/usr/lib64", "/usr/lib"]
        .map(PathBuf::from)
        .to_vec();
    let below: Vec<PathBuf> = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|entry| [entry.path(), entry.path().join("lib")])
        .collect();
    system.extend(below);
    system.extend(
        [
            "/opt/homebrew/opt/llvm/lib",
            "/usr/local/opt/llvm/lib",
            "/Library/Developer/CommandLineTools/usr/lib",
        ]
        .map(PathBuf::from),
    );
    system.iter().find_map(|folder| libclang_in(folder))
}

fn libclang_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        // A link whose package was removed points nowhere.
        name.is_some_and(is_libclang) && path.is_file()
    })
}

/// `libclang.so`, `libclang-14.so`, both with a version behind, `libclang.dylib`; not
/// `libclang-cpp`, which is another library.
fn is_libclang(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("libclang") else {
        return false;
    };
    let rest = rest.trim_start_matches(|char: char| char == '-' || char.is_ascii_digit());
    rest == ".dylib" || rest == ".so" || rest.starts_with(".so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_known_by_its_names_and_its_neighbours_are_not() {
        for name in [
            "libclang.so",
            "libclang.so.1",
            "libclang-14.so.14.0.6",
            "libclang.dylib",
        ] {
            assert!(is_libclang(name), "{name}");
        }
        for name in [
            "libclang-cpp.so.14",
            "libclang_rt.so",
            "libclang.sock",
            "libclang.a",
        ] {
            assert!(!is_libclang(name), "{name}");
        }
    }
}
