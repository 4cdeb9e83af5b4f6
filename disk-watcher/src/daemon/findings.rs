//! What the engine finds: told, counted, and a breach handed on to be ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use disk_engine::{Breach, TreeId};
use tracing::{info, warn};

use super::state::State;
use super::watched::Settled;
use crate::enforce::message;
use crate::events::{self, How};
use crate::policy::Mode;

/// A recovery that was shorter than this was none: what tasks leave changes hands when they end.
const LASTING: Duration = Duration::from_secs(30);

impl State {
    pub(super) fn engine(&mut self, event: disk_engine::Event) {
        use disk_engine::Event as Found;
        match event {
            Found::SoftLimit(breach) => self.soft_limit(&breach),
            Found::Breach(breach) => self.breach(breach),
            Found::Refused { tree, .. } => self.refused(tree),
            Found::Recovered { tree } => {
                if let Some(watched) = self.directories.of_tree(tree) {
                    watched.breach = None;
                    watched.case = None;
                    watched.recovered = Some(Instant::now());
                    let subject = Arc::clone(&watched.subject);
                    self.log
                        .write(&events::Event::Recovered { subject: &subject });
                    info!("{}: within its limits again", subject.path.display());
                }
            }
            Found::Trouble { tree, text } => {
                let watched = tree.and_then(|tree| self.directories.of_tree(tree));
                let subject = watched.map(|watched| Arc::clone(&watched.subject));
                let subject = subject.as_deref();
                self.log.write(&events::Event::Trouble {
                    subject,
                    text: &text,
                });
                warn!("{text}");
            }
            Found::Drift { tree, bytes } => {
                if let Some(watched) = self.directories.of_tree(tree) {
                    let subject = &watched.subject;
                    self.log.write(&events::Event::Drift { subject, bytes });
                }
            }
            Found::Strayed {
                tree,
                files,
                example,
            } => {
                if let Some(watched) = self.directories.of_tree(tree) {
                    let subject = Arc::clone(&watched.subject);
                    self.counts.strayed_files += files;
                    warn!(
                        "{}: {files} files are not in its project",
                        subject.path.display()
                    );
                    self.log.write(&events::Event::Strayed {
                        subject: &subject,
                        files,
                        example: &example,
                    });
                }
            }
            Found::Layer {
                file_system,
                source,
                why,
            } => {
                info!("{file_system}: measured by {source}{}", because(&why));
                self.log.write(&events::Event::Layer {
                    file_system: &file_system.to_string(),
                    source,
                    why: &why,
                });
            }
        }
    }

    fn soft_limit(&mut self, breach: &Breach) {
        let Some(watched) = self.directories.of_tree(breach.tree) else {
            return;
        };
        self.counts.soft_limits += 1;
        let (subject, mode) = (Arc::clone(&watched.subject), watched.mode);
        if mode == Mode::Observe {
            return;
        }
        let path = subject.path.display();
        warn!("{path}: near its limit: {}", first_line(breach));
        self.log.write(&events::Event::SoftLimit {
            subject: &subject,
            mode,
            breach,
        });
    }

    /// The kernel holds it to its limit, and nothing else has to be done.
    fn refused(&mut self, tree: TreeId) {
        let Some(watched) = self.directories.of_tree(tree) else {
            return;
        };
        let (subject, how) = (&Arc::clone(&watched.subject), How::Kernel);
        warn!(
            "{}: the kernel refuses to write more",
            subject.path.display()
        );
        self.log.write(&events::Event::Enforced { subject, how });
    }

    /// A breach is confirmed: the engine sends it once until it is over.
    fn breach(&mut self, breach: Breach) {
        let grace = self.config.limits.grace;
        let Some(watched) = self.directories.of_tree(breach.tree) else {
            return;
        };
        self.counts.breaches += 1;
        let (subject, mode) = (Arc::clone(&watched.subject), watched.mode);
        let tree = watched.tree;
        watched.breach = Some(breach.clone());
        watched.case = None;
        if watched.recovered.is_some_and(|at| at.elapsed() > LASTING) {
            watched.settled = Settled::No;
        }
        let has_settled = watched.settled != Settled::No;
        if mode == Mode::Observe {
            return;
        }
        warn!(
            "{} ({mode}): {}",
            subject.path.display(),
            message(&subject, &breach)
        );
        self.log.write(&events::Event::Breach {
            subject: &subject,
            mode,
            breach: &breach,
        });
        let is_exact = breach.confirmed && breach.charged() > breach.limit;
        if mode == Mode::Enforce && subject.listed.is_some() && is_exact {
            let now = Instant::now();
            self.open(tree, now, grace);
            if let Some(case) = self.case(tree) {
                let step = match has_settled {
                    true => case.settle(now),
                    false => case.confirmed(now),
                };
                self.take(tree, step);
            }
        }
    }
}

fn because(why: &str) -> String {
    match why {
        "" => String::new(),
        why => format!(": {why}"),
    }
}

fn first_line(breach: &Breach) -> String {
    breach
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
