use std::ffi::OsString;
use std::path::Path;

use super::{EnvironmentErrors, ExecutorEnvironment, TlsSettings};

/// The environment of an executor with these variables besides those it cannot do without.
fn read(vars: &[(&str, &str)]) -> Result<ExecutorEnvironment, EnvironmentErrors> {
    let needed = [
        ("MESOS_FRAMEWORK_ID", "f"),
        ("MESOS_EXECUTOR_ID", "e"),
        ("MESOS_AGENT_ENDPOINT", "10.0.0.1:5051"),
        ("MESOS_DIRECTORY", "/d"),
    ];
    let all = needed.iter().chain(vars);
    ExecutorEnvironment::from_vars(
        all.map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

/// What is read with TLS switched on.
fn tls(vars: &[(&str, &str)]) -> TlsSettings {
    let on = [("LIBPROCESS_SSL_ENABLED", "true")];
    read(&[&on, vars].concat()).unwrap().tls.unwrap()
}

/// What is wrong with TLS switched on.
fn complaint(vars: &[(&str, &str)]) -> String {
    let on = [("LIBPROCESS_SSL_ENABLED", "true")];
    read(&[&on, vars].concat()).unwrap_err().to_string()
}

#[test]
fn tls_is_on_only_when_a_variable_of_libprocess_says_so() {
    for (vars, on) in [
        (&[][..], false),
        (&[("LIBPROCESS_SSL_ENABLED", "0")], false),
        (&[("LIBPROCESS_SSL_ENABLED", "false")], false),
        (&[("LIBPROCESS_SSL_ENABLED", "1")], true),
        (&[("LIBPROCESS_SSL_ENABLED", "true")], true),
        (&[("SSL_ENABLED", "1")], true),
        // The newer name counts.
        (
            &[("SSL_ENABLED", "1"), ("LIBPROCESS_SSL_ENABLED", "0")],
            false,
        ),
    ] {
        assert_eq!(read(vars).unwrap().tls.is_some(), on, "{vars:?}");
    }
    let errors = read(&[("LIBPROCESS_SSL_ENABLED", "yes")]).unwrap_err();
    let wanted = "LIBPROCESS_SSL_ENABLED is \"yes\", want true, 1, false or 0";
    assert_eq!(errors.to_string(), wanted);
}

#[test]
fn what_is_switched_off_is_not_looked_at() {
    let vars = [
        ("LIBPROCESS_SSL_VERIFY_CERT", "perhaps"),
        ("SSL_KEY_FILE", ""),
    ];
    assert_eq!(read(&vars).unwrap().tls, None);
}

#[test]
fn a_certificate_is_verified_unless_the_operator_says_explicitly_that_it_is_not() {
    assert!(tls(&[]).verify);
    for (vars, verify) in [
        (&[("LIBPROCESS_SSL_VERIFY_SERVER_CERT", "0")][..], false),
        (&[("LIBPROCESS_SSL_VERIFY_CERT", "false")], false),
        (&[("SSL_VERIFY_CERT", "false")], false),
        (&[("LIBPROCESS_SSL_VERIFY_SERVER_CERT", "1")], true),
        (&[("LIBPROCESS_SSL_VERIFY_CERT", "1")], true),
        // It asks nothing of the agent that the executor connects to.
        (&[("LIBPROCESS_SSL_REQUIRE_CERT", "0")], true),
        // Requiring implies verifying, in libprocess as well.
        (
            &[
                ("LIBPROCESS_SSL_VERIFY_CERT", "0"),
                ("LIBPROCESS_SSL_REQUIRE_CERT", "1"),
            ],
            true,
        ),
        (
            &[
                ("LIBPROCESS_SSL_VERIFY_CERT", "0"),
                ("LIBPROCESS_SSL_VERIFY_SERVER_CERT", "1"),
            ],
            true,
        ),
    ] {
        assert_eq!(tls(vars).verify, verify, "{vars:?}");
    }
}

#[test]
fn files_keep_the_name_of_the_variable_that_named_them() {
    let settings = tls(&[
        ("LIBPROCESS_SSL_CA_FILE", "/ca.pem"),
        ("SSL_CA_FILE", "/older.pem"),
        ("SSL_CA_DIR", "/cas"),
        ("LIBPROCESS_SSL_CERT_FILE", "/cert.pem"),
        ("LIBPROCESS_SSL_KEY_FILE", "/key.pem"),
    ]);
    let ca_file = settings.ca_file.unwrap();
    assert_eq!(ca_file.variable, "LIBPROCESS_SSL_CA_FILE");
    assert_eq!(ca_file.path, Path::new("/ca.pem"));
    assert_eq!(settings.ca_dir.unwrap().variable, "SSL_CA_DIR");
    let identity = settings.identity.unwrap();
    assert_eq!(identity.certificate.path, Path::new("/cert.pem"));
    assert_eq!(identity.key.variable, "LIBPROCESS_SSL_KEY_FILE");
}

#[test]
fn a_certificate_and_its_key_come_together() {
    assert_eq!(
        complaint(&[("LIBPROCESS_SSL_KEY_FILE", "/key.pem")]),
        "LIBPROCESS_SSL_CERT_FILE is not set, want the path of a file"
    );
    assert_eq!(
        complaint(&[("LIBPROCESS_SSL_CERT_FILE", "/cert.pem")]),
        "LIBPROCESS_SSL_KEY_FILE is not set, want the path of a file"
    );
    assert_eq!(
        complaint(&[("SSL_KEY_FILE", "/key.pem")]),
        "SSL_CERT_FILE is not set, want the path of a file"
    );
    assert_eq!(
        complaint(&[("SSL_KEY_FILE", ""), ("SSL_CERT_FILE", "/cert.pem")]),
        "SSL_KEY_FILE is \"\", want the path of a file"
    );
}

#[test]
fn openssls_variable_for_authorities_is_no_certificate_of_the_executors() {
    let authorities = ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(tls(&[authorities]).identity, None);
    let both = [("SSL_CERT_FILE", "/cert.pem"), ("SSL_KEY_FILE", "/key.pem")];
    let identity = tls(&both).identity.unwrap();
    assert_eq!(identity.certificate.path, Path::new("/cert.pem"));
}

#[test]
fn one_version_of_tls_has_to_be_left() {
    assert!(tls(&[]).tls12 && tls(&[]).tls13);
    let only13 = tls(&[("LIBPROCESS_SSL_ENABLE_TLS_V1_2", "false")]);
    assert!(!only13.tls12 && only13.tls13);
    let only12 = tls(&[("LIBPROCESS_SSL_ENABLE_TLS_V1_3", "0")]);
    assert!(only12.tls12 && !only12.tls13);
    let neither = complaint(&[
        ("LIBPROCESS_SSL_ENABLE_TLS_V1_2", "0"),
        ("LIBPROCESS_SSL_ENABLE_TLS_V1_3", "0"),
        ("LIBPROCESS_SSL_ENABLE_TLS_V1_1", "1"),
    ]);
    assert!(
        neither.contains("LIBPROCESS_SSL_ENABLE_TLS_V1_2"),
        "{neither}"
    );
}
