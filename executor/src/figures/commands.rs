//! The socket on which the disk watcher tells of a breach: one line, and one line back.

use std::io;

use task_figures::breach::{Answer, Command, LONGEST_LINE};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::info;

use super::listener::{PATIENCE, serve, tell};
use super::speaker;
use crate::host::{Roll, Speaker};

pub(super) async fn listen(listener: UnixListener, roll: Roll) {
    serve(listener, |client| {
        let roll = roll.clone();
        async move { hear(client, roll).await }
    })
    .await;
}

async fn hear(mut client: UnixStream, roll: Roll) {
    // Who connected, and not who has the connection now.
    let speaker = speaker::of(&client);
    let Ok(Ok(line)) = timeout(PATIENCE, line(&mut client)).await else {
        // It went away, or says nothing.
        return;
    };
    let answer = match speaker {
        Ok(speaker) => answer(line, speaker, roll).await,
        Err(error) => refused(&error),
    };
    // One who goes away is nobody's trouble.
    let _ = timeout(PATIENCE, tell(client, &answer.line())).await;
}

async fn line(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    // One byte more, so that a line that is too long is seen to be.
    let bounded = client.take(LONGEST_LINE as u64 + 1);
    BufReader::new(bounded).read_until(b'\n', &mut line).await?;
    Ok(line)
}

async fn answer(line: Vec<u8>, speaker: Speaker, roll: Roll) -> Answer {
    let breach = match Command::parse(&line) {
        Ok(Command::DiskBreach(breach)) => breach,
        Err(error) => return refused(&error),
    };
    let answer = spawn_blocking(move || roll.disk_breach(breach, speaker)).await;
    let answer = answer.unwrap_or_else(|error| refused(&error));
    info!("of a breach of disk was told by {speaker}: {answer:?}");
    answer
}

fn refused(error: &dyn std::error::Error) -> Answer {
    Answer::Refused {
        why: error.to_string(),
    }
}
