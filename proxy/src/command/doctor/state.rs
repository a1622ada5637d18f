//! What is kept in `data_dir`, and the database.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lattice_identity::Pepper;
use lattice_kernel::Secret;
use rustix::fs::{Access, access};

use super::check::Check;
use super::database::{self, Found, Keys};
use super::known::Known;
use super::machine::existing;
use crate::command::model::size;
use crate::state::PEPPER_FILE;

const PEPPER: &str = "pepper";

/// Looks at the folder, the pepper, the journal and the database.
pub fn look(known: &Known) -> Vec<Check> {
    let Ok(data_dir) = &known.data_dir else {
        return Vec::new();
    };
    let mut checks = vec![folder(data_dir)];
    if let Ok((place, configured)) = &known.database {
        let found = database::look(place, data_dir);
        checks.push(match configured {
            Some(secret) => configured_pepper(secret, &found),
            None => stored_pepper(&data_dir.join(PEPPER_FILE), &found),
        });
        checks.push(journal(data_dir));
        checks.push(found.check);
    } else {
        checks.push(journal(data_dir));
    }
    checks
}

fn folder(data_dir: &Path) -> Check {
    let name = "data_dir";
    let shown = data_dir.display();
    let Ok(found) = fs::metadata(data_dir) else {
        let above = existing(data_dir);
        return match access(&above, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Check::ok(name, format!("{shown} is made at the first start")),
            Err(error) => Check::fail(
                name,
                format!("{shown} cannot be made in {}: {error}", above.display()),
                "set data_dir to a folder of your own",
            ),
        };
    };
    if !found.is_dir() {
        return Check::fail(
            name,
            format!("{shown} is not a folder"),
            "set data_dir to another place, or move that file away",
        );
    }
    if let Err(error) = access(
        data_dir,
        Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
    ) {
        return Check::fail(
            name,
            format!("{shown} cannot be written: {error}"),
            format!("sudo chown -R \"$USER\" '{shown}'"),
        );
    }
    match found.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => Check::warn(
            name,
            format!("{shown} can be entered by other accounts (mode {mode:o})"),
            format!("chmod 700 '{shown}'"),
        ),
        _ => Check::ok(name, format!("{shown}, closed to others")),
    }
}

fn configured_pepper(secret: &Secret, database: &Found) -> Check {
    match Pepper::from_bytes(secret.expose().as_bytes()) {
        Ok(pepper) => stored_under(&pepper, database)
            .unwrap_or_else(|| Check::ok(PEPPER, "from security.pepper")),
        Err(error) => Check::fail(
            PEPPER,
            format!("security.pepper: {error}"),
            "point it at a secret of at least 32 bytes: openssl rand -hex 32 > pepper",
        ),
    }
}

fn stored_pepper(path: &Path, database: &Found) -> Check {
    let shown = path.display();
    let wrong = |what: &dyn std::fmt::Display| {
        let mend = match database.keys {
            Keys::None => format!(
                "rm '{shown}'    # no key counts under it yet; the next start makes another"
            ),
            _ => "restore that file from a backup: the stored keys count under it alone".to_owned(),
        };
        Check::fail(PEPPER, format!("{shown}: {what}"), mend)
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && database.keys != Keys::Stored => {
            return Check::ok(PEPPER, "is made at the first start");
        }
        Err(error) => return wrong(&error),
    };
    let pepper = match Pepper::from_bytes(&bytes) {
        Ok(pepper) => pepper,
        Err(lattice_identity::PepperTooShort { found }) => {
            return wrong(&format_args!("has {found} bytes, a pepper has at least 32"));
        }
    };
    if let Some(other) = stored_under(&pepper, database) {
        return other;
    }
    match fs::metadata(path).map(|found| found.permissions().mode() & 0o777) {
        Ok(mode) if mode & 0o077 != 0 => Check::warn(
            PEPPER,
            format!("{shown} is open to other accounts (mode {mode:o})"),
            format!("chmod 600 '{shown}'"),
        ),
        _ => Check::ok(PEPPER, shown.to_string()),
    }
}

/// Whether the keys in the database were stored under another one.
fn stored_under(pepper: &Pepper, database: &Found) -> Option<Check> {
    let stored = database.fingerprint.as_ref()?;
    (*stored != pepper.fingerprint()).then(|| {
        Check::fail(
            PEPPER,
            "is not the one that the keys in the database were stored under",
            "restore that one from a backup, or use another database",
        )
    })
}

fn journal(data_dir: &Path) -> Check {
    let name = "journal";
    let dir = data_dir.join("journal");
    let node = data_dir.join("node");
    if fs::read_to_string(&node).is_ok_and(|node| node.trim().is_empty()) {
        return Check::fail(
            name,
            format!("{} is empty", node.display()),
            format!("rm '{}'    # the next start makes another", node.display()),
        );
    }
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Check::ok(name, "is made at the first start");
        }
        entries => entries.and_then(Iterator::collect::<Result<Vec<_>, _>>),
    };
    let readable = entries.and_then(|entries| {
        access(&dir, Access::WRITE_OK | Access::EXEC_OK)?;
        Ok(entries)
    });
    match readable {
        Ok(entries) => {
            let sizes = entries.iter().filter_map(|entry| entry.metadata().ok());
            let bytes = sizes.map(|found| found.len()).sum();
            Check::ok(name, format!("{}, {}", dir.display(), size(bytes)))
        }
        Err(error) => Check::fail(
            name,
            format!("{}: {error}", dir.display()),
            format!("sudo chown -R \"$USER\" '{}'", data_dir.display()),
        ),
    }
}
