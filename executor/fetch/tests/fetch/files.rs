//! Files of this host, names, permissions, checksums and the quota.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use dialect::{Checksum, Uri};
use tempfile::TempDir;

use crate::sandbox::{Sandbox, uri};

/// A file elsewhere on this host.
fn file(content: &str, mode: u32) -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("source");
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (dir, path.to_str().unwrap().to_owned())
}

#[test]
fn a_local_file_is_copied_with_its_permissions_but_not_with_set_user_id() {
    let (_dir, path) = file("content", 0o4750);
    let mut sandbox = Sandbox::new();
    let summary = sandbox
        .fetch([
            uri(&path),
            Uri {
                output_file: Some("b".into()),
                ..uri(format!("file://{path}"))
            },
        ])
        .unwrap();
    assert_eq!((summary.files, summary.bytes), (2, 14));
    assert_eq!(sandbox.read("source"), "content");
    assert_eq!(sandbox.mode("source"), 0o750);
    assert_eq!(sandbox.read("b"), "content");
    assert_eq!(
        sandbox.log[..3],
        [
            format!("Fetching '{path}' into 'source', 7 bytes"),
            format!("Fetched '{path}' into 'source', 7 bytes"),
            "Not extracting 'source': its name is not one of an archive".to_owned(),
        ]
    );
}

#[test]
fn an_executable_may_be_executed_by_all_and_is_never_extracted() {
    let (_dir, path) = file("not a zip", 0o600);
    let mut sandbox = Sandbox::new();
    sandbox
        .fetch([Uri {
            executable: true,
            output_file: Some("bin/app.zip".into()),
            ..uri(path)
        }])
        .unwrap();
    assert_eq!(sandbox.mode("bin/app.zip"), 0o755);
    assert_eq!(sandbox.names(), ["bin"]);
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_named_with_the_reason() {
    let dir = TempDir::new().unwrap();
    let mut sandbox = Sandbox::new();
    let missing = format!("{}/none", dir.path().display());
    assert_eq!(
        sandbox.refused(uri(&missing)),
        format!(
            "failed to fetch '{missing}': open it as the task's user: No such file or directory (os error 2)"
        )
    );
    let directory = dir.path().to_str().unwrap();
    assert_eq!(
        sandbox.refused(uri(directory)),
        format!("failed to fetch '{directory}': not a regular file")
    );
    assert_eq!(
        sandbox.refused(uri("ftp://user:secret@host/file")),
        "failed to fetch 'ftp://host/file': scheme 'ftp' is none of file, http, https"
    );
    assert!(sandbox.names().is_empty());
}

#[test]
fn content_may_be_in_the_uri_itself_and_is_not_shown() {
    let mut sandbox = Sandbox::new();
    let inline = |content: &str| Uri {
        output_file: Some("key".into()),
        ..uri(format!("data:;base64,{content}"))
    };
    sandbox.fetch([inline("c2VjcmV0")]).unwrap();
    assert_eq!(sandbox.read("key"), "secret");
    assert!(
        !sandbox.log.join("\n").contains("c2VjcmV0"),
        "{:?}",
        sandbox.log
    );
    let error = sandbox.refused(inline("c2Vj*mV0"));
    assert!(
        error.starts_with("failed to fetch 'data:;base64,...': not valid base64"),
        "{error}"
    );
}

#[test]
fn a_checksum_decides_whether_a_file_is_kept() {
    let (_dir, path) = file("abc", 0o644);
    let sums = [
        Checksum::Md5("900150983cd24fb0d6963f7d28e17f72".into()),
        Checksum::Sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()),
        Checksum::Sha512(
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
                .into(),
        ),
    ];
    let mut sandbox = Sandbox::new();
    for sum in sums {
        sandbox
            .fetch([Uri {
                checksum: Some(sum),
                ..uri(&path)
            }])
            .unwrap();
    }
    let mut sandbox = Sandbox::new();
    let wrong = Some(Checksum::Md5("0".repeat(32)));
    let error = sandbox.refused(Uri {
        checksum: wrong,
        ..uri(&path)
    });
    assert_eq!(
        error,
        format!(
            "failed to fetch '{path}': checksum md5:900150983cd24fb0d6963f7d28e17f72, expected md5:{}",
            "0".repeat(32)
        )
    );
    assert!(sandbox.names().is_empty(), "{:?}", sandbox.names());
}

#[test]
fn a_file_that_does_not_fit_the_quota_leaves_nothing_behind() {
    let (_dir, path) = file(&"x".repeat(9000), 0o644);
    let mut sandbox = Sandbox::new();
    sandbox.order.quota = Some(20_000);
    let twice = [
        uri(&path),
        Uri {
            output_file: Some("second".into()),
            ..uri(&path)
        },
    ];
    let error = sandbox.fetch(twice).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "failed to fetch '{path}': 9000 bytes, which do not fit the 7712 bytes left of the 20000 that the task may use"
        )
    );
    assert_eq!(sandbox.names(), ["source"]);
}

#[test]
fn a_file_takes_the_place_of_a_file_or_link_and_never_of_what_a_link_leads_to() {
    let (_dir, path) = file("new", 0o644);
    let elsewhere = TempDir::new().unwrap();
    let target = elsewhere.path().join("target");
    std::fs::write(&target, "untouched").unwrap();
    let mut sandbox = Sandbox::new();
    std::fs::write(sandbox.path("old"), "old").unwrap();
    symlink(&target, sandbox.path("link")).unwrap();
    for name in ["old", "link"] {
        sandbox
            .fetch([Uri {
                output_file: Some(name.into()),
                ..uri(&path)
            }])
            .unwrap();
        assert_eq!(sandbox.read(name), "new");
    }
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "untouched");

    symlink(elsewhere.path(), sandbox.path("out")).unwrap();
    let error = sandbox.refused(Uri {
        output_file: Some("out/target".into()),
        ..uri(&path)
    });
    assert!(
        error.contains("enter directory 'out': Not a directory"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "untouched");

    std::fs::create_dir(sandbox.path("directory")).unwrap();
    let error = sandbox.refused(Uri {
        output_file: Some("directory".into()),
        ..uri(&path)
    });
    assert!(
        error.contains("create 'directory': Is a directory"),
        "{error}"
    );
    assert_eq!(sandbox.names(), ["directory", "link", "old", "out"]);
}

#[test]
fn a_sandbox_that_takes_no_file_is_said_to() {
    let (_dir, path) = file("new", 0o644);
    let mut sandbox = Sandbox::new();
    // Root may write anywhere but into a directory that is gone.
    std::fs::remove_dir(sandbox.dir.path()).unwrap_or_default();
    let directory = sandbox.dir.path().to_owned();
    std::fs::create_dir(&directory).unwrap();
    let handle = std::fs::File::open(&directory).unwrap();
    std::fs::remove_dir(&directory).unwrap();
    sandbox.order.uris = vec![uri(&path)];
    let error = fetch::fetch(
        &sandbox.order,
        std::os::fd::AsFd::as_fd(&handle),
        &mut |_| {},
    )
    .unwrap_err()
    .to_string();
    assert_eq!(
        error,
        format!(
            "failed to fetch '{path}': create 'source': No such file or directory (os error 2)"
        )
    );
    assert!(!Path::new(&directory).exists());
}
