//! The acts: one task each, and what must become of it.

use std::time::Duration;

use mesos_proto::v1::task_status::{Reason, Source};
use mesos_proto::v1::{TaskState, TaskStatus};

use crate::error::DemoError;
use crate::programs;
use crate::screen::Screen;
use crate::stage::{Stage, sandboxed};

/// Uses some cpu and between 4 and 60 MB of memory, up and down, for ever: something to look at in the graph.
const WAVES: &str = r#"exec /usr/bin/python3 -c '
import math, time
while True:
    memory = None
    memory = bytearray(int((32 + 28 * math.sin(time.time() / 2)) * 2**20))
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    time.sleep(0.3)
'"#;

/// Plays them all, one after the other. The first task is still there at the end.
pub(crate) fn play(stage: &mut Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say(
        "A task that goes on while all the others come and go. Its executor will get another one.",
    );
    screen.heads();
    let shared = stage.executor("shared");
    stage
        .scheduler
        .launch([sandboxed("neighbour", &shared, WAVES)
            .cpus(0.5)
            .mem(128.0)
            .disk(32.0)])?;
    stage.wait_for(screen, "neighbour", TaskState::TaskRunning)?;

    finishes(stage, screen)?;
    exits_three(stage, screen)?;
    is_killed(stage, screen)?;
    breaks_memory(stage, screen)?;
    breaks_disk(stage, screen)?;

    screen.say("What each sandbox uses of its disk now, by mesos-disk-watcher --once WORK_DIR --agent URL.");
    print!("{}", programs::disk_table(&stage.mesos)?);
    Ok(())
}

fn finishes(stage: &mut Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say("A task that does its work and finishes.");
    let executor = stage.executor("finishes");
    stage.scheduler.launch([sandboxed(
        "finishes",
        &executor,
        "echo working; sleep 2; echo done",
    )])?;
    let status = stage.wait_for(screen, "finishes", TaskState::TaskFinished)?;
    expect(
        "finishes",
        "the message",
        status.message(),
        "Command exited with status 0",
    )
}

fn exits_three(stage: &mut Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say("A task that fails: it exits with status 3.");
    let executor = stage.executor("fails");
    stage
        .scheduler
        .launch([sandboxed("fails", &executor, "sleep 1; exit 3")])?;
    let status = stage.wait_for(screen, "fails", TaskState::TaskFailed)?;
    expect(
        "fails",
        "the message",
        status.message(),
        "Command exited with status 3",
    )
}

fn is_killed(stage: &mut Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say("A task that is killed on request: SIGTERM first, and it would have three seconds before SIGKILL.");
    let executor = stage.executor("killed");
    stage
        .scheduler
        .launch([sandboxed("killed", &executor, "exec sleep 1000")])?;
    stage.wait_for(screen, "killed", TaskState::TaskRunning)?;
    stage
        .scheduler
        .kill("killed", Some(Duration::from_secs(3)))?;
    let status = stage.wait_for(screen, "killed", TaskState::TaskKilled)?;
    expect(
        "killed",
        "the message",
        status.message(),
        "Command terminated with signal Terminated",
    )
}

fn breaks_memory(stage: &mut Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say("A task that may have 64 MB of memory and takes more and more of it.");
    let executor = stage.executor("memory");
    let hog = "exec /usr/bin/python3 -c 'import time\nblocks = []\nwhile True:\n    blocks.append(bytearray(4 << 20)); \
               time.sleep(0.4)'";
    stage
        .scheduler
        .launch([sandboxed("memory", &executor, hog).mem(64.0)])?;
    let status = stage.wait_for(screen, "memory", TaskState::TaskFailed)?;
    expect_limitation(
        "memory",
        &status,
        Reason::ContainerLimitationMemory,
        "Memory limit exceeded: Requested: 64MB ",
        "mem",
    )
}

fn breaks_disk(stage: &mut Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say("A task that may have 10 MB of disk and writes 30, beside the neighbour in one executor: only it must end.");
    let shared = stage.executor("shared");
    let writer = "dd if=/dev/zero of=file bs=1M count=30 status=none; exec sleep 1000";
    stage
        .scheduler
        .launch([sandboxed("disk", &shared, writer).disk(10.0)])?;
    let status = stage.wait_for(screen, "disk", TaskState::TaskFailed)?;
    expect_limitation(
        "disk",
        &status,
        Reason::ContainerLimitationDisk,
        "Disk usage (",
        "disk",
    )?;
    // Were its neighbour hurt, the word of that would come now.
    stage.show_updates(screen, Duration::from_secs(2));
    let states = stage.scheduler.states_of("neighbour");
    let states: Vec<_> = states.iter().map(TaskState::as_str_name).collect();
    expect(
        "neighbour",
        "the list of states",
        &states.join(" "),
        "TASK_STARTING TASK_RUNNING",
    )?;
    screen.note("the neighbour runs on, untouched");
    Ok(())
}

/// Ends the task that was there all the while.
pub(crate) fn end(stage: &mut Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say("The neighbour is asked to end, too.");
    stage.scheduler.kill("neighbour", None)?;
    stage.wait_for(screen, "neighbour", TaskState::TaskKilled)?;
    Ok(())
}

fn expect_limitation(
    task: &'static str,
    status: &TaskStatus,
    reason: Reason,
    message: &str,
    resource: &str,
) -> Result<(), DemoError> {
    expect(
        task,
        "the source",
        status.source().as_str_name(),
        Source::Executor.as_str_name(),
    )?;
    expect(
        task,
        "the reason",
        status.reason().as_str_name(),
        reason.as_str_name(),
    )?;
    let beginning: String = status
        .message()
        .chars()
        .take(message.chars().count())
        .collect();
    expect(task, "the beginning of the message", &beginning, message)?;
    let limitation = status
        .limitation
        .iter()
        .flat_map(|limitation| &limitation.resources);
    let names: Vec<&str> = limitation.map(|resource| resource.name.as_str()).collect();
    expect(task, "the limitation", &names.join(" "), resource)
}

fn expect(
    task: &'static str,
    field: &'static str,
    got: &str,
    wanted: &str,
) -> Result<(), DemoError> {
    if got == wanted {
        return Ok(());
    }
    Err(DemoError::Unexpected {
        task,
        field,
        got: got.to_owned(),
        wanted: wanted.to_owned(),
    })
}
