//! S3 that cannot be used as it is asked for: who is told what, and what is never told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use splade_storage::{S3Settings, Storage, StorageError, open};
use splade_test_faults::{Fault, Moto, Proxy, Requests, Times};
use support::{at, behind_proxy, file, moto, settings};

const SECRET: &str = "the-secret-key";

/// What all operations of a storage fail with.
fn failures(storage: &dyn Storage) -> Vec<StorageError> {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x", b"x");
    vec![
        storage.put_bytes("x", b"x".to_vec()).unwrap_err(),
        storage.put_file("x", &path).unwrap_err(),
        storage.get_bytes("x", 1).unwrap_err(),
        storage.get_file("x", &folder.path().join("y")).unwrap_err(),
        storage.list("", 1).unwrap_err(),
        storage.delete(&["x"]).unwrap_err(),
    ]
}

#[test]
fn a_missing_bucket_is_told_with_the_server() {
    let storage = at("s3://no-such-bucket/runs", &settings(moto().endpoint()));
    for error in failures(&*storage) {
        assert!(matches!(error, StorageError::NoBucket { .. }), "{error}");
        assert!(!error.is_temporary());
        let text = error.to_string();
        assert!(text.contains("no-such-bucket") && text.contains(&moto().endpoint()));
    }
}

#[test]
fn unknown_credentials_are_told_with_their_source_and_without_their_secret() {
    let strict = Moto::start_refusing_all();
    let storage = at("s3://models/runs", &settings(strict.endpoint()));
    for error in failures(&*storage) {
        assert!(
            matches!(&error, StorageError::Denied { code, .. } if code == "InvalidAccessKeyId"),
            "{error}"
        );
        assert!(!error.is_temporary());
        let source = moto().credentials_file().display().to_string();
        assert!(error.to_string().contains(&source), "{error}");
        assert!(!format!("{error} {error:?} {storage:?}").contains(SECRET));
    }
}

#[test]
fn a_denial_is_not_tried_again() {
    for (name, status, code) in [
        ("denied-1", 403, "AccessDenied"),
        ("denied-2", 403, "SignatureDoesNotMatch"),
        ("denied-3", 400, "ExpiredToken"),
        ("denied-4", 401, "Unauthorized"),
    ] {
        let (proxy, storage) = behind_proxy(name);
        proxy.inject(
            Requests::any(),
            Fault::Refuse { status, code },
            Times::UntilReleased,
        );
        let errors = failures(&*storage);
        for error in &errors {
            assert!(matches!(error, StorageError::Denied { .. }), "{error}");
            assert!(!error.is_temporary() && error.to_string().contains(code));
        }
        assert_eq!(proxy.seen(&Requests::any()), errors.len(), "{code}");
    }
}

#[test]
fn another_refusal_is_told_in_the_servers_words() {
    let (proxy, storage) = behind_proxy("refused");
    proxy.inject(
        Requests::any(),
        Fault::Refuse {
            status: 400,
            code: "EntityTooLarge",
        },
        Times::UntilReleased,
    );
    for error in failures(&*storage) {
        assert!(matches!(error, StorageError::Refused { .. }), "{error}");
        assert!(!error.is_temporary());
        assert!(
            error
                .to_string()
                .contains("EntityTooLarge: planned by the test")
        );
    }
}

#[test]
fn a_bucket_elsewhere_is_a_matter_of_settings() {
    let (proxy, storage) = behind_proxy("elsewhere");
    proxy.inject(
        Requests::any(),
        Fault::Refuse {
            status: 400,
            code: "AuthorizationHeaderMalformed",
        },
        Times::UntilReleased,
    );
    let error = storage.list("", 1).unwrap_err();
    assert!(matches!(error, StorageError::Settings(_)), "{error}");
    assert!(error.to_string().contains("AWS_REGION"));
}

#[test]
fn nobody_at_the_endpoint_is_temporary() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let storage = at("s3://models/runs", &settings(nobody));
    for error in failures(&*storage) {
        assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
        assert!(error.is_temporary());
    }
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let refused = |change: &dyn Fn(&mut S3Settings), named: &str| {
        let mut settings = settings(moto().endpoint());
        change(&mut settings);
        let error = open(&"s3://models".parse().unwrap(), &settings).unwrap_err();
        assert!(matches!(error, StorageError::Settings(_)), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    };
    let endpoint = |text: &str| {
        let text = text.to_owned();
        move |settings: &mut S3Settings| settings.endpoint = Some(text.clone())
    };
    refused(&endpoint("minio:9000"), "minio:9000");
    refused(&endpoint("http://"), "http://");
    refused(&endpoint("http://me:pw@minio"), "must not hold a user");
    refused(&|settings| settings.part_bytes = 1 << 20, "1048576");
    refused(&|settings| settings.attempts = 0, "at least 1");
    refused(
        &|settings| settings.credentials_file = Some("/nowhere/keys".into()),
        "/nowhere/keys",
    );
}

