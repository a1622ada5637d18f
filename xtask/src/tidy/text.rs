//! Every tracked text stays true on another machine: no path of whoever wrote it, no host
//! that a closed network replaces by its own mirror.

use super::Violation;

/// Cut in two so that this file does not hold what it looks for.
const MACHINE_FOLDERS: [&str; 3] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
];

const REGISTRY_HOSTS: [&str; 7] = [
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("//crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("proxy.golang", ".org"),
];

pub fn check(file: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut found = |rule, needle: &str, mend| {
            violations.push(Violation {
                file: file.to_owned(),
                line: index + 1,
                rule,
                message: format!("`{needle}`"),
                mend,
            });
        };
        for folder in MACHINE_FOLDERS {
            if starts_a_path(line, folder) {
                found(
                    "machine",
                    folder,
                    "derive the path, or let the caller name it",
                );
            }
        }
        for host in REGISTRY_HOSTS {
            if line.contains(host) {
                found(
                    "registry",
                    host,
                    "leave the host to the client's own configuration",
                );
            }
        }
    }
    violations
}

/// Whether the folder stands at the root of a path, as in `cd /x/y` and not in `a/x/y`,
/// `~/x/y` or `${DIR}/x/y`.
fn starts_a_path(line: &str, folder: &str) -> bool {
    let inside_path = |char: char| char.is_alphanumeric() || "_-.~}/*".contains(char);
    line.match_indices(folder)
        .any(|(at, _)| !line[..at].ends_with(inside_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_found_wherever_it_begins() {
        for folder in MACHINE_FOLDERS {
            for line in [
                format!("{folder}x"),
                format!("\"{folder}x\""),
                format!("DIR={folder}x"),
            ] {
                let violations = check("a", &format!("first\n{line}\n"));
                assert_eq!(violations.len(), 1, "{line}");
                assert_eq!((violations[0].line, violations[0].rule), (2, "machine"));
            }
        }
    }

    #[test]
    fn relative_paths_and_system_folders_are_nobodys() {
        for folder in MACHINE_FOLDERS {
            for before in ["a", "..", "~", "${DIR}", "{folder}"] {
                assert_eq!(check("a", &format!("{before}{folder}x")), []);
            }
        }
        assert_eq!(
            check("a", "/var/lib/lattice /usr/lib/postgresql /tmp/x"),
            []
        );
    }

    #[test]
    fn a_registry_host_is_found_and_its_index_name_in_a_lock_file_is_not() {
        for host in REGISTRY_HOSTS {
            let violations = check("a", &format!("https://{}/x", host.trim_start_matches('/')));
            assert_eq!(violations.len(), 1, "{host}");
            assert_eq!(violations[0].rule, "registry");
        }
        let lock = concat!(
            "source = \"registry+https://github.com/rust-lang/crates",
            ".io-index\""
        );
        assert_eq!(check("Cargo.lock", lock), []);
    }
}
