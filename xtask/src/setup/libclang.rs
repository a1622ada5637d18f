//! Whether bindgen will find libclang. It asks clang-sys, whose places and file names these are:
//! to look elsewhere would be to install what is there, or to leave out what is not.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// System folders, each searched together with two levels below it.
const SYSTEM: [&str; 5] = [
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib32",
];

pub fn is_found() -> bool {
    if let Some(path) = env::var_os("LIBCLANG_PATH") {
        return is_named_by(Path::new(&path));
    }
    let listed = |variable: &str| env::var_os(variable).unwrap_or_default();
    let variables = [listed("LD_LIBRARY_PATH"), listed("LIBRARY_PATH")];
    let listed = variables.iter().flat_map(env::split_paths);
    let near = llvm_config().into_iter().chain(listed);
    near.into_iter().any(|folder| holds_libclang(&folder))
        || SYSTEM.iter().any(|folder| is_below(Path::new(folder), 2))
}

/// The variable names the library or its folder, and where it is set nothing else counts.
fn is_named_by(path: &Path) -> bool {
    holds_libclang(path) || path.file_name().is_some_and(is_libclang) && path.is_file()
}

fn llvm_config() -> Vec<PathBuf> {
    let program = env::var_os("LLVM_CONFIG_PATH").unwrap_or_else(|| OsString::from("llvm-config"));
    let Ok(said) = shell::output(Command::new(program).arg("--prefix")) else {
        return Vec::new();
    };
    let prefix = PathBuf::from(String::from_utf8_lossy(&said).trim());
    ["bin", "lib", "lib64"]
        .map(|folder| prefix.join(folder))
        .to_vec()
}

fn is_below(folder: &Path, levels: u8) -> bool {
    if holds_libclang(folder) {
        return true;
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    levels > 0
        && entries
            .flatten()
            .map(|entry| entry.path())
            .any(|path| path.is_dir() && is_below(&path, levels - 1))
}

fn holds_libclang(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            // A link whose package was removed points nowhere.
            is_libclang(&entry.file_name()) && entry.path().is_file()
        })
    })
}

/// `libclang.so`, `libclang-14.so` and both with a version behind; not `libclang-cpp.so`, which
/// is another library.
fn is_libclang(name: &OsStr) -> bool {
    let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("libclang")) else {
        return false;
    };
    let Some((version, behind)) = rest.split_once(".so") else {
        return false;
    };
    (version.is_empty() || version.starts_with('-') && !version.starts_with("-cpp"))
        && (behind.is_empty() || behind.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_known_by_its_names_and_its_neighbours_are_not() {
        for name in [
            "libclang.so",
            "libclang.so.1",
            "libclang-14.so",
            "libclang-14.so.14.0.6",
        ] {
            assert!(is_libclang(OsStr::new(name)), "{name}");
        }
        for name in [
            "libclang-cpp.so.14",
            "libclang-cpp.so",
            "libclangAST.a",
            "libclang_rt.so",
            "libclang.sock",
            "libclang.a",
        ] {
            assert!(!is_libclang(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn it_is_found_two_levels_down_and_no_deeper() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("lib").join("llvm-14").join("lib");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("libclang-14.so"), "").unwrap();
        assert!(is_below(&folder.path().join("lib"), 2));
        assert!(!is_below(folder.path(), 2));
    }

    #[test]
    fn a_link_that_points_nowhere_is_not_the_library() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("libclang.so");
        std::os::unix::fs::symlink(folder.path().join("gone"), &link).unwrap();
        assert!(!holds_libclang(folder.path()));
        assert!(!is_named_by(&link));
    }

    #[test]
    fn the_variable_may_name_the_library_or_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libclang.so.1");
        fs::write(&library, "").unwrap();
        assert!(is_named_by(folder.path()));
        assert!(is_named_by(&library));
        assert!(!is_named_by(&folder.path().join("libclang.so.2")));
    }
}
