use super::*;

fn check(arguments: &[&str]) -> Result<Settings, Vec<SettingError>> {
    let program = ["mesos-stats-collector"];
    Args::try_parse_from(program.iter().chain(arguments))
        .unwrap()
        .check()
}

const PLACES: [&str; 4] = [
    "--agent",
    "http://10.0.0.1:5051",
    "--graphite",
    "tcp://graphite:2003/",
];

fn with(more: &[&str]) -> Result<Settings, Vec<SettingError>> {
    check(&[&PLACES, more].concat())
}

#[test]
fn two_places_are_enough() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.mode, Mode::Every(Duration::from_secs(10)));
    assert_eq!(settings.agent.to_string(), "10.0.0.1:5051");
    assert_eq!(settings.carbon.to_string(), "graphite:2003");
    assert_eq!(settings.prefix.as_str(), "mesos");
    assert_eq!(settings.host, "10.0.0.1");
    assert_eq!(settings.timeout, Duration::from_secs(5));
    assert_eq!(settings.queue_bytes, 32 << 20);
    assert_eq!(settings.log, LevelFilter::INFO);
}

#[test]
fn every_option_is_taken() {
    let settings = with(&[
        "--interval=1mins",
        "--prefix=dc1.mesos",
        "--host=agent-7.example.com",
        "--timeout=1500ms",
        "--queue=1GB",
        "--log=debug",
    ])
    .unwrap();
    assert_eq!(settings.mode, Mode::Every(Duration::from_secs(60)));
    assert_eq!(settings.prefix.as_str(), "dc1.mesos");
    assert_eq!(settings.host, "agent-7.example.com");
    assert_eq!(settings.timeout, Duration::from_millis(1500));
    assert_eq!(settings.queue_bytes, 1 << 30);
    assert_eq!(settings.log, LevelFilter::DEBUG);
    assert_eq!(with(&["--once"]).unwrap().mode, Mode::Once);
}

#[test]
fn a_short_interval_shortens_the_default_timeout() {
    let settings = with(&["--interval=2secs"]).unwrap();
    assert_eq!(settings.timeout, Duration::from_secs(2));
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_by_option() {
    let errors = check(&[
        "--graphite=udp://graphite:2003",
        "--interval=10",
        "--prefix=a..b",
        "--host=",
        "--timeout=soon",
        "--queue=1KB",
        "--log=loud",
    ])
    .unwrap_err();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    for option in [
        "agent", "graphite", "interval", "prefix", "host", "timeout", "queue", "log",
    ] {
        let option = format!("--{option}");
        let about = told.iter().filter(|text| text.starts_with(&option));
        assert_eq!(about.count(), 1, "{option} in {told:?}");
    }
    assert_eq!(told.len(), 8);
}

#[test]
fn only_scheme_host_and_port_make_a_place() {
    let refused = |text| host_port(text, "http").unwrap_err();
    for text in [
        "",
        "agent",
        "agent:5051",
        "http://",
        "http://agent",
        "http://:5051",
        "http://agent:0",
        "http://agent:99999",
        "http://agent:5051/slave(1)",
        "http://agent:5051?a",
        "http://a b:1",
    ] {
        assert!(
            matches!(refused(text), UrlError::Form { .. }),
            "{text:?}: {:?}",
            refused(text)
        );
    }
    assert_eq!(
        refused("https://agent:5051"),
        UrlError::Scheme { scheme: "http" }
    );
    let v6 = host_port("http://[::1]:5051", "http").unwrap();
    assert_eq!(
        (v6.host.as_str(), v6.to_string().as_str()),
        ("::1", "[::1]:5051")
    );
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let errors = with(&["--once"]).map(|_| ()).and(check(&[
        "--agent=http://user:hunter2@agent:5051",
        "--graphite=tcp://hunter2@graphite:2003",
    ]));
    let told = format!("{:?}", errors.as_ref().unwrap_err());
    assert!(!told.contains("hunter2"), "{told}");
    for error in errors.unwrap_err() {
        assert!(error.to_string().contains("not supported"), "{error}");
    }
}

#[test]
fn durations_that_cannot_work_are_refused() {
    let one = |more: &[&str]| with(more).unwrap_err().remove(0);
    assert_eq!(one(&["--interval=1500ms"]), SettingError::Interval);
    assert_eq!(
        one(&["--interval=0secs"]),
        SettingError::Zero { option: "interval" }
    );
    assert_eq!(
        one(&["--timeout=0ns"]),
        SettingError::Zero { option: "timeout" }
    );
    assert_eq!(
        one(&["--interval=10secs", "--timeout=11secs"]),
        SettingError::TimeoutOverInterval
    );
    assert_eq!(
        one(&["--once", "--interval=10secs"]),
        SettingError::IntervalOnce
    );
}

#[test]
fn the_command_line_is_well_formed() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}

#[test]
fn the_help_names_every_series_of_disks() {
    use clap::CommandFactory;
    let help = Args::command().render_long_help().to_string();
    let words: Vec<&str> = help
        .split(|c: char| c != '_' && !c.is_ascii_lowercase())
        .collect();
    let subjects = disk_figures::SUBJECT_SERIES
        .iter()
        .map(|series| series.name);
    let own = disk_figures::OWN_SERIES.iter().map(|series| series.name);
    for name in subjects.chain(own) {
        assert!(words.contains(&name), "{name}");
    }
}
