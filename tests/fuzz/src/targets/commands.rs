//! Where else a command, checks, options and URIs may stand: pieces in this order are the command of the executor, the
//! executor's own name, `TaskInfo.command.value`, then names and values of labels by turns.

use dialect::environment::{Surroundings, of};
use dialect::{Program, Request, resolve};
use mesos_proto::TaskInfo;
use mesos_proto::v1::{CommandInfo, ExecutorInfo, Label, Labels, TaskInfoFields};

use crate::input::{pieces, text};

/// See [`check`].
pub(crate) fn run(bytes: &[u8]) {
    let mut pieces = pieces(bytes).map(text);
    let executor = ExecutorInfo {
        command: pieces.next().map(|value| CommandInfo {
            value: Some(value),
            ..Default::default()
        }),
        ..Default::default()
    };
    let arguments: Vec<String> = pieces.next().into_iter().collect();
    let command = pieces.next().filter(|value| !value.is_empty());
    let mut labels = Vec::new();
    while let Some(key) = pieces.next() {
        labels.push(Label {
            key,
            value: pieces.next(),
        });
    }
    let task = TaskInfo::from(TaskInfoFields {
        command: command.map(|value| CommandInfo {
            value: Some(value),
            ..Default::default()
        }),
        // Without it, this would be a task of the command executor.
        executor: Some(executor.clone()),
        labels: Some(Labels { labels }),
        ..Default::default()
    });
    check(&task, Some(&executor), &arguments);
}

/// A task is understood always in the same way, or refused with a text; and nothing is asked for that the kernel would
/// misunderstand: no NUL byte, no variable's name with an equals sign.
pub(crate) fn check(task: &TaskInfo, executor: Option<&ExecutorInfo>, arguments: &[String]) {
    let request = match resolve(task, executor, arguments) {
        Ok(request) => request,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(
        resolve(task, executor, arguments).as_ref(),
        Ok(&request),
        "understood in two ways"
    );
    sound(&request);
    for uri in &request.uris {
        // Refused or not, but never outside; that it is shown without its password is the target `paths`'s.
        drop(fetch::file_name(&uri.value, uri.output_file.as_deref()));
    }
    let inherited = [("PATH".to_owned(), "/bin".to_owned())];
    let around = Surroundings {
        inherited: &inherited,
        hostname: Some("agent"),
        directory: "/sandbox",
    };
    let environment = of(task, &request, around);
    assert!(
        environment
            .keys()
            .all(|name| !name.is_empty() && !name.contains(['=', '\0'])),
        "{environment:?}"
    );
    assert!(
        environment.values().all(|value| !value.contains('\0')),
        "{environment:?}"
    );
}

fn sound(request: &Request) {
    let words: Vec<&String> = match &request.program {
        Program::Shell(line) => vec![line],
        Program::Exec { file, argv } => std::iter::once(file).chain(argv).collect(),
    };
    assert!(
        words.iter().all(|word| !word.contains('\0')),
        "{:?}",
        request.program
    );
    assert!(!words[0].is_empty(), "nothing to run");
}
