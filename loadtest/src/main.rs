//! The `lattice-loadtest` command.

fn main() -> std::process::ExitCode {
    lattice_loadtest::main()
}
