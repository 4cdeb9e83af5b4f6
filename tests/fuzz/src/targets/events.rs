//! An executor's life, of steps: a byte for what happens, then what that needs. Whatever the agent sends, in whatever
//! order with what the host tells, the executor goes on; and when it is told to stop, it stops.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use executor_core::{
    Action, CommandEnd, Config, Core, Ended, Event, Fault, Instant, LinkEvent, Moment, Now, Probed,
    Record, Refusal, StartFailure, TaskEvent,
};
use mesos_proto::prost::Message as _;
use mesos_proto::v1::executor::{self, event};
use mesos_proto::v1::{ExecutorId, FrameworkId, TaskId};

use crate::input::Input;

/// More than one step can bring about.
const ACTIONS: usize = 10_000;
/// More deadlines than an executor that ends has before it.
const DEADLINES: usize = 10_000;

/// See above.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    while let Some(step) = input.byte() {
        if world.step(step, &mut input).is_none() {
            break;
        }
    }
    world.end();
}

/// An executor that finds these records also stops.
pub(crate) fn recover(records: Vec<Record>) {
    let mut world = World::new();
    world.journal = records;
    world.crash();
    world.end();
}

struct World {
    core: Core,
    now: Instant,
    attempt: u64,
    /// Every task that was to be launched.
    tasks: Vec<TaskId>,
    /// Updates that the agent has not acknowledged.
    sent: VecDeque<(TaskId, Bytes)>,
    journal: Vec<Record>,
    lives: u8,
    done: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            core: newborn(0, Now::default()),
            now: Instant::default(),
            attempt: 0,
            tasks: Vec::new(),
            sent: VecDeque::new(),
            journal: Vec::new(),
            lives: 0,
            done: false,
        };
        world.wait(Duration::ZERO);
        world
    }

    /// None at the end of the input.
    fn step(&mut self, step: u8, input: &mut Input<'_>) -> Option<()> {
        match step % 16 {
            0..=3 => {
                if let Ok(event) = executor::Event::decode(input.sized()?) {
                    let encoded = event.encode_to_vec();
                    let again = executor::Event::decode(encoded.as_slice())
                        .expect("decode what was encoded");
                    // In bytes, as some numbers are not equal to themselves.
                    assert_eq!(again.encode_to_vec(), encoded, "does not come back");
                    self.agent(event);
                }
            }
            4 => self.acknowledge(),
            5 => self.next_deadline(),
            6 => self.wait(Duration::from_millis(50) * u32::from(input.byte()?)),
            7 => self.link(LinkEvent::Broken {
                why: "the stream ended".to_owned(),
            }),
            8 => {
                let status =
                    [None, Some(503), Some(404), Some(400)][usize::from(input.byte()? % 4)];
                let message = "Executor cannot be found".to_owned();
                self.link(LinkEvent::Refused(Refusal { status, message }));
            }
            9 => self.task(input.byte()?, TaskEvent::Started),
            10 => self.task(input.byte()?, TaskEvent::Prepared),
            11 => {
                let failure = StartFailure {
                    fault: Fault::Task,
                    message: "no such program".to_owned(),
                };
                self.task(input.byte()?, TaskEvent::StartFailed(failure));
            }
            12 => {
                let ended = Ended {
                    exit: CommandEnd::Exited(1),
                    description: "exited with status 1".to_owned(),
                    limitation: None,
                    refused: None,
                    stderr_tail: Some("what it said".to_owned()),
                };
                self.task(input.byte()?, TaskEvent::Ended(ended));
            }
            13 => self.task(input.byte()?, TaskEvent::CleanedUp),
            14 => {
                let task = input.byte()?;
                let status = CommandEnd::Exited(i32::from(input.byte()? % 2));
                let outcome = Probed::Command {
                    status,
                    output: "looked".to_owned(),
                };
                self.task(
                    task,
                    TaskEvent::Probed {
                        check: usize::from(input.byte()?),
                        outcome,
                    },
                );
            }
            _ => match input.byte()? % 4 {
                1 => self.handle(Event::Stop),
                3 => self.hooked(input)?,
                _ => self.crash(),
            },
        }
        Some(())
    }

    fn hooked(&mut self, input: &mut Input<'_>) -> Option<()> {
        let task = input.byte()?;
        let moments = [
            Moment::BeforeStart,
            Moment::AfterStart,
            Moment::BeforeStop,
            Moment::Deregister,
            Moment::AfterStop,
        ];
        let moment = moments[usize::from(input.byte()?) % moments.len()];
        let status = CommandEnd::Exited(i32::from(input.byte()? % 2));
        let output = "what it said".to_owned();
        let outcome = Probed::Command { status, output };
        self.task(task, TaskEvent::Hooked { moment, outcome });
        Some(())
    }

    fn agent(&mut self, event: executor::Event) {
        self.handle(Event::Agent {
            attempt: self.attempt,
            event: Box::new(event),
        });
    }

    fn link(&mut self, event: LinkEvent) {
        self.handle(Event::Link {
            attempt: self.attempt,
            event,
        });
    }

    fn acknowledge(&mut self) {
        if let Some((task_id, uuid)) = self.sent.pop_front() {
            let acknowledged = event::Acknowledged { task_id, uuid };
            self.agent(executor::Event {
                r#type: Some(event::Type::Acknowledged.into()),
                acknowledged: Some(acknowledged),
                ..Default::default()
            });
        }
    }

    fn task(&mut self, number: u8, event: TaskEvent) {
        if let Some(task_id) = self
            .tasks
            .get(usize::from(number) % self.tasks.len().max(1))
        {
            self.handle(Event::Task {
                task_id: task_id.clone(),
                event,
            });
        }
    }

    fn now(&self) -> Now {
        Now {
            at: self.now,
            unix: 1.7e9 + self.now.0.as_secs_f64(),
        }
    }

    fn handle(&mut self, event: Event) {
        self.core.handle(self.now(), event);
        self.act();
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        self.core.handle_timeout(self.now());
        self.act();
    }

    /// The executor is killed, and its tasks with it; the next one finds its journal. An agent starts no executor again
    /// that is through.
    fn crash(&mut self) {
        if self.done {
            return;
        }
        self.lives = self.lives.wrapping_add(1);
        self.core = newborn(self.lives, self.now());
        self.tasks.clear();
        self.sent.clear();
        let journal = std::mem::take(&mut self.journal);
        self.core.recover(self.now(), journal);
        self.journal = self.core.snapshot();
        self.act();
        self.wait(Duration::ZERO);
    }

    fn next_deadline(&mut self) {
        if let Some(deadline) = self.core.next_deadline() {
            self.now = self.now.max(deadline);
            self.wait(Duration::ZERO);
        }
    }

    fn act(&mut self) {
        for _ in 0..ACTIONS {
            let Some(action) = self.core.poll_action() else {
                return;
            };
            assert!(!self.done, "{action:?} after the end");
            match action {
                Action::Subscribe { attempt, .. } => self.attempt = attempt,
                Action::Launch { task, .. } => self.tasks.push(task.task_id.clone()),
                Action::Send { call, .. } => {
                    if let Some(update) = call.update {
                        let status = update.status;
                        let uuid = status.uuid.clone().expect("an update has a uuid");
                        assert_eq!(uuid.len(), 16);
                        assert!(status.timestamp.is_some());
                        self.sent.push_back((status.task_id, uuid));
                    }
                }
                Action::Record { record, .. } => self.journal.push(record),
                Action::Exit(_) => self.done = true,
                Action::Note(note) => drop(note.to_string()),
                _ => {}
            }
        }
        panic!("actions without end");
    }

    fn end(mut self) {
        self.handle(Event::Stop);
        for _ in 0..DEADLINES {
            if self.done {
                return;
            }
            assert!(self.core.next_deadline().is_some(), "waits for nothing");
            self.next_deadline();
        }
        panic!("does not stop");
    }
}

fn newborn(life: u8, now: Now) -> Core {
    let id = |text: &str| text.to_owned();
    let mut config = Config::new(
        FrameworkId { value: id("f") },
        ExecutorId { value: id("e") },
    );
    config.checkpoint = true;
    Core::new(config, [life; 32], now)
}
