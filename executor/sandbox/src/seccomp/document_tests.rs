use super::*;
use crate::seccomp::compile::compile;
use crate::seccomp::interpreter::{call, run};

const ALL: Circumstances = Circumstances {
    capabilities: CapabilitySet::NONE,
    kernel: (4, 18),
};

fn program(text: &str, around: Circumstances) -> Vec<u64> {
    let rules = parse(text.as_bytes(), around).unwrap_or_else(|error| panic!("{error}"));
    compile(&rules).unwrap()
}

/// In the form that Docker and Mesos use, every kind of rule once.
const DOCKERS: &str = r#"{
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
    "syscalls": [
        {"names": ["read", "write", "chown32"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "", "includes": {}, "excludes": {}},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
         "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390", "s390x"]}},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "5.8"}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        {"names": ["sync_file_range"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["ppc64le"]}},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
        {"names": ["reboot"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"name": "mount", "action": "SCMP_ACT_LOG"}
    ]
}"#;

#[test]
fn a_profile_of_docker_s_means_what_it_says() {
    let program = program(DOCKERS, ALL);
    let answer = |name: &str, arguments: &[u64]| run(&program, call(name, arguments));
    assert_eq!(answer("read", &[]), Action::Allow);
    assert_eq!(answer("write", &[]), Action::Allow);
    assert_eq!(answer("open", &[]), Action::Errno(38));
    assert_eq!(answer("clone", &[17]), Action::Allow);
    assert_eq!(answer("clone", &[0x1000_0011]), Action::Errno(38));
    assert_eq!(answer("ptrace", &[]), Action::Allow);
    assert_eq!(answer("bpf", &[]), Action::Errno(38));
    assert_eq!(answer("arch_prctl", &[]), Action::Allow);
    assert_eq!(answer("sync_file_range", &[]), Action::Errno(38));
    assert_eq!(answer("clone3", &[]), Action::Errno(5));
    assert_eq!(answer("reboot", &[]), Action::KillProcess);
    assert_eq!(answer("mount", &[]), Action::Log);
}

#[test]
fn two_conditions_on_one_argument_are_two_rules() {
    let program = program(DOCKERS, ALL);
    let answer = |value| run(&program, call("personality", &[value]));
    assert_eq!((answer(0), answer(8)), (Action::Allow, Action::Allow));
    assert_eq!(answer(4), Action::Errno(38));
}

#[test]
fn capabilities_and_the_kernel_s_version_decide_which_rules_count() {
    let around = Circumstances {
        capabilities: [Capability::SYS_ADMIN].into_iter().collect(),
        kernel: (6, 1),
    };
    let program = program(DOCKERS, around);
    assert_eq!(run(&program, call("clone", &[0x1000_0011])), Action::Allow);
    assert_eq!(run(&program, call("bpf", &[])), Action::Allow);
}

#[test]
fn rules_that_look_at_arguments_go_before_those_that_do_not() {
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["ioctl"],"action":"SCMP_ACT_TRAP"},
        {"names":["ioctl"],"action":"SCMP_ACT_LOG","args":[{"index":1,"value":7,"op":"SCMP_CMP_EQ"}]}]}"#;
    let program = program(text, ALL);
    assert_eq!(run(&program, call("ioctl", &[0, 7])), Action::Log);
    assert_eq!(run(&program, call("ioctl", &[0, 8])), Action::Trap);
}

#[test]
fn what_is_no_profile_is_refused_by_what_is_wrong_with_it() {
    let rule = |rule: &str| format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{rule}]}}"#);
    let argument = |index: &str, value: &str, op: &str| {
        rule(&format!(
            r#"{{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{{"index":{index},"value":{value},"op":"{op}"}}]}}"#
        ))
    };
    let of_filter = |filter: &str| {
        rule(&format!(
            r#"{{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{filter}}}"#
        ))
    };
    for (text, expected) in [
        (String::new(), "read the profile: EOF"),
        ("{}".to_owned(), "missing field `defaultAction`"),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","sysCalls":[]}"#.to_owned(), "unknown field `sysCalls`"),
        (r#"{"defaultAction":"ALLOW"}"#.to_owned(), "action 'ALLOW' is not supported"),
        (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#.to_owned(), "action 'SCMP_ACT_NOTIFY' is not supported"),
        (r#"{"defaultAction":"SCMP_ACT_TRACE"}"#.to_owned(), "action 'SCMP_ACT_TRACE' is not supported"),
        (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}"#.to_owned(), "error number 4096"),
        (
            r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_ARM"]}"#.to_owned(),
            "it is for other architectures than x86-64",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["tomorrow"],"action":"SCMP_ACT_ERRNO"}]}"#.to_owned(),
            "system call 'tomorrow', which it is to forbid, is not known",
        ),
        (argument("6", "0", "SCMP_CMP_EQ"), "there is no argument 6"),
        (argument("0", "-1", "SCMP_CMP_EQ"), "invalid value: integer `-1`"),
        (argument("0", "18446744073709551616", "SCMP_CMP_EQ"), "invalid"),
        (argument("0", "0", "EQ"), "operator 'EQ' is not supported"),
        (of_filter(r#"{"caps":["CAP_NOPE"]}"#), "capability 'CAP_NOPE' is not known"),
        (of_filter(r#"{"minKernel":"new"}"#), "minKernel 'new' is not of the form 4.18"),
    ] {
        let error = parse(text.as_bytes(), ALL).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn the_version_of_a_kernel_is_its_first_two_numbers() {
    for (text, expected) in [
        ("6.1.0-13-cloud-amd64\n", Some((6, 1))),
        ("4.18", Some((4, 18))),
        ("5.10.0", Some((5, 10))),
        ("6", None),
        ("", None),
        ("x.y", None),
    ] {
        assert_eq!(version(text), expected, "{text}");
    }
}
