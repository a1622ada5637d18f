//! The command itself: started with the gateway's streams, told what the gateway is told,
//! and answered for with its own exit code.

use std::ffi::OsString;
use std::io::{stderr, stdin, stdout};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::command::{CommandError, Done};

/// Signals that are the command's to act on.
pub struct Signals {
    interrupt: Stream,
    terminate: Stream,
    hang_up: Stream,
    quit: Stream,
}

impl Signals {
    /// From here on none of them ends this process.
    ///
    /// # Errors
    /// The system does not say when one comes.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next one, and whether a terminal sends it to the command as well.
    async fn next(&mut self) -> (Signal, bool) {
        tokio::select! {
            _ = self.interrupt.recv() => (Signal::INT, true),
            _ = self.quit.recv() => (Signal::QUIT, true),
            _ = self.terminate.recv() => (Signal::TERM, false),
            _ = self.hang_up.recv() => (Signal::HUP, false),
        }
    }
}

/// Runs the command to its end.
///
/// # Errors
/// It cannot be started.
pub async fn run(
    command: &[OsString],
    environment: &[(&'static str, String)],
    hidden: &[String],
    signals: Signals,
) -> Done {
    let [program, arguments @ ..] = command else {
        return Err(CommandError::Usage("there is no command to run".into()));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in hidden {
        command.env_remove(name);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let child = command.spawn().map_err(|error| {
        let program = program.to_string_lossy();
        CommandError::Failed(format!("{program} cannot be started: {error}"))
    })?;
    let status = end_of(child, signals).await?;
    Ok(exit_code(status))
}

/// Waits for its end, off the runtime's threads, and passes on what comes meanwhile.
async fn end_of(mut child: Child, mut signals: Signals) -> std::io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let waited = tokio::task::spawn_blocking(move || child.wait());
    tokio::pin!(waited);
    loop {
        tokio::select! {
            status = &mut waited => return status.map_err(std::io::Error::other)?,
            (signal, from_terminal) = signals.next() => {
                // A terminal tells all of its foreground; twice is "at once" to many programs.
                if let Some(pid) = pid.filter(|_| !(from_terminal && on_terminal())) {
                    // It may be gone by now, which is the next thing to be heard of.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

/// Whether a terminal sends its signals to this process, and so to the command.
fn on_terminal() -> bool {
    let here = getpgrp();
    tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == here)
        || tcgetpgrp(stdout()).is_ok_and(|foreground| foreground == here)
        || tcgetpgrp(stderr()).is_ok_and(|foreground| foreground == here)
}

/// The command's own code; as shells have it, 128 and its number for a signal.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_commands() {
        // As wait(2) reports: the code in the second byte, a signal in the first.
        for (raw, code) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (9, 137), (15, 143)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), ExitCode::from(code));
        }
    }
}