/// Runs a process that stores `file` at `s3://BUCKET/runs/x` with these variables and no others.
fn copy(file: &Path, bucket: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_splade-storage-copy"))
        .arg(file)
        .args([&format!("s3://{bucket}/runs"), "x"])
        .env_clear()
        .env("HOME", "/nowhere")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_environment_says_who_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x", b"abc");
    moto().create_bucket("environment");
    let endpoint = moto().endpoint();
    let keys = [
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "token"),
    ];
    let mounted = moto().credentials_file().display().to_string();
    let token = file(folder.path(), "token", b"a.b.c").display().to_string();
    for variables in [
        vec![("AWS_ENDPOINT_URL", endpoint.as_str()), keys[0], keys[1]],
        vec![("AWS_ENDPOINT_URL", &endpoint), keys[0], keys[1], keys[2]],
        vec![
            ("AWS_ENDPOINT_URL_S3", &endpoint),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_SHARED_CREDENTIALS_FILE", &mounted),
            ("AWS_REGION", "ap-northeast-2"),
        ],
        vec![
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/trainer"),
        ],
    ] {
        let output = copy(&path, "environment", &variables);
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("3 ba7816bf"));
        assert_eq!(moto().ask("GET", "/environment/runs/x").text(), "abc");
        moto().ask("DELETE", "/environment/runs/x");
    }
}

#[test]
fn the_environment_without_keys_or_region_is_told_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x", b"abc");
    let endpoint = moto().endpoint();
    let text = complaint(&copy(
        &path,
        "environment",
        &[("AWS_ENDPOINT_URL", &endpoint)],
    ));
    assert!(text.contains("no credentials") && text.contains("AWS_SHARED_CREDENTIALS_FILE"));

    let text = complaint(&copy(&path, "environment", &[]));
    assert!(text.contains("AWS_REGION"), "{text}");

    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("SPLADE_S3_PATH_STYLE", "maybe"),
    ];
    let text = complaint(&copy(&path, "environment", &variables));
    assert!(text.contains("SPLADE_S3_PATH_STYLE") && text.contains("maybe"));
}

#[test]
fn keys_of_the_environment_are_named_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x", b"abc");
    let strict = Moto::start_refusing_all();
    let endpoint = strict.endpoint();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "wrong"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let text = complaint(&copy(&path, "environment", &variables));
    assert!(
        text.contains("AWS_ACCESS_KEY_ID in the environment"),
        "{text}"
    );
    assert!(!text.contains(SECRET));
}

#[test]
fn a_certificate_is_trusted_when_its_authority_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x", b"abc");
    let private = Moto::start_with_tls();
    let (endpoint, certificate) = (private.endpoint(), private.certificate());
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("SSL_CERT_FILE", certificate.to_str().unwrap()),
    ];
    // The server has no bucket, and it is the server that says so.
    let text = complaint(&copy(&path, "private", &variables));
    assert!(text.contains("there is no bucket"), "{text}");

    let storage = at("s3://private/runs", &settings(endpoint));
    for error in failures(&*storage) {
        assert!(matches!(error, StorageError::Settings(_)), "{error}");
        assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    }
}

#[test]
fn a_custom_endpoint_means_path_style_unless_told_otherwise() {
    moto().create_bucket("styles");
    let proxy = Proxy::start(moto().address());
    let endpoint = proxy.endpoint().replace("127.0.0.1", "localhost");
    let in_path = || proxy.seen(&Requests::of("PUT").at("/styles/runs/x"));
    let with = |path_style| {
        let settings = S3Settings {
            path_style,
            ..settings(endpoint.clone())
        };
        at("s3://styles/runs", &settings).put_bytes("x", vec![])
    };
    with(None).unwrap();
    assert_eq!(in_path(), 1);
    with(Some(true)).unwrap();
    assert_eq!(in_path(), 2);
    // Whether `styles.localhost` resolves depends on the machine; the bucket is in the path no longer in any case.
    let _ = with(Some(false));
    assert_eq!(in_path(), 2);
}
